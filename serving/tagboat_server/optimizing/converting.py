"""From a fitted estimator to ONNX graphs, in the three ways in which a graph can take the numbers.

    double   as scikit-learn computes: double inputs and constants, wherever the operators have them
    cast     double up to the last step, which is given float32: what scikit-learn's forests do
    float    float32 throughout

Which way is nearest to the model depends on the model, so every way is tried and compared. skl2onnx makes the graphs,
with onnxmltools' converters for XGBoost and LightGBM, also inside pipelines.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Union

import numpy

from tagboat_server.codecs.cells import family
from tagboat_server.errors import MissingLibraryError
from tagboat_server.formats.features import attribute, kind, of_scikit_learn, positions
from tagboat_server.model import installed
from tagboat_server.optimizing import imputing
from tagboat_server.optimizing.domain import NotConvertible, Place
from tagboat_server.optimizing.doubles import is_histogram, refine
from tagboat_server.optimizing.graphs import MATRIX, as_matrix, open_session
from tagboat_server.signature import Signature

DOUBLE, CAST, FLOAT = "double", "cast", "float"

OPSETS = {"": 17, "ai.onnx.ml": 3}
"""What ONNX Runtime runs since 1.16, and all converters write."""

CONVERTERS = ("onnx", "onnxmltools", "onnxruntime", "skl2onnx")
"""Distributions whose versions are told."""


class Candidate(NamedTuple):
    """A graph that can be run. ``numbers``: the way; ``content``: the file."""

    numbers: str
    content: bytes


def graphs_of(estimator: Any, places: Sequence[Place], signature: Signature) -> list[Candidate]:
    """The graphs that can be made. Raises `NotConvertible`, with the converter's own words, where there is none."""
    last = last_of(estimator)
    if is_histogram(last) and getattr(last, "is_categorical_", None) is not None:
        raise NotConvertible("no ONNX operator does what gradient boosting does with categorical features")
    pointed = by_position(estimator, places)
    import_converter()
    found = [attempt(prepared, places, signature, numbers) for numbers, prepared in ways(pointed)]
    made = [each for each in found if isinstance(each, Candidate)]
    if not made:
        raise NotConvertible(f"the converter cannot do it: {found[-1]}")
    return made


def attempt(estimator: Any, places: Sequence[Place], signature: Signature, numbers: str) -> Union[Candidate, str]:
    """A graph, or what the converter says of it."""
    try:
        return Candidate(numbers, convert(estimator, places, signature, numbers))
    except Exception as error:  # noqa: BLE001 - the converters raise anything
        return " ".join(str(error).split())[:300] or type(error).__name__


def ways(estimator: Any) -> Iterator[tuple[str, Any]]:
    """The ways, and what is to be converted in each."""
    yield DOUBLE, estimator
    histogram = is_histogram(last_of(estimator))
    if kind(estimator) == "Pipeline" and len(estimator.steps) > 1 and not histogram:
        from skl2onnx.sklapi import CastTransformer

        before, last = list(estimator.steps[:-1]), estimator.steps[-1]
        yield CAST, type(estimator)([*before, ("to_float32", CastTransformer(dtype=numpy.float32)), last])
    if not histogram:
        yield FLOAT, estimator


def convert(estimator: Any, places: Sequence[Place], signature: Signature, numbers: str) -> bytes:
    """One graph, as a file that ONNX Runtime loads. Raises whatever the converters raise."""
    skl2onnx = import_converter()
    last = last_of(estimator)
    classifies = attribute(last, "classes_") is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proto = skl2onnx.convert_sklearn(
            estimator,
            name="model",  # a random one otherwise, and so another file every time
            initial_types=inputs_of(places, signature, numbers),
            options={id(last): {"zipmap": False}} if classifies else None,
            target_opset=OPSETS,
        )
    if numbers == DOUBLE:
        refine(proto, last)
    try:
        open_session(proto.SerializeToString(deterministic=True))
    except Exception:
        if numbers == FLOAT:
            raise
        # Ensembles of trees give floats whatever they take; skl2onnx (up to 1.20) announces doubles then.
        retype(proto)
        open_session(proto.SerializeToString(deterministic=True))
    found: bytes = proto.SerializeToString(deterministic=True)
    return found


