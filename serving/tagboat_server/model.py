"""A loaded model: its methods, ready to be called, and what each of them takes."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any, Callable, Optional

from tagboat_server.codecs.decoding import Decoder
from tagboat_server.mlem.interface import Interface
from tagboat_server.signature import Method

LIBRARIES = {
    "catboost": "catboost",
    "joblib": "joblib",
    "lightgbm": "lightgbm",
    "mlem": "mlem",
    "mlflow": "mlflow-skinny",
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "pandas": "pandas",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "skops": "skops",
    "torch": "torch",
    "xgboost": "xgboost",
}
"""Modules whose versions are worth telling, and the distributions they come from."""

OTHERWISE = {"onnxruntime": "onnxruntime-gpu", "xgboost": "xgboost-cpu"}
"""Distributions that bring the same module."""

REQUIREMENTS = {
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "yaml": "pyyaml",
    "mlem": "tagboat-server[mlem]",
}
"""Modules whose distribution has another name."""


@dataclasses.dataclass(frozen=True)
class LoadedMethod:
    """One method of a model. ``call`` takes what the decoder of ``signature.input`` makes, and may block.

    ``native``: nothing but a library's own code answers, which never waits for anything, so that it may run on the
    event loop where it takes little time. ``quick``: so too, and it leaves its input as it was. ``alone``: a row's
    answer does not depend on the rows beside it, to the bit, so that several requests may be answered together.
    ``tables``: it takes an `exact.Table` instead of a dataframe. ``decode``: reads a body of our own protocol where the
    signature does not tell enough for that.
    """

    call: Callable[[Any], Any]
    signature: Method
    native: bool = False
    quick: bool = False
    alone: bool = False
    tables: bool = False
    decode: Optional[Decoder] = None


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A model in memory. ``warnings``: what a person should know of how it was loaded.

    ``estimator``: the scikit-learn object whose own methods these are, where they are. ``forkable``: whether a process
    may fork after loading it. ``interface``: what MLEM's metadata tells of it, where it is MLEM's.
    """

    format: str
    methods: Mapping[str, LoadedMethod]
    warnings: tuple[str, ...] = ()
    estimator: Any = None
    forkable: bool = True
    interface: Optional[Interface] = None


def libraries() -> dict[str, str]:
    """The versions of the well-known libraries that are imported now, by distribution."""
    found = {}
    for module, distribution in sorted(LIBRARIES.items()):
        if module in sys.modules:
            for name in (distribution, OTHERWISE.get(module, distribution)):
                version = installed(name)
                if version is not None:
                    found[name] = version
    return found


def installed(distribution: str) -> Optional[str]:
    """The version of a distribution in this environment, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def requirement_of(module: str) -> str:
    """The requirement that brings a module."""
    top = module.partition(".")[0]
    return REQUIREMENTS.get(top, top)
