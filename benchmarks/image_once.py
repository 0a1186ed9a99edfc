"""One build and push of a bundle, for benchmarks/image.py to time: imports what a run has imported, and no more."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deployers.wrapping import image
from deployers.wrapping.bundle import Bundle, load
from deployers.wrapping.image import ImageSettings, Registries


def deployed(bundle: Bundle, base: str, repository: str, cache: Path, environment: Mapping[str, str]) -> int:
    """Build and push; the bytes that were sent."""
    with Registries(environment) as registries:
        made = image.build(
            bundle, ImageSettings(base=base), registries=registries, cache=cache, environment=environment
        )
        return image.push(made, repository, registries=registries, environment=environment).sent


if __name__ == "__main__":
    folder, base, repository, cache = sys.argv[1:]
    print(deployed(load(Path(folder)), base, repository, Path(cache), os.environ))
