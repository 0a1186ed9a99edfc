"""Ask the model's own environment what the model is: its format, methods, signature, libraries.

This is the first time that the model's code runs: as a child, in its own environment, with no variable of ours, a home
and working directory of its own, a time limit, and as another user where that is possible (`isolation`). Its answer
comes through a file; what it prints is kept for a person, made harmless.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from deployers.errors import ReleaseFailedError
from deployers.wrapping.children import harmless, run
from deployers.wrapping.environment import ModelEnvironment
from deployers.wrapping.isolation import ModelUser, child_environment, conceal

TIME_LIMIT = 300.0
MAXIMUM_ANSWER = 16_000_000

Said = TypeVar("Said")


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What `tagboat-server inspect` says. ``methods``: name → input and output signature, as in model.json."""

    format: str
    methods: Mapping[str, Mapping[str, Any]]
    libraries: Mapping[str, str] = {}
    python: str = ""
    server: str = ""
    warnings: tuple[str, ...] = ()


class _Failure(msgspec.Struct):
    message: str
    where: str | None = None
    hint: str | None = None


class _Answer(msgspec.Struct):
    error: _Failure


def inspect(
    bundle: Path,
    model: str,
    format: str,  # noqa: A002  (model.json's word)
    python: ModelEnvironment,
    *,
    environment: Mapping[str, str],
    user: ModelUser | None = None,
    seconds: float = TIME_LIMIT,
) -> Inspection:
    """Load the model at ``model`` below ``bundle/model``, with ``bundle/code`` on its path, and say what it is.

    ``user``: whom to run as, if not as we do. Raises `ReleaseFailedError` with what the model's code said when it can't
    be loaded, or not within ``seconds``.
    """
    conceal()
    with tempfile.TemporaryDirectory(prefix="tagboat-inspect-") as private:
        home = Path(private)
        answer = home / "answer.json"
        if user is not None:
            os.chown(home, user.uid, user.gid)
        asked: list[str | Path] = ["--model", model, "--format", format, "--code", bundle / "code", "--output", answer]
        command = python.command("inspect", bundle / "model", *asked)
        code, log = run(command, home, child_environment(environment, home=home), user, seconds)
        if code is None:
            raise ReleaseFailedError(f"the model was not loaded within {seconds:.0f} s", where=model, hint=printed(log))
        return read_answer(answer, code, log, model, Inspection)


def read_answer(answer: Path, code: int, log: str, model: str, kind: type[Said]) -> Said:
    """What a child of the model's environment has written to ``answer``. Raises `ReleaseFailedError` for its failure.

    ``code``: its exit code; ``log``: what it printed; ``kind``: the struct that a success is.
    """
    try:
        with answer.open("rb") as file:
            document = file.read(MAXIMUM_ANSWER)
    except OSError:
        document = b""
    if code == 0:
        try:
            return msgspec.json.decode(document, type=kind)
        except msgspec.DecodeError as error:
            raise ReleaseFailedError(
                f"the model's environment gave no answer that can be read: {error}", where=model, hint=printed(log)
            ) from error
    try:
        failure = msgspec.json.decode(document, type=_Answer).error
    except msgspec.DecodeError:
        how = f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"
        raise ReleaseFailedError(f"loading the model {how}", where=model, hint=printed(log)) from None
    raise ReleaseFailedError(
        harmless(failure.message), where=harmless(failure.where or model), hint=harmless(failure.hint or "") or None
    )


def printed(log: str) -> str:
    """What a child of the model's environment has printed, for a hint."""
    text = harmless(log).strip()
    return f"It printed:\n{text}" if text else "It printed nothing."
