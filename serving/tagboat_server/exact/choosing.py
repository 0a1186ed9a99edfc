"""Whether a method of a loaded model gets a fast path: asked once at load, told in the log."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional

import numpy

from tagboat_server.exact import compiling, versions
from tagboat_server.exact.inputs import array_of, check_array, check_frame, is_frame
from tagboat_server.exact.programs import PassOn, Program, Unsupported
from tagboat_server.exact.proof import BRIEF, SIZES, prove, prove_tables
from tagboat_server.exact.tables import Shape, Table, bind

SWITCH = "TAGBOAT_EXACT"

Tell = Callable[[str], None]


class Fast:
    """A method that answers as the public one, bit for bit, in less time.

    Takes what the public method takes. What is not plainly fine for the fast path (another width, other names, text,
    NaN, infinity, an unknown category) goes to the public method, which answers or refuses it in its own words.
    ``passed_on`` counts those calls. Safe to call from several threads. ``alone``: a row's bits do not depend on the
    rows beside it, so that several requests may be answered in one batch.
    """

    __slots__ = ("alone", "frames", "names", "passed_on", "program", "public", "run", "run_table", "shape", "width")

    def __init__(self, program: Program, public: Callable[[Any], Any]) -> None:
        names = getattr(program.estimator, "feature_names_in_", None)
        self.program = program
        self.public = public
        self.run = program.run
        self.width = program.width
        self.frames = program.frames
        self.alone = program.alone
        self.names: Optional[list[Any]] = None if names is None else list(names)
        self.passed_on = 0
        self.shape: Optional[Shape] = None
        self.run_table: Optional[Callable[[Table], Any]] = None

    def take_tables(self, names: Sequence[Any], dtypes: Optional[Sequence[Any]] = None) -> Optional[str]:
        """From now on take a `Table` too, and answer as to the dataframe made of it; or the reason why not.

        ``names``: its columns, which must be the fitted ones in their order. ``dtypes``: numpy's, one a column; None
        where tables come as a matrix of float64. Needs pandas, to learn how it lays out what it is given.
        """
        if self.names is None or list(names) != self.names or len(set(self.names)) != len(self.names):
            return "other columns than the model was fitted on"
        try:
            shape = Shape(names, dtypes)
            run = bind(self.program, lambda frame: frame, shape, range(len(shape.names)))
            prove_tables(self.program, run, shape)
        except Exception as reason:  # noqa: BLE001 - what cannot be proved is not used
            return str(reason) or type(reason).__name__
        self.shape, self.run_table = shape, run
        return None

    def __call__(self, batch: Any) -> Any:
        """The public method's answer. A `Table` is answered as the dataframe made of it."""
        try:
            if type(batch) is Table and self.run_table is not None and self.shape is not None:
                with numpy.errstate(all="ignore"):
                    self.shape.check(batch)
                    return self.run_table(batch)
            with numpy.errstate(all="ignore"):
                if type(batch) is numpy.ndarray:
                    if self.frames:
                        # Encoders look into their columns themselves, and take text.
                        if batch.ndim != 2 or batch.shape[1] != self.width or not batch.shape[0]:
                            raise PassOn
                    else:
                        check_array(batch, self.width)
                    return self.run(batch)
                if is_frame(batch):
                    check_frame(batch, self.names, dtypes=not self.frames)
                    return self.run(batch if self.frames else array_of(batch))
        except Exception:  # noqa: BLE001, S110 - whatever it was, the public method has the last word
            pass
        self.passed_on += 1
        return self.public(batch.frame(self.names or range(batch.width)) if type(batch) is Table else batch)


def accelerate(
    estimator: Any,
    method: str,
    sample: Optional[Any] = None,
    *,
    environment: Optional[Mapping[str, str]] = None,
    tell: Optional[Tell] = None,
) -> Optional[Fast]:
    """A fast path for one method of a fitted estimator, proved, or None: then ``tell`` is given the reason."""
    return accelerate_all(estimator, [method], sample, environment=environment, tell=tell).get(method)


def accelerate_all(
    estimator: Any,
    methods: Sequence[str],
    sample: Optional[Any] = None,
    *,
    environment: Optional[Mapping[str, str]] = None,
    tell: Optional[Tell] = None,
) -> dict[str, Fast]:
    """Fast paths for those methods that can have one; methods of one model share its tables.

    ``sample``: rows the model is known to take, an array or a dataframe; used for the proof. ``environment``: where
    ``TAGBOAT_EXACT=off`` is looked for. ``tell``: given one line a method, chosen or why not.
    """
    say: Tell = tell if tell is not None else lambda _: None
    if (environment or {}).get(SWITCH, "").strip().lower() in ("off", "0", "false", "no"):
        say(f"exact fast paths are off ({SWITCH})")
        return {}
    chosen: dict[str, Fast] = {}
    try:
        versions.check()
        check_configuration()
        programs = compiling.compile_methods(estimator, methods)
    except Unsupported as reason:
        say(f"no exact fast path: {reason}")
        return {}
    except Exception as error:  # noqa: BLE001 - an estimator that looks like none we know is served by its own methods
        say(f"no exact fast path: {type(error).__name__}: {error}")
        return {}
    proved: set[int] = set()
    for method in sorted(methods, key=telling):
        if method not in programs:
            say(f"no exact fast path for {method}")
            continue
        try:
            prove(programs[method], sample, sizes=BRIEF if chosen else SIZES, proved=proved)
        except Exception as reason:  # noqa: BLE001 - what cannot be proved is not used
            say(f"no exact fast path for {method}: {reason or type(reason).__name__}")
            continue
        chosen[method] = Fast(programs[method], getattr(estimator, method))
        say(f"exact fast path for {method}")
    return chosen


def telling(method: str) -> int:
    """The rank of a method by how much its answer tells of a difference: numbers before the classes made of them."""
    order = ("predict_proba", "decision_function", "transform", "predict")
    return order.index(method) if method in order else len(order)


def check_configuration() -> None:
    """Raise `Unsupported` where scikit-learn is told to answer in another way than by default."""
    configuration = sys.modules["sklearn"].get_config()
    if configuration.get("transform_output", "default") != "default":
        raise Unsupported("scikit-learn's transform_output is set")
    for switch in ("array_api_dispatch", "enable_metadata_routing"):
        if configuration.get(switch):
            raise Unsupported(f"scikit-learn's {switch} is set")
