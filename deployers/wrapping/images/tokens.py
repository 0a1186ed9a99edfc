"""Authorization as registries ask for it: a challenge, a token service, a token for what is about to be done.

https://distribution.github.io/distribution/spec/auth/token/ and …/oauth/ (for identity tokens). The credentials go to
the service that the registry names, over TLS unless the registry itself was asked for without.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from deployers.errors import ConfigurationError, RefusedError
from deployers.wrapping.images.credentials import Credentials, Finder

PARAMETER = re.compile(r'([A-Za-z_]+)="([^"]*)"', re.ASCII)


class Tokens:
    """The tokens for one registry, kept by what they are good for. ``send(method, url, …)``: one HTTP request."""

    def __init__(self, host: str, *, plain: bool, find: Finder, send: Callable[..., Any]) -> None:
        self._host = host
        self._plain = plain
        self._find = find
        self._send = send
        self._known: dict[str, str] = {}
        self._challenge: tuple[str, dict[str, str]] | None = None
        self._fetching = threading.RLock()

    def header(self, scope: Sequence[str]) -> str | None:
        """The Authorization header for what is about to be done, or None as long as nobody asked for one."""
        key = " ".join(scope)
        with self._fetching:
            if key not in self._known and self._challenge is not None:
                self._fetch(scope)
            return self._known.get(key)

    def challenged(self, said: str, scope: Sequence[str], refused: str | None) -> None:
        """The registry answered 401 to the header ``refused``: learn what it wants, and get it.

        Raises `ConfigurationError`, `RefusedError`.
        """
        kind, _, rest = said.partition(" ")
        if kind.lower() not in {"basic", "bearer"}:
            raise ConfigurationError(
                f"the registry asks for authorization of a kind we do not know: {kind[:40]!r}", where=self._host
            )
        with self._fetching:
            self._challenge = (kind.lower(), dict(PARAMETER.findall(rest)))
            if self._known.get(" ".join(scope)) == refused:  # or another request has fetched a new one meanwhile
                self._known.pop(" ".join(scope), None)
                self._fetch(scope)

    def _fetch(self, scope: Sequence[str]) -> None:
        assert self._challenge is not None  # noqa: S101 - both callers have seen one
        kind, parameters = self._challenge
        credentials = self._find(self._host)
        if kind == "basic":
            if credentials is None:
                raise ConfigurationError(
                    "the registry wants credentials, and there are none for it on this machine",
                    where=self._host,
                    hint="Log in to it before (docker/login-action, or `docker login`).",
                )
            self._known[" ".join(scope)] = credentials.basic
            return
        realm = parameters.get("realm", "")
        if urlsplit(realm).scheme != "https" and not (self._plain and urlsplit(realm).scheme == "http"):
            raise RefusedError("the registry's token service has no address with TLS", where=self._host)
        self._known[" ".join(scope)] = f"Bearer {self._token(realm, parameters.get('service'), scope, credentials)}"

    def _token(self, realm: str, service: str | None, scope: Sequence[str], credentials: Credentials | None) -> str:
        asked: list[tuple[str, str]] = [("service", service)] if service else []
        if credentials is not None and credentials.identity_token:
            form = [*asked, ("scope", " ".join(scope)), ("grant_type", "refresh_token"), ("client_id", "tagboat"),
                    ("refresh_token", credentials.identity_token)]  # fmt: skip
            answer = self._send("POST", realm, data=form, headers={})
        else:
            headers = {"Authorization": credentials.basic} if credentials is not None else {}
            asked += [("scope", one) for one in scope]
            answer = self._send("GET", realm, params=asked, headers=headers)
        if answer.status_code != 200:
            raise ConfigurationError(
                f"the registry's token service refuses us ({answer.status_code})",
                where=self._host,
                hint="Log in to the registry again; the account needs the right to do this.",
            )
        try:
            document = msgspec.json.decode(answer.content)
            return str(document.get("token") or document["access_token"])
        except (msgspec.DecodeError, KeyError, AttributeError):
            raise ConfigurationError(
                "the registry's token service answered without a token", where=self._host
            ) from None