def retype(proto: Any) -> None:
    """Announce floats where doubles were announced."""
    from onnx import TensorProto

    for output in proto.graph.output:
        tensor = output.type.tensor_type
        if tensor.elem_type == TensorProto.DOUBLE:
            tensor.elem_type = TensorProto.FLOAT


def inputs_of(places: Sequence[Place], signature: Signature, numbers: str) -> list[tuple[str, Any]]:
    """What the graph takes: one matrix where all columns are of float64, else a column each."""
    from skl2onnx.common import data_types

    number = data_types.FloatTensorType if numbers == FLOAT else data_types.DoubleTensorType
    used = [place for place in places if place.used]
    if as_matrix(signature):
        return [(MATRIX, number([None, len(used)]))]
    return [
        (f"c{place.number}", (data_types.StringTensorType if place.text else kind_of_number(place, number))([None, 1]))
        for place in used
    ]


def kind_of_number(place: Place, number: Any) -> Any:
    """The type of a column of numbers: whole ones stay whole where they are looked up among categories."""
    from skl2onnx.common.data_types import Int64TensorType

    return Int64TensorType if place.categories is not None and family(place.dtype) == "int" else number


def by_position(estimator: Any, places: Sequence[Place]) -> Any:
    """A copy that selects columns by position: a graph's inputs have names of our own, and unused columns are gone."""
    found = copy.deepcopy(estimator)
    first = found
    while kind(first) == "Pipeline":
        first = next((step for _, step in first.steps if step is not None and step != "passthrough"), None)
    if kind(first) != "ColumnTransformer" or not of_scikit_learn(first):
        return found
    names = [place.name for place in places]
    fitted = attribute(first, "feature_names_in_")
    numbered = {place.number: at for at, place in enumerate(place for place in places if place.used)}
    first.transformers_ = [
        (name, transformer, [numbered[at] for at in positions(selected, names if fitted is None else list(fitted))])
        for name, transformer, selected in first.transformers_
        if not (isinstance(transformer, str) and transformer == "drop")
    ]
    return found


def last_of(estimator: Any) -> Any:
    """The step of a pipeline that answers."""
    while kind(estimator) == "Pipeline":
        estimator = estimator.steps[-1][1]
    return estimator


def import_converter() -> Any:
    """skl2onnx, knowing those classes of XGBoost and LightGBM that are loaded. Raises `MissingLibraryError`."""
    try:
        import skl2onnx
        from skl2onnx.common import shape_calculator
    except ModuleNotFoundError:
        raise MissingLibraryError("tagboat-server[optimize]", reason="the model is to become an ONNX graph") from None
    imputing.register()
    registered = skl2onnx.update_registered_converter
    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    classifies = shape_calculator.calculate_linear_classifier_output_shapes
    regresses = shape_calculator.calculate_linear_regressor_output_shapes
    if "xgboost" in sys.modules:
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
        from xgboost import XGBClassifier, XGBRegressor

        registered(XGBClassifier, "XGBoostXGBClassifier", classifies, convert_xgboost, options=options)
        registered(XGBRegressor, "XGBoostXGBRegressor", regresses, convert_xgboost)
    if "lightgbm" in sys.modules:
        from lightgbm import LGBMClassifier, LGBMRegressor
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

        registered(LGBMClassifier, "LightGbmLGBMClassifier", classifies, convert_lightgbm, options=options)
        registered(LGBMRegressor, "LightGbmLGBMRegressor", regresses, convert_lightgbm)
    return skl2onnx


def versions() -> dict[str, str]:
    """Of the converters, as they are installed."""
    found = {name: installed(name) for name in CONVERTERS}
    return {name: version for name, version in found.items() if version is not None}
