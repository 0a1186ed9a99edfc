"""scikit-learn models written by ``joblib.dump``, compressed or not."""

from __future__ import annotations

import mmap
from pathlib import Path

from tagboat_server.errors import MissingLibraryError
from tagboat_server.formats import estimators
from tagboat_server.formats.unpickling import explained
from tagboat_server.model import LoadedModel

MAGIC = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"BZh", b"\xfd7zXZ\x00", b"\x04\x22\x4d\x18")
"""gzip, zlib at four levels, bzip2, xz, lz4: how joblib compresses."""


PICKLE = b"\x80"
MARKER = b"joblib.numpy_pickle"
"""What every joblib file with an array in it names; plain pickle cannot read such a file."""


class JoblibFormat:
    """See `Format`."""

    name = "sklearn-joblib"

    def recognises(self, path: Path) -> bool:
        """By the ending, else by a compressed file's magic number, else by joblib's name inside a pickle."""
        if not path.is_file():
            return False
        if ".joblib" in path.suffixes:
            return True
        with path.open("rb") as file:
            start = file.read(6)
            if start.startswith(MAGIC):
                return True
            if not start.startswith(PICKLE):
                return False
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return content.find(MARKER) >= 0

    def load(self, path: Path) -> LoadedModel:
        """Load with joblib."""
        try:
            import joblib
        except ModuleNotFoundError:
            raise MissingLibraryError("joblib", where=path.name, reason="the model was saved with joblib") from None
        with explained(path) as warnings:
            estimator = joblib.load(path)
        return estimators.wrap(estimator, self.name, path, warnings)


FORMAT = JoblibFormat()
