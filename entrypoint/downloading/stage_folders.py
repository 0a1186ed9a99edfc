"""The folder that a stage of a pipeline works in, where dvc.yaml writes it as a template (``wdir: ${region}``).

DVC itself fills the template in, from the files of the commit alone (`entrypoint.registry.templating.CommitFiles`).
Of the stage it gets to see nothing but what a folder can depend on: no command.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from entrypoint.errors import TagboatError
from entrypoint.registry.repository import Repository
from entrypoint.registry.templating import CommitFiles

_OF_THE_STAGE = ("foreach", "matrix", "wdir", "vars")


def templated_wdir(
    repository: Repository, commit: str, folder: str, document: Mapping[str, Any], stage: str
) -> str | None:
    """The ``wdir`` of one stage of the dvc.yaml ``document`` in ``folder``; None where DVC cannot tell.

    ``stage``: its name in dvc.lock, such as ``train@de`` for one of a ``foreach``.
    """
    from dvc.exceptions import DvcException
    from dvc.parsing import DataResolver

    stages = document.get("stages") or {}
    name = stage if stage in stages else stage.partition("@")[0]
    shown = _only(stages[name])
    if isinstance(body := stages[name].get("do"), Mapping):
        shown["do"] = {**_only(body), "cmd": "true"}
        shown.pop("wdir", None)
    else:
        shown["cmd"] = "true"
    sections = {"stages": {name: shown}, "vars": document.get("vars") or []}
    repo = SimpleNamespace(fs=CommitFiles(repository, commit), config={})
    try:
        resolved = DataResolver(repo, folder, sections).resolve_one(stage)
    except (
        DvcException,
        TagboatError,
        AssertionError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        RecursionError,
    ):
        return None
    wdir = resolved.get(stage, {}).get("wdir")
    return wdir if isinstance(wdir, str) else None


def _only(stage: Mapping[str, Any]) -> dict[str, Any]:
    return {key: stage[key] for key in _OF_THE_STAGE if key in stage}
