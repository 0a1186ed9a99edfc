"""tagboat.yaml: `load` or `parse` it, then ask `settings_for` an artifact in a stage."""

from entrypoint.configuration.layers import (
    RegistrationSettings,
    StageSettings,
    registration_for,
    settings_for,
    wants_grpc,
)
from entrypoint.configuration.loading import FILE, folder_of, load, load_if_present, parse
from entrypoint.configuration.mistakes import InvalidConfigurationError, NoConfigurationError
from entrypoint.configuration.schema import Artifact, Configuration, Target

__all__ = [
    "FILE",
    "Artifact",
    "Configuration",
    "InvalidConfigurationError",
    "NoConfigurationError",
    "RegistrationSettings",
    "StageSettings",
    "Target",
    "folder_of",
    "load",
    "load_if_present",
    "parse",
    "registration_for",
    "settings_for",
    "wants_grpc",
]
