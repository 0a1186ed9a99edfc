"""From a loaded model to the application that answers for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Optional

from tagboat_server.acceleration import count_passed_on
from tagboat_server.app import Application
from tagboat_server.calling import Call
from tagboat_server.codecs import decoder_for
from tagboat_server.errors import Rejection, SettingsError
from tagboat_server.execution import Execution
from tagboat_server.logs import Log
from tagboat_server.metrics import Metrics
from tagboat_server.model import LoadedModel
from tagboat_server.optimizing import telling
from tagboat_server.predictions import Predictions
from tagboat_server.protocols.base import Context, default_method
from tagboat_server.spans import Spans
from tagboat_server.spec import Bundle, Identity, Settings
from tagboat_server.state import State


class Assembled(NamedTuple):
    """What a server is made of."""

    application: Application
    execution: Execution
    metrics: Metrics


def assemble(
    model: LoadedModel,
    sample: Optional[bytes],
    identity: Identity,
    settings: Settings,
    state: State,
    log: Log,
    spans: Optional[Spans] = None,
) -> Assembled:
    """Make the application. ``sample``: a body of our own protocol whose answers show what is to be expected."""
    metrics = Metrics(identity, model.format)
    execution = Execution(threads=settings.threads, limit=settings.concurrency, timeout=settings.request_timeout)
    calls: dict[str, Call] = {}
    for name, method in model.methods.items():
        predictions = Predictions(lambda bin_, count, name=name: metrics.predicted.labels(name, bin_).inc(count))
        metrics.before_page.append(predictions.fold)
        call = Call(
            name,
            method,
            execution=execution,
            metrics=metrics,
            log=log,
            batching=settings.batching,
            predictions=predictions,
        )
        calls[name] = call
        if sample is not None:
            expect(call, predictions, sample, metrics)
    count_passed_on(model, metrics)
    telling.tell(model, metrics)
    context = Context(model, identity, settings, state, calls, default_method(model), sample)
    return Assembled(Application(context, metrics, log, spans), execution, metrics)


def expect(call: Call, predictions: Predictions, sample: bytes, metrics: Metrics) -> None:
    """Learn from the sample what the answers are distributed like. What fails here would fail for a client too."""
    try:
        answers = call.guarded(call.method.call, call.decode(sample).value)
    except Rejection:
        return
    call.sample_answer = answers
    for name, share in predictions.expect(answers).items():
        metrics.expected.labels(call.name, name).set(share)


def read_sample(folder: Path, bundle: Bundle) -> Optional[bytes]:
    """The bundle's sample: a body of our own protocol; None where there is none."""
    if bundle.sample is None:
        return None
    try:
        return (folder / bundle.sample).read_bytes()
    except OSError as error:
        raise SettingsError(f"no sample: {error.strerror}", where=bundle.sample) from None


def sample_rows(sample: Optional[bytes], model: LoadedModel) -> Any:
    """The sample as the model's first method takes it, or None where it does not fit."""
    for method in model.methods.values():
        if sample is not None:
            try:
                return (method.decode or decoder_for(method.signature.input))(sample).value
            except Rejection:
                return None
    return None
