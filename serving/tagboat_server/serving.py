"""``serve``: from a bundle to a running server, in the order in which things can fail."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Callable, NamedTuple, Optional

from tagboat_server import formats, metrics_sharing, own_code
from tagboat_server.acceleration import accelerate
from tagboat_server.assembly import assemble, read_sample, sample_rows
from tagboat_server.balance import Balance
from tagboat_server.codecs import decoder_for
from tagboat_server.control import Control, OneServer
from tagboat_server.errors import ModelError
from tagboat_server.execution import Execution
from tagboat_server.grpc_port import Address, GrpcPort
from tagboat_server.listening import Addresses
from tagboat_server.logs import Log, take_over
from tagboat_server.model import LoadedModel
from tagboat_server.server import Server, new_event_loop
from tagboat_server.spans import Spans, spans_for
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
    host: str,
) -> int:
    """Bind, load, serve, drain; returns the exit code. Raises `ServerError` when it cannot start."""
    log = Log(access=settings.access_log)
    state = State(identity)
    own = OneServer(state)
    told: Optional[Control] = None
    # Addresses first: one that is taken should fail before a model is loaded.
    with Addresses(tcp, uds) as addresses, GrpcPort(host, settings, identity) as grpc_port:
        try:
            if control is not None:
                told = Control(control, own)
            serving = build(prepare(folder, bundle, log), state, settings, log, grpc=grpc_port.address)
            own.server = serving.server
            serving.live(addresses.listeners, (signal.SIGTERM, signal.SIGINT))
        finally:
            if told is not None:
                told.close()
    log.event("ended")
    sys.stdout.flush()
    if serving.execution.in_work:
        # A call of the model that cannot be stopped would keep the interpreter alive.
        os._exit(0)
    return 0


class Prepared(NamedTuple):
    """What may be shared by several processes: the model, and a sample of what it is asked."""

    model: LoadedModel
    sample: Optional[bytes]


class Serving(NamedTuple):
    """A server around a loaded model, what calls the model, and what makes spans, if anything does."""

    server: Server
    execution: Execution
    spans: Optional[Spans] = None

    def live(
        self,
        listeners: list[socket.socket],
        signals: Sequence[signal.Signals],
        begun: Optional[Callable[[], None]] = None,
    ) -> None:
        """Serve until drained. See `Server.live`."""
        # What has been made so far stays: the garbage collector need not look at it again, for tens of milliseconds.
        gc.collect()
        gc.freeze()
        loop = new_event_loop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(self.server.live(listeners, signals, begun))
        self.execution.close()
        if self.spans is not None:
            self.spans.close()
        if not self.execution.in_work:
            loop.close()


def prepare(folder: Path, bundle: Bundle, log: Log) -> Prepared:
    """Load the model, and find the quickest way through it."""
    model = load(folder, bundle, log)
    sample = read_sample(folder, bundle)
    rows = sample_rows(sample, model)
    if bundle.optimized is not None:
        # Not without need: its dozen modules are a hundredth of a cold start.
        from tagboat_server.optimizing.serving import optimize

        model = optimize(model, bundle.optimized, folder, rows, os.environ, log)
    quick = accelerate(model, rows, os.environ, log)
    for method in quick.methods.values():
        # What decoding imports is shared by workers too, and no request waits for it.
        decoder_for(method.signature.input, tables=method.tables)
    return Prepared(quick, sample)


def build(
    prepared: Prepared,
    state: State,
    settings: Settings,
    log: Log,
    *,
    grpc: Optional[Address] = None,
    balance: Optional[Balance] = None,
) -> Serving:
    """The server of a loaded model. ``grpc``: where it answers gRPC too.

    ``balance``: it is one of several workers; the metrics are those of all.
    """
    take_over(log)
    spans = spans_for(state.identity, os.environ, log)
    app, execution, metrics = assemble(prepared.model, prepared.sample, state.identity, settings, state, log, spans)
    server = Server(app, state, settings, log)
    if grpc is not None:
        from tagboat_server.protocols.open_inference.remote_server import RemoteServer

        server.remote = RemoteServer(app.context, metrics, log, grpc)
    state.patience = settings.request_timeout
    state.stuck_for = lambda: max(execution.stuck_for(), server.stalled_for())
    watched: dict[str, Callable[[], float]] = {
        "connections": server.connection_count,
        "in_work": lambda: execution.in_work,
        "waiting": lambda: len(execution.waiting),
        "ready": lambda: float(state.ready),
    }
    if balance is not None:
        server.balance = balance
        server.each_tick.append(lambda: balance.tell(server.connection_count()))
        server.each_tick.append(metrics_sharing.gather(metrics, watched))
    else:
        metrics.watch(watched)
    return Serving(server, execution, spans=spans)


def load(folder: Path, bundle: Bundle, log: Log) -> LoadedModel:
    """Load the bundle's model; what ``model.json`` says of a method counts over what the files say now."""
    from tagboat_server.cli import inside

    own_code.add(folder / "code")
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
