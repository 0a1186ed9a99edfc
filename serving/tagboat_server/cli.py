"""``tagboat-server``: ``inspect`` a model's files, or ``serve`` a bundle. Run inside the model's own environment."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import msgspec

from tagboat_server import __version__, own_code, processors
from tagboat_server.container import read_container
from tagboat_server.errors import ServerError, SettingsError
from tagboat_server.optimizing.command import add_to, optimize
from tagboat_server.spec import Settings, read_bundle, read_identity, read_settings

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""What BLAS and OpenMP libraries read once, when they are imported."""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run a command; returns the exit code: 0, or 2 with one JSON document that says what was wrong."""
    options = parser().parse_args(arguments)
    command = {"inspect": inspect, "optimize": optimize, "serve": serve}[options.command]
    return int(command(options))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(prog="tagboat-server", description="Serves a model over HTTP.")
    root.add_argument("--version", action="version", version=__version__)
    commands = root.add_subparsers(dest="command", required=True)
    look = commands.add_parser("inspect", help="say what a model offers, as JSON; runs the model's code")
    look.add_argument("folder", type=Path, help="the folder with the model's files")
    look.add_argument("--model", required=True, help="the model's file or folder, relative to FOLDER")
    look.add_argument("--format", help="its format, where the files do not tell")
    look.add_argument("--code", type=Path, action="append", default=[], help="a folder of modules that it imports")
    look.add_argument("--output", type=Path, help="write the JSON here instead of to stdout")
    add_to(commands)
    run = commands.add_parser("serve", help="serve a bundle until SIGTERM; alone, as a container's environment says")
    run.add_argument("bundle", type=Path, nargs="?", help="the bundle's folder; else the container's own")
    run.add_argument("--host", help="the address to listen on (default: 127.0.0.1; without BUNDLE 0.0.0.0)")
    run.add_argument("--port", type=int, help="the TCP port to listen on; 0 for any")
    run.add_argument("--uds", type=Path, help="a Unix socket to listen on")
    run.add_argument("--control", type=Path, help="a Unix socket for status, handover and drain")
    run.add_argument("--control-only", action="store_true", help="listen nowhere until told on the control socket")
    return root


def inspect(options: argparse.Namespace) -> int:
    """Load a model and print its methods, signatures and libraries."""
    pin_threads(Settings(), os.environ)
    # What the model's code prints while it loads must not mix with our document.
    document_out = os.dup(1)
    os.dup2(2, 1)
    try:
        path = inside(options.folder, options.model)
        for code in options.code:
            own_code.add(code)
        from tagboat_server import formats
        from tagboat_server.model import libraries

        model = formats.load(options.format, path)
        document: dict[str, Any] = {
            "format": model.format,
            "methods": {name: method.signature for name, method in model.methods.items()},
            "libraries": libraries(),
            "python": platform.python_version(),
            "server": __version__,
            "warnings": list(model.warnings),
        }
        code = 0
    except ServerError as error:
        document, code = error.document(), 2
    text = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    if options.output is not None:
        options.output.write_bytes(text)
    else:
        sys.stdout.flush()
        with os.fdopen(document_out, "wb") as out:
            out.write(text)
    return code


def serve(options: argparse.Namespace) -> int:
    """Serve a bundle until told to end."""
    try:
        if options.control_only and options.control is None:
            raise SettingsError("--control-only needs --control")
        asked = contain(options, os.environ) if options.bundle is None else {}
        if options.port is None and options.uds is None and not options.control_only:
            raise SettingsError("nowhere to listen", hint="Give --port, --uds, or --control with --control-only.")
        folder = options.bundle.absolute()
        bundle = read_bundle(folder)
        settings = read_settings(os.environ, asked)
        identity = read_identity(bundle, os.environ)
        pin_threads(settings, os.environ)
        where = {
            "tcp": (options.host or "127.0.0.1", options.port) if options.port is not None else None,
            "uds": options.uds,
            "control": options.control,
            "host": options.host or "127.0.0.1",
        }
        count = workers_of(settings, os.environ)
        if count is not None:
            from tagboat_server import workers

            return workers.run(folder, identity, settings, count, **where)
        # Not before: this imports NumPy, which reads the variables once.
        from tagboat_server import serving

        return serving.run(folder, bundle, identity, settings, **where)
    except ServerError as error:
        sys.stderr.write(msgspec.json.encode({"event": "failed", **error.document()}).decode() + "\n")
        return 2


def contain(options: argparse.Namespace, environment: Mapping[str, str]) -> Mapping[str, Any]:
    """Fill in what a container's environment says; what the command line says counts. Gives the settings asked for."""
    contained = read_container(environment)
    options.bundle = contained.bundle
    options.host = options.host or contained.host
    if options.port is None and options.uds is None and not options.control_only:
        options.port = contained.port
    return contained.settings


def pin_threads(settings: Settings, environment: Any) -> None:
    """Keep BLAS and OpenMP to the threads that the settings give them; what the user has set himself stays."""
    for name in THREAD_VARIABLES:
        environment.setdefault(name, str(settings.blas_threads))
    # pyarrow, which pandas imports, starts a thread of jemalloc's (24 to 26): nothing could be forked any more.
    environment.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    # A line for each series that says when it began: prometheus-client's default, and of no use here.
    environment.setdefault("PROMETHEUS_DISABLE_CREATED_SERIES", "true")


def workers_of(settings: Settings, environment: Mapping[str, str]) -> Optional[int]:
    """How many workers there shall be under a supervisor; None for one process without.

    ``auto`` leaves each call of the model the processors that its threads want.
    """
    if settings.workers != "auto":
        return settings.workers if settings.workers > 1 else None
    given = environment.get("OMP_NUM_THREADS", "")
    inside = int(given) if given.isdecimal() and int(given) else settings.blas_threads
    return max(1, processors.allowed() // (settings.threads * inside))


def inside(folder: Path, relative: str) -> Path:
    """A model's path, which must stay inside its folder. Raises `SettingsError`."""
    path = folder.absolute() / relative
    if Path(relative).is_absolute() or folder.resolve() not in path.resolve().parents:
        raise SettingsError(f"the path {relative!r} is not inside {folder}")
    if not path.exists() and not path.with_name(path.name + ".mlem").exists():
        raise SettingsError(f"there is no {relative!r}", where=str(folder))
    return path
