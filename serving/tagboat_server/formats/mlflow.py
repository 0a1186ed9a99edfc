"""MLflow's model folders: ``MLmodel`` says what is in them.

A scikit-learn model is loaded as what it is, a pickle or skops file, and has all its methods, without MLflow. Any other
model is loaded by ``mlflow.pyfunc`` and has its ``predict``; where that holds an estimator, its other methods as well.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tagboat_server import own_code
from tagboat_server.errors import MissingLibraryError, ModelError
from tagboat_server.formats import estimators, sklearn_joblib, sklearn_pickle, sklearn_skops
from tagboat_server.formats.mlflow_schema import binary_columns, declared
from tagboat_server.formats.unpickling import explained
from tagboat_server.model import LoadedMethod, LoadedModel
from tagboat_server.signature import Anything, Frame, Method, Signature, Tensor

FILE = "MLmodel"
REQUIREMENT = "tagboat-server[mlflow]"

SERIALIZED: Mapping[str, Any] = {
    "cloudpickle": sklearn_pickle.FORMAT,
    "joblib": sklearn_joblib.FORMAT,
    "pickle": sklearn_pickle.FORMAT,
    "skops": sklearn_skops.FORMAT,
}
"""How MLflow keeps scikit-learn's objects, and what reads that."""


class MlflowFormat:
    """See `Format`."""

    name = "mlflow"

    def recognises(self, path: Path) -> bool:
        """A folder with ``MLmodel``, or that file."""
        return (path / FILE).is_file() or (path.name == FILE and path.is_file())

    def load(self, path: Path) -> LoadedModel:
        """Load the model that the folder holds."""
        folder = path.parent if path.name == FILE else path
        document = read(folder)
        flavors = document.get("flavors") or {}
        method = declared(document.get("signature"), where=folder.name)
        sklearn = flavors.get("sklearn")
        if isinstance(sklearn, dict) and sklearn.get("serialization_format") in SERIALIZED:
            model = of_sklearn(folder, sklearn, flavors.get("python_function") or {})
        elif "python_function" in flavors:
            model = of_pyfunc(folder, method, binary_columns(document.get("signature")))
        else:
            known = ", ".join(map(str, flavors)) or "none"
            raise ModelError(f"the model has no python_function flavour (it has {known})", where=folder.name)
        return dataclasses.replace(model, format=self.name, methods=described(model.methods, method))


def read(folder: Path) -> Mapping[str, Any]:
    """The document that describes the model."""
    try:
        import yaml
    except ModuleNotFoundError:
        raise MissingLibraryError(REQUIREMENT, where=folder.name, reason="the model was saved with MLflow") from None
    try:
        document = yaml.safe_load((folder / FILE).read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"there is no {FILE}: {error.strerror}", where=folder.name) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"no YAML: {error}", where=FILE) from None
    if not isinstance(document, dict) or not isinstance(document.get("flavors"), dict):
        raise ModelError("this describes no model of MLflow's: it has no flavors", where=FILE)
    return document


def of_sklearn(folder: Path, flavor: Mapping[str, Any], pyfunc: Mapping[str, Any]) -> LoadedModel:
    """A scikit-learn object from its own file. MLflow's ``predict`` may be another of its methods."""
    file = within(folder, str(flavor.get("pickled_model")))
    code = flavor.get("code") or pyfunc.get("code")
    if code:
        own_code.add(within(folder, str(code)))
    model: LoadedModel = SERIALIZED[flavor["serialization_format"]].load(file)
    asked = str(pyfunc.get("predict_fn", "predict"))
    if asked != "predict" and asked in model.methods:
        # The estimator's own `predict` is not what a fast path may stand in for here.
        return dataclasses.replace(model, methods={**model.methods, "predict": model.methods[asked]}, estimator=None)
    return model


def within(folder: Path, relative: str) -> Path:
    """A path that the document names, which must stay inside the folder."""
    path = (folder / relative).resolve()
    if folder.resolve() not in path.parents or not path.exists():
        raise ModelError(f"there is no {relative!r} in the folder", where=FILE)
    return path


def of_pyfunc(folder: Path, method: Method, binary: Sequence[str]) -> LoadedModel:
    """Any model by MLflow's own machinery. ``binary``: columns of bytes."""
    # MLflow reports to its makers how it is used.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        import mlflow.pyfunc
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mlflow":
            raise MissingLibraryError(str(error.name), where=folder.name, reason="MLflow imports it") from None
        raise MissingLibraryError(REQUIREMENT, where=folder.name, reason="the model was saved with MLflow") from None
    with explained(folder) as warnings:
        model = mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)
        raw = None
        with contextlib.suppress(AttributeError, NotImplementedError):
            raw = model.get_raw_model()
    from mlflow.exceptions import MlflowException

    methods = {"predict": LoadedMethod(Predict(model, method.input, binary, MlflowException), method)}
    for name in estimators.METHODS[1:]:
        found = estimators.offer(raw, name)
        if callable(found):
            methods[name] = LoadedMethod(found, Method(method.input))
    # MLflow starts threads of its own for what it traces and reports.
    return LoadedModel(MlflowFormat.name, methods, tuple(warnings), forkable=False)


class Predict:
    """`PyFuncModel.predict`."""

    def __init__(self, model: Any, signature: Signature, binary: Sequence[str], refusal: type[Exception]) -> None:
        self.model = model
        self.binary = binary
        self.refusal = refusal
        columns = signature.columns if isinstance(signature, Frame) else ()
        self.optional = [column.name for column in columns if column.optional]

    def __call__(self, value: Any) -> Any:
        """Ask the model. What its schema refuses is for the sender."""
        if self.binary:
            value = value.assign(**{name: [decoded(cell) for cell in value[name]] for name in self.binary})
        absent = [name for name in self.optional if value[name].isna().all()]
        try:
            return self.model.predict(value.drop(columns=absent) if absent else value)
        except self.refusal as error:
            raise ValueError(str(error)) from error


def decoded(cell: str) -> bytes:
    """Binary data, which JSON has as base64."""
    return base64.b64decode(cell, validate=True)


def described(methods: Mapping[str, LoadedMethod], declared: Method) -> dict[str, LoadedMethod]:
    """The methods with the signature of the document, and what the estimator knows beyond it."""
    found = {}
    for name, method in methods.items():
        known = method.signature
        taken = known.input if isinstance(declared.input, Anything) else joined(declared.input, known.input)
        output = declared.output if name == "predict" and declared.output is not None else known.output
        found[name] = dataclasses.replace(method, signature=Method(taken, output))
    return found


def joined(declared: Signature, known: Signature) -> Signature:
    """A declared input; whether a value may be missing is the estimator's to say, where it says so."""
    if isinstance(declared, Frame) and isinstance(known, Frame):
        nullable = {str(column.name): column.nullable for column in known.columns}
        return Frame(
            tuple(
                msgspec.structs.replace(column, nullable=nullable.get(str(column.name), column.nullable))
                for column in declared.columns
            )
        )
    if isinstance(declared, Tensor) and isinstance(known, Tensor):
        return Tensor(declared.dtype, declared.shape, nullable=known.nullable)
    return declared


FORMAT = MlflowFormat()
