"""Templates of what is put on a target: sandboxed Jinja2 whose values never pass through the text.

A template writes a value as ``{{ value | tojson }}`` and in no other way. What it writes is a token; the rendered text
is parsed as YAML (JSON is YAML too), and only then each token becomes its value. So no value can break out of its
place, be retyped (``on``, ``1.0``, ``0777``), or become part of another text.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

import jinja2
import jinja2.runtime
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment

from deployers.errors import ConfigurationError, RefusedError
from deployers.yaml_merges import merged_size

JSON = Any

TOKEN = re.compile(r"\ue000(\d+)\ue001")

LARGEST_TEMPLATE = 64 * 1024
"""Characters of one template."""

LARGEST_TEXT = 512 * 1024
"""Characters of one rendered text."""

MOST_MERGED = 10_000
"""Entries of one rendered document, those of merge keys written out."""


class Templates:
    """The templates of a kind of target: ours, each replaced by the user's of the same name, and the user's own.

    ``ours`` is a folder of ``*.j2`` files; ``theirs`` maps names to texts of the configuration's repository.
    """

    def __init__(self, ours: Path, theirs: Mapping[str, str]) -> None:
        self.texts = {path.name: path.read_text() for path in sorted(ours.glob("*.j2"))}
        self.theirs = frozenset(theirs)
        self.texts.update(theirs)

    def digests(self) -> dict[str, str]:
        """SHA-256 of each template's text, by its name: a part of a release's identity."""
        return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(self.texts.items())}

    def names(self) -> Sequence[str]:
        """Every template, in order."""
        return sorted(self.texts)

    def documents(self, name: str, values: Mapping[str, JSON]) -> list[dict[str, JSON]]:
        """The objects that a template makes of the values; none where it renders to nothing.

        Raises `ConfigurationError` for what is no template or no object, `RefusedError` for what leaves the sandbox.
        """
        text, written = self._rendered(name, values)
        try:
            if "<<" in text and any(
                merged_size(each) > MOST_MERGED for each in yaml.compose_all(text, yaml.SafeLoader)
            ):
                raise ConfigurationError(f"its merge keys make over {MOST_MERGED} entries", where=f"template {name}")
            parsed = [found for found in yaml.safe_load_all(text) if found is not None]
        except (yaml.YAMLError, RecursionError) as error:
            raise ConfigurationError(
                f"what it renders is no YAML: {' '.join(str(error).split())[:300]}", where=f"template {name}"
            ) from None
        for found in parsed:
            if not isinstance(found, dict):
                raise ConfigurationError("it renders something that is no object", where=f"template {name}")
        return [_filled(found, written, name) for found in parsed]

    def _rendered(self, name: str, values: Mapping[str, JSON]) -> tuple[str, list[JSON]]:
        written: list[JSON] = []
        environment = _environment(written)
        where = f"template {name}"
        if len(self.texts[name]) > LARGEST_TEMPLATE or TOKEN.search(self.texts[name]):
            raise ConfigurationError(
                f"it is no template: over {LARGEST_TEMPLATE} characters, or with odd ones", where=where
            )
        try:
            code = _compiled(self.texts[name])
            template = environment.template_class.from_code(environment, code, environment.make_globals(None))
            text = template.render(values)
        except jinja2.exceptions.SecurityError as error:
            raise RefusedError(f"it reaches for what no template may touch: {error}", where=where) from None
        except jinja2.TemplateSyntaxError as error:
            raise ConfigurationError(f"line {error.lineno}: {error.message}", where=where) from None
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
            raise ConfigurationError(f"it cannot be rendered: {error}", where=where) from None
        if len(text) > LARGEST_TEXT:
            raise ConfigurationError(f"it renders more than {LARGEST_TEXT} characters", where=where)
        return text, written


@functools.lru_cache(maxsize=256)
def _compiled(text: str) -> CodeType:
    """A template's code; the same for all that render it, and it takes longer to make than to run."""
    return _environment([]).compile(text)


class Written(str):
    """A token in the place of a value that `tojson` has taken."""

    __slots__ = ()


def _environment(written: list[JSON]) -> jinja2.Environment:
    @jinja2.pass_context  # a filter that asks for the context is never evaluated when a template is compiled
    def tojson(_: jinja2.runtime.Context, value: JSON) -> Written:
        # Also turns tuples into lists and refuses what JSON has no form for, undefined names among it.
        written.append(json.loads(json.dumps(value, allow_nan=False, default=_refuse)))
        return Written(f'"\ue000{len(written) - 1}\ue001"')

    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, finalize=_only_written, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    environment.filters = {"tojson": tojson, **{name: environment.filters[name] for name in PURE}}
    environment.globals = {}
    return environment


PURE = ("default", "first", "last", "length", "list", "lower", "selectattr", "rejectattr", "sort", "unique", "upper")
"""The filters of Jinja2 that a template may use beside ``tojson``."""


def _only_written(value: object) -> object:
    if isinstance(value, jinja2.Undefined):
        str(value)  # says which name is undefined
    if not isinstance(value, Written):
        raise jinja2.TemplateError("a value is written without `| tojson`")
    return value


def _refuse(value: object) -> JSON:
    if isinstance(value, jinja2.Undefined):
        str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _filled(node: JSON, written: Sequence[JSON], name: str) -> JSON:
    """The parsed text with values in the place of tokens."""

    def value_of(text: str) -> JSON:
        found = TOKEN.fullmatch(text)
        if found is not None:
            return written[int(found[1])]
        if TOKEN.search(text):
            raise ConfigurationError(
                "a value stands inside a text",
                where=f"template {name}",
                hint="Put the whole text together first: `{{ ('v-' ~ version) | tojson }}`.",
            )
        return text

    def fill(inner: JSON) -> JSON:
        if isinstance(inner, dict):
            return {
                _key(value_of(key) if isinstance(key, str) else key, name): fill(each) for key, each in inner.items()
            }
        if isinstance(inner, list):
            return [fill(each) for each in inner]
        return value_of(inner) if isinstance(inner, str) else _plain(inner, name)

    return fill(node)


def _key(key: JSON, name: str) -> str:
    if not isinstance(key, str):
        raise ConfigurationError(f"the key {key!r} is no text", where=f"template {name}", hint="Put it in quotes.")
    return key


def _plain(value: JSON, name: str) -> JSON:
    if value is None or isinstance(value, bool | int | float):
        return value
    raise ConfigurationError(
        f"{value!r} is a {type(value).__name__}, which JSON lacks", where=f"template {name}", hint="Put it in quotes."
    )
