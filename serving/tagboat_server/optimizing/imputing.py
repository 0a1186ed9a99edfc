"""SimpleImputer in double precision.

ONNX's own Imputer knows float32 alone, and ONNX Runtime refuses what skl2onnx (up to 1.20) makes of double columns. For
missing numbers it is no more than a choice between two values, for which there are operators of every type.
"""

from __future__ import annotations

from typing import Any

import numpy


def register() -> None:
    """Have skl2onnx convert the imputers that we know by ours; the others stay its own."""
    import skl2onnx
    from skl2onnx.algebra.onnx_ops import OnnxIsNaN, OnnxWhere
    from skl2onnx.common.data_types import guess_numpy_type
    from skl2onnx.operator_converters.imputer_op import convert_sklearn_imputer
    from sklearn.impute import SimpleImputer

    def convert(scope: Any, operator: Any, container: Any) -> None:
        imputer = operator.raw_operator
        dtype = guess_numpy_type(operator.inputs[0].type)
        if dtype != numpy.float64 or len(operator.inputs) != 1 or not is_plain(imputer):
            convert_sklearn_imputer(scope, operator, container)
            return
        version = {"op_version": container.target_opset}
        given = operator.inputs[0]
        filled = imputer.statistics_.astype(dtype).reshape(1, -1)
        chosen = OnnxWhere(OnnxIsNaN(given, **version), filled, given, output_names=operator.outputs[:1], **version)
        chosen.add_to(scope, container)

    def shapes(operator: Any) -> None:
        width = sum(given.type.shape[1] for given in operator.inputs)
        operator.outputs[0].type = type(operator.inputs[0].type)([None, width])

    skl2onnx.update_registered_converter(SimpleImputer, "TagboatSimpleImputer", shapes, convert, overwrite=True)


def is_plain(imputer: Any) -> bool:
    """Whether it fills missing numbers in, in every column, and does nothing else."""
    statistics = numpy.asarray(imputer.statistics_)
    missing = imputer.missing_values
    return (
        isinstance(missing, float)
        and missing != missing
        and not imputer.add_indicator
        and statistics.dtype.kind == "f"
        and not numpy.isnan(statistics).any()
    )
