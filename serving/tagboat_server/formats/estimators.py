"""Objects with scikit-learn's methods: what they offer, and how they are made fit for serving.

``n_jobs=None`` on every scikit-learn estimator, nested ones too: starting threads for one row makes a forest three to
four times slower, and joblib's processes would be children that outlive a killed server.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy

from tagboat_server.errors import ModelError
from tagboat_server.formats import threads
from tagboat_server.formats.features import input_of
from tagboat_server.model import LoadedMethod, LoadedModel
from tagboat_server.signature import Anything, Method, Signature, Tensor

METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "transform",
    "apply",
)
"""What is offered, where the model has it."""

DEPTH = 50
"""Estimators are not nested deeper than this."""


def wrap(estimator: Any, name: str, path: Path, warnings: Sequence[str]) -> LoadedModel:
    """Make a loaded object a model with methods and signatures."""
    make_fit(estimator)
    offered = [method for method in METHODS if callable(offer(estimator, method))]
    taken = input_of(estimator)
    native = is_native(estimator) and all(is_native(nested) for nested in nested_estimators(estimator))
    methods = {
        method: LoadedMethod(getattr(estimator, method), Method(taken, output_of(estimator, method)), native=native)
        for method in offered
    }
    if not methods and callable(estimator):
        methods = {"predict": LoadedMethod(estimator, Method(Anything()))}
    if not methods:
        raise ModelError(
            f"a {type(estimator).__module__}.{type(estimator).__qualname__} has no method to serve",
            where=path.name,
            hint=f"A model has at least one of {', '.join(METHODS)}.",
        )
    return LoadedModel(name, methods, tuple(warnings), estimator=estimator, forkable=threads.forkable())


def make_fit(estimator: Any) -> None:
    """Set ``n_jobs=None`` on every scikit-learn estimator in it, in place."""
    for nested in nested_estimators(estimator):
        if of_scikit_learn(nested) and getattr(nested, "n_jobs", None) is not None:
            nested.n_jobs = None


def is_native(estimator: Any) -> bool:
    """Whether the class is scikit-learn's own, and nothing in it calls anybody else's code."""
    return type(estimator).__module__.startswith("sklearn.") and all(
        is_a_librarys(value) for value in vars(estimator).values() if callable(value)
    )


def is_a_librarys(value: Any) -> bool:
    """Whether a function, a class, or what can be called like one, comes with scikit-learn or what it is made of."""
    named = value if isinstance(value, (type, types.FunctionType)) else type(value)
    return (named.__module__ or "").partition(".")[0] in {"builtins", "numpy", "scipy", "sklearn"}


def offer(estimator: Any, method: str) -> Any:
    """A method, or None where the estimator lacks it, also where it only finds that out when asked."""
    try:
        return getattr(estimator, method, None)
    except Exception:  # noqa: BLE001 - a property of the model's own code may raise anything
        return None


def of_scikit_learn(estimator: Any) -> bool:
    """Whether the class is scikit-learn's own or derived from one of its estimators.

    XGBoost's and LightGBM's classes derive from its mixins alone; their ``n_jobs`` means something else.
    """
    return any(
        base.__module__.startswith("sklearn.") and not base.__module__.startswith(("sklearn.base", "sklearn.utils"))
        for base in type(estimator).__mro__
    )


def nested_estimators(root: Any) -> Iterator[Any]:
    """The estimator and all estimators inside it, parameters and fitted parts alike, each once."""
    seen = set()
    waiting: list[Any] = [(root, 0)]
    while waiting:
        value, depth = waiting.pop()
        if id(value) in seen or depth > DEPTH:
            continue
        if isinstance(value, dict):
            inner: list[Any] = list(value.values())
        elif isinstance(value, (list, tuple, set)):
            inner = list(value)
        elif isinstance(value, numpy.ndarray) and value.dtype == object:
            inner = list(value.flat)
        elif hasattr(type(value), "get_params") and hasattr(value, "__dict__"):
            yield value
            inner = list(vars(value).values())
        else:
            continue
        seen.add(id(value))
        waiting.extend((part, depth + 1) for part in inner)


def output_of(estimator: Any, method: str) -> Optional[Signature]:
    """What a method gives back, as far as the fitted estimator tells."""
    classes = offer(estimator, "classes_")
    if not isinstance(classes, numpy.ndarray) or classes.ndim != 1:
        return None
    outputs: dict[str, Signature] = {
        "predict": Tensor(str(classes.dtype) if classes.dtype.kind in "biuf" else "object", (None,)),
        "predict_proba": Tensor("float64", (None, len(classes))),
        "predict_log_proba": Tensor("float64", (None, len(classes))),
    }
    return outputs.get(method)
