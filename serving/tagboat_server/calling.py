"""A method of the model, to be called by any protocol: alone or in a batch, on the event loop or in a thread."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable
from typing import Any, Callable, Optional

from tagboat_server import tracing
from tagboat_server.batching import Batches, can_join
from tagboat_server.codecs import Decoder, Fitting, Input, decoder_for
from tagboat_server.codecs.cells import family
from tagboat_server.errors import Rejection
from tagboat_server.execution import Execution
from tagboat_server.logs import Log
from tagboat_server.metrics import Metrics
from tagboat_server.model import LoadedMethod
from tagboat_server.pace import Pace
from tagboat_server.predictions import Predictions
from tagboat_server.signature import Anything, Frame, Signature, Tensors

SMALL = 512 * 1024
"""Bytes that are read or written on the event loop; it takes one or two milliseconds."""

AUTO, ON, OFF = "auto", "on", "off"


class Call:
    """One method of the model. ``decode``, ``fitting``: from our JSON, or from arrays, to what `run` takes.

    ``sample_answer``: what it has answered to the sample, for who wants to know what its answers are like.
    """

    def __init__(
        self,
        name: str,
        method: LoadedMethod,
        *,
        execution: Execution,
        metrics: Metrics,
        log: Log,
        batching: str = AUTO,
        predictions: Optional[Predictions] = None,
    ) -> None:
        self.name = name
        self.method = method
        self.signature = method.signature
        self.decode: Decoder = method.decode or decoder_for(method.signature.input, tables=method.tables)
        self.fitting = Fitting(method.signature.input, tables=method.tables, writable=not method.quick)
        self.checked = is_told(method.signature.input)
        self.fields = fields_of(method.signature.input)
        self.execution = execution
        self.metrics = metrics
        self.log = log
        self.on_loop = method.native or method.quick
        self.pace = Pace()
        self.rows = metrics.tally(metrics.rows, name)
        self.model_seconds = metrics.distribution(metrics.model, name)
        self.predictions = predictions
        self.sample_answer: Any = None
        self.batches: Optional[Batches] = None
        # Asked for in any case, so that no batches are a 0 in the metrics and not a gap.
        seen = metrics.distribution(metrics.batches, name).add
        if batching == ON or (batching == AUTO and method.alone):
            self.batches = Batches(self.call_batch, seen, metrics.dropped.labels(name).inc)

    async def run(self, taken: Input) -> Any:
        """The model's answer. Raises `Rejection`."""
        if self.batches is not None and can_join(taken.value):
            self.execution.take_place()
            try:
                result = await self.batches.answer(taken)
            finally:
                self.execution.give_back()
        else:
            result = await self.call(taken, self.execution.run)
        self.rows.add(taken.rows)
        if self.predictions is not None:
            self.predictions.note(result)
        return result

    async def call_batch(self, taken: Input) -> Any:
        """Call the model for requests that have taken their places."""
        return await self.call(taken, self.execution.run_for)

    async def call(self, taken: Input, run: Callable[..., Awaitable[Any]]) -> Any:
        """Call the model: here where that is known to be quick, else in a thread, by ``run``."""
        if self.on_loop and self.pace.is_quick(taken.rows):
            return self.call_here(taken)
        result, seconds = await run(self.work, taken)
        self.model_seconds.add(seconds)
        return result

    def call_here(self, taken: Input) -> Any:
        """Call the model on the event loop."""
        started = time.perf_counter()
        result = self.guarded(self.method.call, taken.value)
        seconds = time.perf_counter() - started
        self.pace.note(taken.rows, seconds)
        self.model_seconds.add(seconds)
        return result

    def work(self, taken: Input) -> tuple[Any, float]:
        """Call the model in a thread of its own; also says how many seconds that took.

        What is learned for `pace` is the thread's own time: it does not count the waiting for other threads.
        """
        started, own = time.perf_counter(), time.thread_time()
        result = self.guarded(self.method.call, taken.value)
        self.pace.note(taken.rows, time.thread_time() - own)
        return result, time.perf_counter() - started

    def field_of(self, path: Optional[str]) -> Optional[str]:
        """The column of the model's that a refusal's path ends in, if it does."""
        if path is None:
            return None
        if ", column " in path:
            end = path.rpartition(", column ")[2]
            return end if end in self.fields else None
        end = path.rpartition("]")[0].rpartition("[")[2] if path.endswith("]") else path.rpartition(".")[2]
        if end in self.fields:
            return end
        if path.endswith("]") and path.count("[") == 2 and end.isdigit() and int(end) < len(self.fields):
            return self.fields[int(end)]
        name = path.partition("[")[0].rpartition(".")[2]
        return name if name in self.fields else None

    async def apart(self, size: int, function: Callable[..., Any], *arguments: Any) -> Any:
        """Read or write ``size`` bytes: here when they are few, else in a thread."""
        if size <= SMALL:
            return function(*arguments)
        return await self.execution.run(function, *arguments)

    def guarded(self, call: Callable[[Any], Any], value: Any, *, of_input: bool = True) -> Any:
        """Call, and turn what the model raises into an answer.

        A ValueError says that the model does not take these values (an unknown category, say), and so does a
        TypeError where no signature has checked all of the input: 422 with the model's own words. Anything else is the
        model's failure: 500 with an id that the log has beside the traceback. ``of_input``: False where a result is
        written, which is never the sender's fault.
        """
        try:
            return call(value)
        except Exception as error:  # noqa: BLE001 - a model may raise anything
            kind = type(error).__name__
            self.metrics.failures.labels(self.name, kind).inc()
            if isinstance(error, ValueError) and kind != "NotFittedError" and of_input:
                message = f"the model refuses the input: {first_line(error)}"
                raise Rejection(422, message, path="data", reason="model", cause=error) from None
            if isinstance(error, (TypeError, KeyError)) and not self.checked and of_input:
                raise Rejection(
                    422,
                    f"the model cannot take this input: {kind}: {first_line(error)}",
                    path="data",
                    reason="model",
                    cause=error,
                ) from None
            identity = secrets.token_hex(8)
            trace = tracing.current()
            trace_id = trace.trace if trace is not None else None
            self.log.failure("model-failed", error, method=self.name, id=identity, trace_id=trace_id)
            raise Rejection(
                500,
                f"the model failed with {kind}",
                kind=kind,
                identity=identity,
                reason="model-failed",
                hint="The server's log has the traceback under this id.",
            ) from None


def is_told(taken: Signature) -> bool:
    """Whether a signature says of every value what it is."""
    if isinstance(taken, Frame):
        return all(family(column.dtype) != "any" for column in taken.columns)
    return not isinstance(taken, Anything)


def fields_of(taken: Signature) -> tuple[str, ...]:
    """The names of a signature's columns or inputs, in their order; none for an array."""
    if isinstance(taken, Frame):
        return tuple(str(column.name) for column in taken.columns)
    if isinstance(taken, Tensors):
        return tuple(tensor.name for tensor in taken.inputs)
    return ()


def first_line(error: BaseException) -> str:
    """An error's own words, shortened."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
