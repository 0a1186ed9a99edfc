"""``serve``: from a bundle to a running server, in the order in which things can fail."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
import sys
from pathlib import Path
from typing import Optional

from tagboat_server import formats
from tagboat_server.acceleration import accelerate
from tagboat_server.assembly import assemble, read_sample, sample_rows
from tagboat_server.control import Control
from tagboat_server.errors import ModelError
from tagboat_server.listening import bind_tcp, bind_unix, identity_of, remove_own
from tagboat_server.logs import Log, take_over
from tagboat_server.model import LoadedModel
from tagboat_server.server import Server, new_event_loop
from tagboat_server.spec import Bundle, Identity, Settings
from tagboat_server.state import State


def run(
    folder: Path,
    bundle: Bundle,
    identity: Identity,
    settings: Settings,
    *,
    tcp: Optional[tuple[str, int]],
    uds: Optional[Path],
    control: Optional[Path],
) -> int:
    """Bind, load, serve, drain; returns the exit code. Raises `ServerError` when it cannot start."""
    log = Log(access=settings.access_log)
    take_over(log)
    state = State(identity)
    listeners: list[socket.socket] = []
    path = uds.absolute() if uds is not None else None
    told: Optional[Control] = None
    file = None
    try:
        # Addresses first: one that is taken should fail before a model is loaded.
        if tcp is not None:
            listeners.append(bind_tcp(*tcp))
        if path is not None:
            listeners.append(bind_unix(path))
            file = identity_of(path)
        if control is not None:
            told = Control(control, state)
        model = load(folder, bundle, log)
        sample = read_sample(folder, bundle)
        model = accelerate(model, sample_rows(sample, model), os.environ, log)
        app, execution, metrics = assemble(model, sample, identity, settings, state, log)
        server = Server(app, state, settings, log)
        metrics.watch(
            connections=lambda: len(server.server_state.connections),
            in_work=lambda: execution.in_work,
            ready=lambda: float(state.ready),
        )
        if told is not None:
            told.server = server
        loop = new_event_loop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server.live(listeners))
    finally:
        if told is not None:
            told.close()
        if path is not None:
            remove_own(path, file)
    execution.close()
    log.event("ended")
    sys.stdout.flush()
    if execution.in_work:
        # A call of the model that cannot be stopped would keep the interpreter alive.
        os._exit(0)
    loop.close()
    return 0


def load(folder: Path, bundle: Bundle, log: Log) -> LoadedModel:
    """Load the bundle's model; what ``model.json`` says of a method counts over what the files say now."""
    from tagboat_server.cli import add_code, inside

    add_code([folder / "code"])
    model = formats.load(bundle.format, inside(folder / "model", bundle.model))
    for warning in model.warnings:
        log.event("model-warning", message=warning)
    if not bundle.methods:
        return model
    missing = sorted(set(bundle.methods) - set(model.methods))
    if missing:
        raise ModelError(f"the model no longer has {', '.join(missing)}", where="model.json")
    methods = {
        name: dataclasses.replace(model.methods[name], signature=signature)
        for name, signature in bundle.methods.items()
    }
    return dataclasses.replace(model, methods=methods)
