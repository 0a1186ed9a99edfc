"""The way in: the command line, the Action's face, the registry, the pipeline."""

__version__ = "0.1.0"
