"""scikit-learn models, and any object with scikit-learn's methods, written by ``pickle.dump``."""

from __future__ import annotations

import pickle
from pathlib import Path

from tagboat_server.formats import estimators
from tagboat_server.formats.unpickling import explained
from tagboat_server.model import LoadedModel


class PickleFormat:
    """See `Format`."""

    name = "sklearn-pickle"

    def recognises(self, path: Path) -> bool:
        """By the ending, else by the opcode that every pickle since protocol 2 begins with."""
        if not path.is_file():
            return False
        if path.suffix in {".pkl", ".pickle"}:
            return True
        with path.open("rb") as file:
            start = file.read(2)
        return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= pickle.HIGHEST_PROTOCOL

    def load(self, path: Path) -> LoadedModel:
        """Unpickle."""
        with explained(path) as warnings, path.open("rb") as file:
            estimator = pickle.load(file)  # noqa: S301 - here is the model's own environment, without credentials
        return estimators.wrap(estimator, self.name, path, warnings)


FORMAT = PickleFormat()
