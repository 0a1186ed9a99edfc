"""Every registry that one build or push speaks to, each connected once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from deployers.wrapping.images.credentials import Finder, RunnerCredentials
from deployers.wrapping.images.names import ImageName
from deployers.wrapping.images.registry import Patience, Registry


class Registries:
    """``environment``: the runner's variables (credentials, proxies, certificates). ``find``: other credentials."""

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        *,
        find: Finder | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._environment = environment
        self._find = find or RunnerCredentials(environment)
        self._patience = patience or Patience()
        self._open: dict[tuple[str, bool], Registry] = {}

    def of(self, name: ImageName) -> Registry:
        """The registry that a name is in."""
        key = (name.registry, name.plain)
        if key not in self._open:
            self._open[key] = Registry(
                name.registry, plain=name.plain, find=self._find, environment=self._environment, patience=self._patience
            )
        return self._open[key]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for registry in self._open.values():
            registry.close()
