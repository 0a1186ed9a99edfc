"""From a fitted estimator to its programs, by its exact type.

A subclass may override anything, so a class is known by itself: the very class that its module of scikit-learn has
under that name.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Callable

from tagboat_server.exact import boosting, columns, encoding, linear, scaling, trees
from tagboat_server.exact.programs import Array, Program, Unsupported
from tagboat_server.exact.tables import Run, Shape, bind

Compile = Callable[..., "dict[str, Program]"]

KNOWN: dict[str, Compile] = {
    "sklearn.ensemble._forest.RandomForestClassifier": trees.forest,
    "sklearn.ensemble._forest.RandomForestRegressor": trees.forest,
    "sklearn.ensemble._forest.ExtraTreesClassifier": trees.forest,
    "sklearn.ensemble._forest.ExtraTreesRegressor": trees.forest,
    "sklearn.tree._classes.DecisionTreeClassifier": trees.tree,
    "sklearn.tree._classes.DecisionTreeRegressor": trees.tree,
    "sklearn.tree._classes.ExtraTreeClassifier": trees.tree,
    "sklearn.tree._classes.ExtraTreeRegressor": trees.tree,
    "sklearn.ensemble._gb.GradientBoostingClassifier": boosting.gradient,
    "sklearn.ensemble._gb.GradientBoostingRegressor": boosting.gradient,
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier": boosting.histogram,
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor": boosting.histogram,
    "sklearn.linear_model._base.LinearRegression": linear.regressor,
    "sklearn.linear_model._ridge.Ridge": linear.regressor,
    "sklearn.linear_model._ridge.RidgeCV": linear.regressor,
    "sklearn.linear_model._coordinate_descent.Lasso": linear.regressor,
    "sklearn.linear_model._coordinate_descent.LassoCV": linear.regressor,
    "sklearn.linear_model._coordinate_descent.ElasticNet": linear.regressor,
    "sklearn.linear_model._coordinate_descent.ElasticNetCV": linear.regressor,
    "sklearn.linear_model._bayes.BayesianRidge": linear.regressor,
    "sklearn.linear_model._bayes.ARDRegression": linear.regressor,
    "sklearn.linear_model._huber.HuberRegressor": linear.regressor,
    "sklearn.svm._classes.LinearSVR": linear.regressor,
    "sklearn.linear_model._stochastic_gradient.SGDRegressor": linear.flat_regressor,
    "sklearn.linear_model._logistic.LogisticRegression": linear.logistic,
    "sklearn.linear_model._logistic.LogisticRegressionCV": linear.logistic,
    "sklearn.linear_model._stochastic_gradient.SGDClassifier": linear.stochastic,
    "sklearn.linear_model._ridge.RidgeClassifier": linear.ridge_classifier,
    "sklearn.linear_model._ridge.RidgeClassifierCV": linear.ridge_classifier,
    "sklearn.svm._classes.LinearSVC": linear.classifier,
    "sklearn.preprocessing._data.StandardScaler": scaling.standard,
    "sklearn.preprocessing._data.MinMaxScaler": scaling.min_max,
    "sklearn.preprocessing._data.MaxAbsScaler": scaling.max_abs,
    "sklearn.preprocessing._data.RobustScaler": scaling.robust,
    "sklearn.impute._base.SimpleImputer": scaling.imputer,
    "sklearn.preprocessing._encoders.OneHotEncoder": encoding.one_hot,
    "sklearn.preprocessing._encoders.OrdinalEncoder": encoding.ordinal,
}
PIPELINE = "sklearn.pipeline.Pipeline"
COLUMNS = "sklearn.compose._column_transformer.ColumnTransformer"
ONE_HOT = "sklearn.preprocessing._encoders.OneHotEncoder"


def compile_methods(estimator: Any, methods: Sequence[str], *, dense: bool = False) -> dict[str, Program]:
    """The programs of those methods that have one. Raises `Unsupported` where none can have one.

    ``dense``: the caller makes a dense array of a sparse answer.
    """
    kind = kind_of(estimator)
    replaced = sorted(set(methods) & set(vars(estimator)))
    if replaced:
        raise Unsupported(f"{replaced[0]} was replaced on the object itself")
    if "_sklearn_output_config" in vars(estimator) and set(estimator._sklearn_output_config.values()) != {"default"}:  # noqa: SLF001
        raise Unsupported("an output container set by set_output")
    if kind == PIPELINE:
        return pipeline(estimator, methods, dense)
    if kind == COLUMNS:
        return columns.column_transformer(estimator, methods, compile_one)
    if kind == ONE_HOT:
        return encoding.one_hot(estimator, methods, dense)
    return KNOWN[kind](estimator, methods)


def compile_one(estimator: Any, method: str, *, dense: bool = False) -> Program:
    """The program of one method. Raises `Unsupported`."""
    programs = compile_methods(estimator, [method], dense=dense)
    if method not in programs:
        raise Unsupported(f"{type(estimator).__qualname__}.{method}")
    return programs[method]


def kind_of(estimator: Any) -> str:
    """The full name of a class that we know. Raises `Unsupported`."""
    kind = type(estimator)
    name = f"{kind.__module__}.{kind.__qualname__}"
    known = name in KNOWN or name in (PIPELINE, COLUMNS)
    if not known or getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is not kind:
        raise Unsupported(f"{kind.__qualname__} is none of the known classes")
    return name


def pipeline(estimator: Any, methods: Sequence[str], dense: bool) -> dict[str, Program]:
    """The programs of a pipeline: its transformers one after the other, then a method of its last step."""
    steps = [step for _, step in estimator.steps if step is not None and step != "passthrough"]
    if not steps:
        raise Unsupported("a pipeline without steps")
    last = estimator.steps[-1][1]
    ends = last is not None and last != "passthrough"
    if not ends and list(methods) != ["transform"]:
        raise Unsupported("a pipeline whose last step passes everything through")
    before = [compile_one(step, "transform") for step in steps[:-1]]
    finals = compile_methods(steps[-1], methods, dense=dense)
    return {method: chain(estimator, method, (*before, final)) for method, final in finals.items()}


def chain(estimator: Any, method: str, parts: tuple[Program, ...]) -> Program:
    """One program after the other; those after the first are given arrays."""
    runs = [part.run for part in parts]

    def run(batch: Any) -> Array:
        for each in runs:
            batch = each(batch)
        found: Array = batch
        return found

    def bind_first(take: Any, shape: Shape, places: Sequence[int]) -> Run:
        first = bind(parts[0], take, shape, places)

        def run_table(table: Any) -> Any:
            batch = first(table)
            for each in runs[1:]:
                batch = each(batch)
            return batch

        return run_table

    first, dense, alone = parts[0], parts[-1].dense, all(part.alone for part in parts)
    shape = (first.candidates, parts, first.missing, first.frames, dense)
    return Program(estimator, method, run, *shape, bind=bind_first, alone=alone)
