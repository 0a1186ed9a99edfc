"""Our own Markdown templates, in which every value is made harmless unless it is `Markdown` already."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from entrypoint.report.escaping import Markdown, block, code, link, text

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment


def render(template: str, **values: Any) -> str:
    """Render ``templates/`` + ``template``. A value goes through `text` unless a filter made it `Markdown`."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import FunctionLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    folder = files("templates")
    environment = ImmutableSandboxedEnvironment(
        loader=FunctionLoader(lambda name: folder.joinpath(*name.split("/")).read_text("utf-8")),
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"text": text, "code": code, "block": block, "link": link, "seconds": seconds}
    return environment


def seconds(value: float) -> Markdown:
    """A duration, as short as it can be said, on one line."""
    if value < 60:
        return Markdown(f"{value:.1f}&nbsp;s")
    minutes, rest = divmod(round(value), 60)
    return Markdown(f"{minutes}&nbsp;min&nbsp;{rest}&nbsp;s")


def _harmless(value: object) -> Markdown:
    return value if isinstance(value, Markdown) else text(value)
