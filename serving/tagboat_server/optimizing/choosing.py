"""When a model is wrapped: the graph that is nearest to it, and how near that is."""

from __future__ import annotations

import hashlib
import time
from typing import Any, Callable, Optional

from msgspec import structs

from tagboat_server.model import LoadedModel
from tagboat_server.optimizing.asking import Asked, ask
from tagboat_server.optimizing.comparing import answers, compare, is_alone
from tagboat_server.optimizing.converting import Candidate, graphs_of, versions
from tagboat_server.optimizing.domain import NotConvertible
from tagboat_server.optimizing.drawing import as_request, for_model
from tagboat_server.optimizing.graphs import Optimized, open_session
from tagboat_server.optimizing.outcome import Outcome, Tolerance

METHODS = ("predict", "predict_proba")
"""What a graph answers; a model's other methods stay its own."""


def choose(model: LoadedModel, sample: Any, rows: int, tolerance: Tolerance) -> tuple[Outcome, Optional[bytes]]:
    """Convert, compare on so many rows, and choose. The graph is None where no method of it is within the tolerance.

    ``sample``: rows that the model is known to take, as its decoder makes them, or None. Raises `NotConvertible`.
    """
    methods = [name for name in METHODS if name in model.methods]
    if model.estimator is None or "predict" not in methods:
        raise NotConvertible(f"only models of scikit-learn's kind become ONNX graphs, and this is of {model.format}")
    asked = ask(model, sample, rows, methods)
    candidates = graphs_of(model.estimator, asked.places, model.methods["predict"].signature.input)
    tried = [(compared(each, asked, tolerance), each) for each in candidates]
    outcome, chosen = min(tried, key=lambda pair: pair[0].rank())
    if not outcome.passed:
        return outcome, None
    outcome = timed(outcome, chosen, asked)
    if outcome.microseconds["graph"] >= outcome.microseconds["model"]:
        slow = "a row takes the graph {graph:.0f} µs and the model {model:.0f} µs: nothing would be won"
        return structs.replace(outcome, sha256=None, reason=slow.format(**outcome.microseconds)), None
    return outcome, chosen.content


def timed(outcome: Outcome, chosen: Candidate, asked: Asked) -> Outcome:
    """The outcome with what one row takes, at best, through a method that passed."""
    name = outcome.passed[0]
    method = asked.model.methods[name]
    ours = graph_of(name, open_session(chosen.content), asked)
    batch = as_request(asked.rows.part(0, 1), method.signature.input)
    theirs = for_model(batch, method.signature.input)
    quickest = {"graph": best_of(lambda: ours.run(batch)), "model": best_of(lambda: method.call(theirs))}
    return structs.replace(outcome, microseconds={key: round(value * 1e6, 1) for key, value in quickest.items()})


def best_of(call: Callable[[], Any], times: int = 30) -> float:
    """Seconds of the quickest call."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return min(found)


def graph_of(name: str, session: Any, asked: Asked) -> Optimized:
    """The method as a graph answers it, in the model's own dtype."""
    method = asked.model.methods[name]
    made = Optimized(session, name, asked.places, method.signature.input, method.call)
    made.answer_as(asked.wanted[name])
    return made


def compared(candidate: Candidate, asked: Asked, tolerance: Tolerance) -> Outcome:
    """One graph's figures."""
    session = open_session(candidate.content)
    figures, alone = {}, True
    for name, wanted in asked.wanted.items():
        signature = asked.model.methods[name].signature.input
        ours = graph_of(name, session, asked)
        figures[name] = compare(wanted, answers(ours.run, asked.rows, signature, model=False), tolerance)
        alone = alone and is_alone(ours, asked.rows, signature)
    passed = any(each.passed for each in figures.values())
    return Outcome(
        to="onnx",
        methods=figures,
        sha256=hashlib.sha256(candidate.content).hexdigest() if passed else None,
        numbers=candidate.numbers,
        rows=len(asked.rows),
        of_sample=asked.rows.of_sample,
        alone=alone,
        tolerance=tolerance,
        guessed=asked.rows.guessed,
        converters=versions(),
    )
