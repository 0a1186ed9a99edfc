"""When a model is served: its graph answers, after one more comparison on this machine; or the model does, and the log
says why. Never silently the one or the other."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import msgspec

from tagboat_server.logs import Log
from tagboat_server.model import LoadedMethod, LoadedModel
from tagboat_server.optimizing.asking import Asked, ask
from tagboat_server.optimizing.choosing import graph_of
from tagboat_server.optimizing.comparing import answers, compare, is_alone
from tagboat_server.optimizing.domain import NotConvertible
from tagboat_server.optimizing.graphs import open_session
from tagboat_server.optimizing.outcome import Outcome
from tagboat_server.signature import Frame

SWITCH = "TAGBOAT_OPTIMIZE"

MOST = 1000
"""Rows of the comparison at load: the same as when it was wrapped, but never more than this."""


def optimize(
    model: LoadedModel, outcome: Outcome, folder: Path, sample: Any, environment: Mapping[str, str], log: Log
) -> LoadedModel:
    """The model with the graph of its bundle in ``folder`` in the place of those methods that passed."""
    if environment.get(SWITCH, "").strip().lower() in ("off", "0", "false", "no"):
        log.event("optimized", message=f"the model itself answers: optimization is off ({SWITCH})")
        return model
    if outcome.graph is None:
        reason = outcome.reason or "; ".join(f"{name}: {each.told()}" for name, each in outcome.methods.items())
        log.event("optimized", message=f"the model itself answers: no graph was accepted when it was wrapped: {reason}")
        return model
    try:
        content = (folder / outcome.graph).read_bytes()
        if hashlib.sha256(content).hexdigest() != outcome.sha256:
            raise NotConvertible("the file is not the one that was compared", where=outcome.graph)
        session = open_session(content)
        asked = ask(model, sample, min(outcome.rows, MOST), [name for name in outcome.passed if name in model.methods])
    except Exception as error:  # noqa: BLE001 - whatever it is, the model can answer
        log.event("optimized", message=f"the model itself answers: the graph cannot be used: {error}")
        return model
    methods = dict(model.methods)
    for name in asked.wanted:
        methods[name] = proved(name, session, asked, outcome, log) or methods[name]
    # ONNX Runtime does not promise that a forked child can do without its threads.
    changed = any(methods[name] is not model.methods[name] for name in methods)
    return dataclasses.replace(model, methods=methods, forkable=model.forkable and not changed)


def proved(name: str, session: Any, asked: Asked, outcome: Outcome, log: Log) -> Optional[LoadedMethod]:
    """The method as the graph answers it, or None where it does not answer here as it did when it was wrapped."""
    own = asked.model.methods[name]
    signature = own.signature.input
    try:
        ours = graph_of(name, session, asked)
        found = answers(ours.run, asked.rows, signature, model=False)
        figures = compare(asked.wanted[name], found, outcome.tolerance)
        alone = outcome.alone and is_alone(ours, asked.rows, signature)
        problem = None if figures.passed else figures.told()
    except Exception as error:  # noqa: BLE001 - whatever it is, the model can answer
        problem = f"{type(error).__name__}: {error}"
    if problem is not None:
        log.event("optimized", method=name, message=f"the model itself answers {name}: on this machine {problem}")
        return None
    ours.figures = figures
    log.event(
        "optimized",
        method=name,
        message=f"an {outcome.to} graph answers {name}: {figures.told()}",
        proved=msgspec.to_builtins(figures),
        alone=alone,
    )
    return dataclasses.replace(own, call=ours, quick=True, alone=alone, tables=isinstance(signature, Frame))
