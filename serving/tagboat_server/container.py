"""What ``tagboat-server serve`` means without a bundle: it is a container's only process, and the environment tells.

So ``ENTRYPOINT ["…/tagboat-server"]`` with ``CMD ["serve"]`` runs on Kubernetes, under ``docker run``, and on
SageMaker, which starts every image as ``docker run IMAGE serve``. The variables are those of SageMaker's container
contract (AWS, "Custom Inference Code with Hosting Services") and of its inference toolkit, as far as they apply here:

    SAGEMAKER_BIND_TO_PORT                   the port, 8080 otherwise
    SAGEMAKER_SAFE_PORT_RANGE                where further ports may lie; this server opens none
    SAGEMAKER_CONTAINER_LOG_LEVEL            30 (warnings) and more: no line for each request
    SAGEMAKER_MODEL_SERVER_WORKERS           ``workers``
    SAGEMAKER_MODEL_SERVER_TIMEOUT           ``request-timeout``
    SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT     ``default-accept``
    SAGEMAKER_MULTI_MODEL                    refused: one server has one model

What ``TAGBOAT_SETTINGS`` says counts over all of them. `DRAIN` is the one setting whose default is another here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Optional

from tagboat_server.errors import SettingsError

HOST = "0.0.0.0"  # noqa: S104 - a container's own network; who reaches it is for the platform to say
PORT = 8080
DRAIN = 25.0
"""Seconds for which connections may finish: SageMaker and Kubernetes kill a container 30 seconds after SIGTERM."""

BUNDLE = "TAGBOAT_BUNDLE"
MODEL_FOLDER = "/opt/ml/model"
"""Where SageMaker unpacks ``model.tar.gz``, perhaps read-only; ``SM_MODEL_DIR`` names another place."""
IMAGE_FOLDER = Path("/opt/tagboat/bundle")
"""Where an image of Tagboat's keeps the bundle that it was built with."""

PORTS = re.compile(r"(\d{1,5})-(\d{1,5})\Z", re.ASCII)
FALSE = {"", "0", "false", "no", "off"}


class Contained(NamedTuple):
    """Where the bundle is, and where to listen. ``settings``: what the environment asks of the server's settings."""

    bundle: Path
    host: str
    port: int
    settings: Mapping[str, Any]


def read_container(environment: Mapping[str, str], image: Path = IMAGE_FOLDER) -> Contained:
    """What a container's environment says; ``image``: where an image keeps its bundle. Raises `SettingsError`."""
    if environment.get("SAGEMAKER_MULTI_MODEL", "").lower() not in FALSE:
        raise SettingsError(
            "this server has one model; it takes no part in a multi-model endpoint",
            where="SAGEMAKER_MULTI_MODEL",
            hint="Deploy each model to an endpoint or an inference component of its own.",
        )
    check_range(environment.get("SAGEMAKER_SAFE_PORT_RANGE"))
    return Contained(find_bundle(environment, image), HOST, port_of(environment), asked(environment))


def find_bundle(environment: Mapping[str, str], image: Path) -> Path:
    """The bundle: the one that is named, or the first of the usual places that has one."""
    named = environment.get(BUNDLE)
    if named:
        return Path(named)
    places = [Path(environment.get("SM_MODEL_DIR") or MODEL_FOLDER), image]
    for place in places:
        if (place / "model.json").is_file():
            return place
    raise SettingsError(
        f"there is no bundle: no model.json in {' or '.join(map(str, places))}",
        hint=f"Give the bundle's folder as an argument, or name it in {BUNDLE}.",
    )


def port_of(environment: Mapping[str, str]) -> int:
    """The port to listen on."""
    text = environment.get("SAGEMAKER_BIND_TO_PORT") or str(PORT)
    return number("SAGEMAKER_BIND_TO_PORT", text, most=65535)


def check_range(text: Optional[str]) -> None:
    """Refuse a range of ports that is none."""
    found = PORTS.match(text) if text else None
    if text and (found is None or not 0 < int(found[1]) <= int(found[2]) <= 65535):
        raise SettingsError(
            f"{text[:40]!r} is no range of ports", where="SAGEMAKER_SAFE_PORT_RANGE", hint="Such as 21000-22000."
        )


def asked(environment: Mapping[str, str]) -> dict[str, Any]:
    """What a container, and SageMaker's variables, ask of the server's settings."""
    found: dict[str, Any] = {"drain": DRAIN}
    level = environment.get("SAGEMAKER_CONTAINER_LOG_LEVEL")
    if level:
        found["access-log"] = level_of(level) < logging.WARNING
    workers = environment.get("SAGEMAKER_MODEL_SERVER_WORKERS")
    if workers:
        found["workers"] = number("SAGEMAKER_MODEL_SERVER_WORKERS", workers, most=1024)
    seconds = environment.get("SAGEMAKER_MODEL_SERVER_TIMEOUT")
    if seconds:
        found["request-timeout"] = number("SAGEMAKER_MODEL_SERVER_TIMEOUT", seconds, most=86400)
    accept = environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT")
    if accept:
        found["default-accept"] = accept
    return found


def level_of(text: str) -> int:
    """A level of Python's logging, as a number or a name."""
    if text.isascii() and text.isdigit():
        return int(text[:9])
    level = logging.getLevelName(text.upper())
    if not isinstance(level, int):
        raise SettingsError(f"{text[:40]!r} is no log level", where="SAGEMAKER_CONTAINER_LOG_LEVEL", hint="20, or INFO")
    return level


def number(name: str, text: str, *, most: int) -> int:
    """A whole number from 1 to ``most``. Raises `SettingsError`."""
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 0 < value <= most:
        raise SettingsError(f"{text[:40]!r} is no number from 1 to {most}", where=name)
    return value
