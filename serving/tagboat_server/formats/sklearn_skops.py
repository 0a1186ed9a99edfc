"""scikit-learn models written by ``skops.io.dump``: a zip archive with a ``schema.json``."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tagboat_server.errors import MissingLibraryError
from tagboat_server.formats import estimators
from tagboat_server.formats.unpickling import explained
from tagboat_server.model import LoadedModel


class SkopsFormat:
    """See `Format`."""

    name = "sklearn-skops"

    def recognises(self, path: Path) -> bool:
        """By the ending, else by the archive's table of contents."""
        if path.is_file() and path.suffix == ".skops":
            return True
        if not path.is_file() or not zipfile.is_zipfile(path):
            return False
        try:
            with zipfile.ZipFile(path) as archive:
                return "schema.json" in archive.namelist()
        except zipfile.BadZipFile:
            return False

    def load(self, path: Path) -> LoadedModel:
        """Load with skops, trusting what the file names.

        This process is the model's own, without credentials, and loads pickles as well; what skops would not trust by
        itself is passed on as a warning.
        """
        try:
            import skops.io
        except ModuleNotFoundError:
            raise MissingLibraryError("skops", where=path.name, reason="the model was saved with skops") from None
        with explained(path) as warnings:
            untrusted = sorted(skops.io.get_untrusted_types(file=path))
            if untrusted:
                warnings.append(f"skops does not trust by itself: {', '.join(untrusted)}")
            estimator = skops.io.load(path, trusted=untrusted)
        return estimators.wrap(estimator, self.name, path, warnings)


FORMAT = SkopsFormat()
