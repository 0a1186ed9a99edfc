"""The REST server that travels with a model."""
