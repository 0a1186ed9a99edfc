"""The files that `tagboat init` writes: tagboat.yaml, the workflow for tags, and the scheduled reconcile."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from deployers.settings import VARIABLE
from entrypoint import __version__
from entrypoint.configuration.kinds import Kinds
from entrypoint.configuration.reference import default_of
from entrypoint.configuration.scalars import JSON_NUMBER
from entrypoint.configuration.shapes import description, stripped
from entrypoint.errors import ConfigurationError, TagboatError, UnsafeContentError
from entrypoint.publication import RELEASE, REPOSITORY, SCHEMA_URL
from entrypoint.registry.repository import Repository
from entrypoint.registry.tags import parse

CHECKOUT = "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0"
"""Pinned by commit, as our own workflows have it."""

RESERVED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
"""Words that YAML 1.1 or 1.2 takes for something other than a text."""

CONFIGURATION = "tagboat.yaml"
DEPLOY_WORKFLOW = ".github/workflows/tagboat.yml"
RECONCILE_WORKFLOW = ".github/workflows/tagboat-reconcile.yml"
TEMPLATES: Mapping[str, str] = {
    CONFIGURATION: "tagboat.yaml.j2",
    DEPLOY_WORKFLOW: "tagboat.yml.j2",
    RECONCILE_WORKFLOW: "tagboat-reconcile.yml.j2",
}


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of the target, for the template: with a value, or as a comment that shows its default."""

    name: str
    value: str | None
    default: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a person (or the options) said. ``settings``: the deployer's keys that have a value.

    ``artifacts``: those of the registry, or an example where it has none.
    """

    deployer: str
    target: str
    stages: Sequence[str]
    artifacts: Sequence[str]
    settings: Mapping[str, str]
    workflows: bool = True


def registered(repository: Repository) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The artifacts and the stages that registry tags name already, by the grammar alone."""
    artifacts, stages = set(), set()
    for tag in repository.tags():
        try:
            parsed = parse(tag.name)
        except TagboatError:
            continue
        artifacts.add(parsed.artifact)
        if parsed.stage:
            stages.add(parsed.stage)
    return tuple(sorted(artifacts)), tuple(sorted(stages))


def known_keys(kinds: Kinds, deployer: str) -> Sequence[str]:
    """The keys that a target of this kind may have."""
    return [field.encode_name for field in msgspec.structs.fields(kinds.settings_type(deployer))]


def required_keys(kinds: Kinds, deployer: str) -> Mapping[str, str]:
    """The keys that a target of this kind must have, each with what it means."""
    fields = msgspec.structs.fields(kinds.settings_type(deployer))
    return {field.encode_name: description(stripped(field.type)[1]) or "" for field in fields if field.required}


def render(answers: Answers, kinds: Kinds) -> dict[str, str]:
    """The text of each file by its path from the repository's root."""
    import jinja2

    environment = jinja2.Environment(  # noqa: S701 - YAML; what was answered passes through tojson or a grammar
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["word"] = _word
    environment.filters["value"] = _value
    values = _values(answers, kinds)
    folder = resources.files("templates") / "init"
    wanted = [path for path in TEMPLATES if path == CONFIGURATION or answers.workflows]
    return {
        path: environment.from_string((folder / TEMPLATES[path]).read_text(encoding="utf-8")).render(values)
        for path in wanted
    }


def next_steps(answers: Answers) -> list[str]:
    """What a person does after init, in order."""
    artifact, stage = answers.artifacts[0], answers.stages[0]
    steps = [
        f"Read {CONFIGURATION}; add smoke requests, so that a wrong model is noticed.",
        "Commit the files to the default branch and push.",
        f"Register a version: tagboat register {artifact}. Stage it: tagboat assign {artifact} --stage {stage}",
        "Look at all of it: tagboat doctor",
    ]
    if answers.deployer == "local" and answers.workflows:
        runner = "The workflows need a self-hosted runner: the machine that `local` deploys to, with tagboat installed."
        steps.insert(2, runner)
    return steps


def write(root: Path, files: Mapping[str, str], *, force: bool) -> dict[str, str]:
    """Write the files and say of each: written, overwritten or unchanged.

    Raises `ConfigurationError`, having written nothing, when a file is there with another text and not ``force``;
    `UnsafeContentError` when a link leads out of the repository.
    """
    root = root.resolve()
    fates = {}
    for path, text in files.items():
        file = root / path
        if not file.parent.resolve().is_relative_to(root) or file.is_symlink():
            raise UnsafeContentError("a link stands in the way", where=path, hint="Remove it, and run init again.")
        fates[path] = _fate(file, text)
    taken = [path for path, fate in fates.items() if fate == "overwritten"]
    if taken and not force:
        raise ConfigurationError(
            f"there already: {', '.join(taken)}",
            where=str(root),
            hint="Nothing was written. --force overwrites; Git keeps what was committed.",
        )
    for path, text in files.items():
        if fates[path] != "unchanged":
            _replace(root / path, text)
    return fates


def _values(answers: Answers, kinds: Kinds) -> dict[str, Any]:
    variables = [name for value in answers.settings.values() for name in VARIABLE.findall(value)]
    return {
        "schema_url": SCHEMA_URL,
        "repository": REPOSITORY,
        "release": RELEASE,
        "version": __version__,
        "checkout": CHECKOUT,
        "deployer": answers.deployer,
        "target": answers.target,
        "keys": _keys(answers, kinds),
        "stages": answers.stages,
        "artifacts": answers.artifacts,
        "variables": sorted(set(variables)),
        "on_this_machine": answers.deployer == "local",
    }


def _word(text: str) -> str:
    """A text as YAML: as it is where every reader takes it for that text, else in quotes."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_/.-]*", text, re.ASCII) and text.lower() not in RESERVED
    return text if plain else json.dumps(text)


def _value(text: str) -> str:
    """A value as YAML: numbers, truth values, lists and mappings as they were given, all else as a text."""
    given = JSON_NUMBER.fullmatch(text) or text in {"true", "false"} or (text[0] in "[{" and text.isprintable())
    return text if given else _word(text)


def _keys(answers: Answers, kinds: Kinds) -> list[Key]:
    """The target's keys: those with a value, then the others as comments."""
    keys = []
    for field in msgspec.structs.fields(kinds.settings_type(answers.deployer)):
        told = " ".join((description(stripped(field.type)[1]) or "").split())
        value = answers.settings.get(field.encode_name)
        default = default_of(field).strip("`") or "…"
        keys.append(Key(name=field.encode_name, value=value, default=default, description=told))
    return sorted(keys, key=lambda key: key.value is None)


def _fate(file: Path, text: str) -> str:
    try:
        return "unchanged" if file.read_bytes() == text.encode() else "overwritten"
    except FileNotFoundError:
        return "written"
    except OSError as error:
        raise ConfigurationError(f"cannot be replaced: {error.strerror}", where=str(file)) from None


def _replace(file: Path, text: str) -> None:
    """Write a file whole or not at all."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
            temporary.chmod(0o644)
            temporary.replace(file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigurationError(f"cannot be written: {error.strerror}", where=str(file)) from None
