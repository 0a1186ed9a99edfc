"""The REST server that travels with a model."""

__version__ = "0.1.0"
