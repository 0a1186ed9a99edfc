"""Names in tagboat.yaml that point at something else in it, and that must find it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from msgspec import UnsetType

from deployers.settings import VARIABLE
from entrypoint.configuration.mistakes import Mistake, Place, quoted, suggestion
from entrypoint.configuration.reading import Path, dotted
from entrypoint.configuration.schema import Configuration, Registration, StageOverrides
from entrypoint.promotion.checking import mistakes as promotion_mistakes


class References:
    """Checks a configuration; ``places`` says where each key and value stood."""

    def __init__(self, configuration: Configuration, places: Mapping[Path, Place]) -> None:
        self._configuration = configuration
        self._places = places
        self.mistakes: list[Mistake] = []

    def check(self) -> list[Mistake]:
        """Every reference that leads nowhere."""
        configuration = self._configuration
        for name, stage in configuration.stages.items():
            self._targets(stage, ("stages", name))
        self._assigned(configuration.registration, set(configuration.stages), ("registration",))
        for name, artifact in configuration.artifacts.items():
            for stage_name, stage in artifact.stages.items():
                path: Path = ("artifacts", name, "stages", stage_name)
                self._targets(stage, path)
                if stage_name not in configuration.stages and isinstance(stage.targets, UnsetType):
                    hint = suggestion(stage_name, configuration.stages, "stages")
                    self._wrong(path, f"there is no stage {quoted(stage_name)}, and no targets are given", hint)
            known = {*configuration.stages, *artifact.stages}
            self._assigned(artifact.registration, known, ("artifacts", name, "registration"))
        self._signers()
        self._promotion()
        return self.mistakes

    def _promotion(self) -> None:
        artifacts = self._configuration.artifacts.values()
        stages = {*self._configuration.stages, *(name for artifact in artifacts for name in artifact.stages)}
        signed = self._configuration.policies.require_signature is not None
        for path, message, hint in promotion_mistakes(self._configuration.promotion, stages, signed=signed):
            self._wrong(("promotion", *path), message, hint)

    def _targets(self, stage: StageOverrides, path: Path) -> None:
        if isinstance(stage.targets, UnsetType):
            return
        for index, name in enumerate(stage.targets):
            here = (*path, "targets", index)
            if name not in self._configuration.targets:
                hint = suggestion(name, self._configuration.targets, "targets")
                self._wrong(here, f"there is no target {quoted(name)}", hint)
            elif name in stage.targets[:index]:
                self._wrong(here, f"the target {quoted(name)} stands here twice")

    def _assigned(self, registration: Registration, stages: set[str], path: Path) -> None:
        stage = registration.assign
        if isinstance(stage, str) and stage not in stages:
            hint = suggestion(stage, sorted(stages), "stages")
            self._wrong((*path, "assign"), f"there is no stage {quoted(stage)}", hint)

    def _signers(self) -> None:
        signature = self._configuration.policies.require_signature
        if signature is None:
            return
        key, path = ("allowed-signers", signature.allowed_signers)
        if path is None:
            key, path = ("keyring", signature.keyring)
        if path is not None and not VARIABLE.match(path) and not PurePosixPath(path).is_absolute():
            self._wrong(
                ("policies", "require-signature", key),
                "this path is relative, and would be read from the checkout that is to be judged",
                "Give an absolute path on the runner, such as ${env:RUNNER_TEMP}/allowed_signers.",
            )

    def _wrong(self, path: Path, message: str, hint: str | None = None) -> None:
        place = self._places.get(path) or self._places.get(path[:-1]) or Place(1, 1)
        self.mistakes.append(Mistake(place, dotted(path), message, hint))
