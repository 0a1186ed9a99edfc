"""The format of a model by the names of its files and how they begin, and what has to be installed to load it.

The server recognises a model too (`tagboat_server/formats`), but that runs in the model's environment, which is made
for the format that is told here. Nothing is loaded to tell.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from deployers.errors import ConfigurationError

EXTRAS = {
    "catboost": "catboost",
    "lightgbm": "lightgbm",
    "mlem": "mlem",
    "mlflow": "mlflow",
    "onnx": "onnx",
    "sklearn-skops": "skops",
    "torch-export": "torch",
    "torchscript": "torch",
    "xgboost": "xgboost",
}
"""Formats whose loader is an extra of tagboat-server."""

FORMATS = (*sorted({*EXTRAS, "python", "sklearn-joblib", "sklearn-pickle"}),)
"""All formats of the server's own."""

INSTEAD = {
    "onnxruntime": frozenset({"onnxruntime-gpu", "onnxruntime-openvino"}),
    "xgboost": frozenset({"xgboost-cpu"}),
}
"""Distributions of the same modules: where the user has chosen one of these, the extra's own would overwrite it."""

NAMES = {"MLmodel": "mlflow", "predictor.py": "python"}
"""Files that make their folder a model."""

ENDINGS = {
    ".cbm": "catboost",
    ".joblib": "sklearn-joblib",
    ".lgb": "lightgbm",
    ".mlem": "mlem",
    ".onnx": "onnx",
    ".pickle": "sklearn-pickle",
    ".pkl": "sklearn-pickle",
    ".pt": "torchscript",
    ".pt2": "torch-export",
    ".pth": "torchscript",
    ".skops": "sklearn-skops",
    ".torchscript": "torchscript",
    ".ts": "torchscript",
    ".ubj": "xgboost",
    ".xgb": "xgboost",
}

BEGINNINGS = (
    (re.compile(rb"tree\r?\n"), "lightgbm"),
    (re.compile(rb"CBM1"), "catboost"),
    (re.compile(rb'\{\s*"(ctr_data|features_info|model_info|oblivious_trees)"'), "catboost"),
    (re.compile(rb"\{[^}]{0,40}learner", re.DOTALL), "xgboost"),
)
"""How the boosting libraries' files begin."""

OPEN = {"", ".bin", ".bst", ".json", ".model", ".txt"}
"""Endings of files that may be of one of those formats, or of none."""


def tell(folder: Path, model: str, files: Collection[str]) -> str:
    """The format of the model at the path ``model`` in ``folder``; ``files``: the paths of all files there.

    A MLEM model may be named with or without ``.mlem``. Raises `ConfigurationError` where nothing tells.
    """
    if f"{model.removesuffix('.mlem')}.mlem" in files:
        return "mlem"
    found = by_name(model, files) or (by_beginning(folder / model) if model in files else None)
    if found is None:
        raise ConfigurationError(
            "the model's format can't be told from its files",
            where=model,
            hint=f"Set `format:` for the artifact in tagboat.yaml: {', '.join(FORMATS)}; or put a predictor.py that "
            "loads the model into its folder.",
        )
    return found


def by_name(model: str, files: Collection[str]) -> str | None:
    """The format by names alone: what is in the folder, the file's own name, its ending."""
    for name, format_ in NAMES.items():
        if f"{model}/{name}" in files or Path(model).name == name:
            return format_
    return ENDINGS.get(Path(model).suffix.lower()) if model in files else None


def can_be_told(model: str, files: Collection[str]) -> bool:
    """Whether the format can be told once the files are here, by what their names say already."""
    if f"{model.removesuffix('.mlem')}.mlem" in files or by_name(model, files) is not None:
        return True
    return model in files and Path(model).suffix.lower() in OPEN


def by_beginning(file: Path) -> str | None:
    """The format by a file's first bytes."""
    with file.open("rb") as content:
        start = content.read(64)
    return next((format_ for beginning, format_ in BEGINNINGS if beginning.match(start)), None)


def needed(extra: Sequence[str], chosen: Collection[str]) -> tuple[str, ...]:
    """The server's requirements without those for which the user has chosen another distribution.

    ``chosen``: the normalised names of the user's own requirements.
    """
    from packaging.requirements import Requirement

    return tuple(line for line in extra if not INSTEAD.get(Requirement(line).name, frozenset()) & set(chosen))
