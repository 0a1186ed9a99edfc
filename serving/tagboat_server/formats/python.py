"""A predictor in Python, for everything that no other format knows: ``predictor.py``, alone or in the model's folder.

Its ``load()``, or ``load(folder)``, is called once and gives the object whose methods are served; without ``load`` the
module is that object. Served are the public functions that its own code defines and that take one argument. The folder,
and a folder ``code`` in it, can be imported from.

    SIGNATURES = {"predict": {"input": {"kind": "tensor", "dtype": "float64", "shape": [None, 4]}}}
    FORKABLE = True  # what load() gives may be used by several processes at once

    def load(folder):
        return Predictor(folder / "weights.npy")

What a method takes is told by ``SIGNATURES``, by a type hint (`hints`), or by nothing: then any JSON is handed to it.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Callable

import msgspec

from tagboat_server import own_code
from tagboat_server.errors import ModelError
from tagboat_server.formats import estimators, threads
from tagboat_server.formats.hints import Hinted, hinted
from tagboat_server.formats.unpickling import explained
from tagboat_server.model import LoadedMethod, LoadedModel
from tagboat_server.signature import Anything, Method

FILE = "predictor.py"
LOAD = "load"
NAME = "predictor"
"""The name under which the module is imported."""

NOTHING = f"{FILE} has neither load() nor a function to serve"
TAKEN = "A public function, or a method of what load() returns, is served where it takes one argument."

SYNCHRONOUS = "Methods are called in threads: use plain def."

VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class PythonFormat:
    """See `Format`."""

    name = "python"

    def recognises(self, path: Path) -> bool:
        """A file called ``predictor.py``, or a folder with one."""
        return (path.is_file() and path.name == FILE) or (path.is_dir() and (path / FILE).is_file())

    def load(self, path: Path) -> LoadedModel:
        """Import the predictor and call its ``load()``."""
        file = path / FILE if path.is_dir() else path
        if not file.is_file():
            raise ModelError(f"there is no {FILE}", where=path.name)
        with explained(path) as warnings:
            module = imported(file)
            made = made_by(module, file)
        signatures = signatures_of(module, path)
        functions = functions_of(made, path)
        methods = {name: method_of(function, declared=name in signatures) for name, function in functions.items()}
        forkable = bool(getattr(module, "FORKABLE", False)) and threads.forkable()
        model = LoadedModel(self.name, methods, tuple(warnings))
        if not functions:
            if made is module:
                raise ModelError(NOTHING, where=path.name, hint=TAKEN)
            # The object is a library's: a scikit-learn estimator, say, or a function.
            model = estimators.wrap(made, self.name, path, warnings)
        return dataclasses.replace(model, methods=described(model.methods, signatures, path), forkable=forkable)


def imported(file: Path) -> ModuleType:
    """The module; what lies beside it can be imported, but shadows nothing that is installed."""
    for folder in (file.parent, file.parent / "code"):
        own_code.add(folder)
    spec = importlib.util.spec_from_file_location(NAME, file, loader=own_code.Unwritten(NAME, str(file)))
    if spec is None or spec.loader is None:
        raise ModelError("this is no Python file", where=file.name)
    module = importlib.util.module_from_spec(spec)
    # Pickles name their classes by it, and so do classes that look themselves up.
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    return module


def made_by(module: ModuleType, file: Path) -> Any:
    """What ``load`` returns, called with the folder if it takes an argument; the module where it has no ``load``."""
    load = getattr(module, LOAD, None)
    if load is None:
        return module
    if not callable(load):
        raise ModelError(f"{LOAD} is a {type(load).__name__}, not a function", where=file.name)
    if is_async(load):
        raise ModelError(f"{LOAD}() is async", where=file.name, hint=SYNCHRONOUS)
    made = load(file.parent) if takes_one(load) else load()
    if made is None:
        raise ModelError(f"{LOAD}() returned nothing", where=file.name, hint="Return the object that has the methods.")
    return made


def method_of(function: Callable[[Any], Any], *, declared: bool) -> LoadedMethod:
    """A method as its type hint tells; where its signature is declared, what that makes is what it gets."""
    taken = None if declared else hinted(function)
    if taken is None:
        return LoadedMethod(function, Method(Anything()))
    return LoadedMethod(Hinted(function), Method(taken))


def signatures_of(module: ModuleType, path: Path) -> dict[str, Method]:
    """What the module declares."""
    try:
        return msgspec.convert(getattr(module, "SIGNATURES", {}), dict[str, Method])
    except msgspec.ValidationError as error:
        raise ModelError(
            f"SIGNATURES: {error}", where=path.name, hint="docs/serving/formats.md has the words."
        ) from None


def described(
    methods: Mapping[str, LoadedMethod], signatures: Mapping[str, Method], path: Path
) -> dict[str, LoadedMethod]:
    """The methods with the signatures that were declared for them."""
    absent = sorted(set(signatures) - set(methods))
    if absent:
        raise ModelError(f"SIGNATURES has {', '.join(absent)}, which is no method of the predictor", where=path.name)
    return {
        name: dataclasses.replace(method, signature=signatures.get(name, method.signature))
        for name, method in methods.items()
    }


def functions_of(made: Any, path: Path) -> dict[str, Callable[[Any], Any]]:
    """The public functions that the model's own code defines and that take one argument."""
    if isinstance(made, ModuleType):
        own = [name for name, value in vars(made).items() if inspect.isfunction(value) and value.__module__ == NAME]
        names = [name for name in own if name != LOAD]
    else:
        names = [name for kind in type(made).__mro__ if is_own(kind) for name in vars(kind)]
        names += estimators.METHODS if names else ()
    found = {name: estimators.offer(made, name) for name in dict.fromkeys(names) if not name.startswith("_")}
    functions = {name: value for name, value in found.items() if callable(value) and takes_one(value)}
    for name, function in functions.items():
        if is_async(function):
            raise ModelError(f"{name} is async", where=path.name, hint=SYNCHRONOUS)
    return functions


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a call gives a coroutine or the like instead of an answer."""
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def is_own(kind: type) -> bool:
    """Whether a class is the model's own: neither Python's nor from an installed package."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    installed = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return file is not None and not any(Path(folder) in Path(file).resolve().parents for folder in installed)


def takes_one(function: Callable[..., Any]) -> bool:
    """Whether a function can be called with one argument, and not without."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [each for each in parameters if each.default is each.empty and each.kind not in VARIABLE]
    return len(needed) == 1 and needed[0].kind is not inspect.Parameter.KEYWORD_ONLY


FORMAT = PythonFormat()
