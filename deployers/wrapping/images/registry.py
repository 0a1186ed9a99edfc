"""A registry, spoken to by the OCI distribution protocol (https://github.com/opencontainers/distribution-spec).

On `requests`, whose adapter (urllib3) does the retrying. `oras` (0.2.43), the Python library for this protocol, was
looked at and not taken: it reads a whole blob into memory to send it, serializes manifests anew (so that their digest
is not ours to know), mounts nothing across repositories, resumes nothing, and knows neither 429 nor Retry-After.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from deployers.errors import ConfigurationError, RefusedError, TagboatError, UnreachableError
from deployers.wrapping.images.credentials import Finder
from deployers.wrapping.images.documents import ACCEPTED, digest
from deployers.wrapping.images.names import DOCKER_HUB, ImageName
from deployers.wrapping.images.tokens import Tokens

LARGEST_DOCUMENT = 8 * 1024 * 1024
"""Bytes of a manifest or an index; the specification asks registries for 4 MiB at least."""

PIECE = 1 << 20


@dataclass(frozen=True)
class Patience:
    """How often and how long we try. ``pause`` and ``longest`` in seconds; a Retry-After beyond ``longest`` is cut."""

    attempts: int = 6
    pause: float = 0.5
    longest: float = 60.0
    connect: float = 15.0
    read: float = 120.0

    def between(self, attempt: int, asked: str | None = None) -> float:
        """Seconds before the next attempt; ``asked``: the answer's Retry-After."""
        wanted = float(asked) if asked and asked.isdecimal() else self.pause * 2**attempt
        return min(wanted, self.longest)


class _Retry(Retry):
    """urllib3's, with a bound for what a registry may ask us to wait."""

    longest = 60.0

    def get_retry_after(self, response: Any) -> float | None:
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, self.longest)


class Registry:
    """One registry, for several threads at once. ``host``: as in names. ``plain``: without TLS.

    ``environment``: proxies and certificates.
    """

    def __init__(
        self, host: str, *, plain: bool, find: Finder, environment: Mapping[str, str], patience: Patience
    ) -> None:
        self.host = host
        self.patience = patience
        address = "registry-1.docker.io" if host == DOCKER_HUB else host
        self._base = f"{'http' if plain else 'https'}://{address}"
        self._environment = environment
        self._session = requests.Session()
        self._session.trust_env = False  # no .netrc, and the environment is handed in
        self._session.verify = next(
            (environment[name] for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
             if environment.get(name)), True
        )  # fmt: skip
        retry = type("Bounded", (_Retry,), {"longest": patience.longest})(
            total=patience.attempts, backoff_factor=patience.pause, backoff_max=patience.longest,
            status_forcelist={429, 500, 502, 503, 504}, allowed_methods=None, raise_on_status=False,
        )  # fmt: skip
        self._once = requests.Session()
        self._once.trust_env, self._once.verify = False, self._session.verify
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))
            self._once.mount(scheme, HTTPAdapter(max_retries=0))
        self._tokens = Tokens(host, plain=plain, find=find, send=self._send_for_token)

    def close(self) -> None:
        """Close every connection."""
        self._session.close()
        self._once.close()

    def manifest(self, name: ImageName) -> tuple[bytes, str] | None:
        """A manifest or index and its media type, or None; held against its digest where the name has one."""
        answer = self.call(
            "GET", f"/v2/{name.repository}/manifests/{name.reference}", name.repository,
            headers={"Accept": ", ".join(ACCEPTED)}, accept=(200, 404), stream=True,
        )  # fmt: skip
        with contextlib.closing(answer):
            if answer.status_code == 404:
                return None
            content = answer.raw.read(LARGEST_DOCUMENT + 1, decode_content=True)
        if len(content) > LARGEST_DOCUMENT:
            raise RefusedError(f"a manifest of more than {LARGEST_DOCUMENT} bytes", where=str(name))
        if name.digest and digest(content) != name.digest:
            raise RefusedError(
                "the registry answers with another manifest than the digest says", where=str(name),
                hint="Find out why before anything else.",
            )  # fmt: skip
        return content, answer.headers.get("Content-Type", "").partition(";")[0].strip()

    def digest_of(self, name: ImageName) -> str | None:
        """The digest that a tag stands for now, or None where there is no such manifest."""
        answer = self.call(
            "HEAD", f"/v2/{name.repository}/manifests/{name.reference}", name.repository,
            headers={"Accept": ", ".join(ACCEPTED)}, accept=(200, 404),
        )  # fmt: skip
        if answer.status_code == 404:
            return None
        said = answer.headers.get("Docker-Content-Digest")
        if said and re.fullmatch(r"sha256:[0-9a-f]{64}", said):
            return said
        found = self.manifest(name)  # a registry need not say it
        return digest(found[0]) if found else None

    def put_manifest(self, name: ImageName, content: bytes, media_type: str) -> requests.Response:
        """Put a manifest under the name's digest or tag, and check that the registry has these very bytes.

        Registries say the digest of what they took; one that does not is asked for it.
        """
        answer = self.call(
            "PUT", f"/v2/{name.repository}/manifests/{name.reference}", name.repository, actions="pull,push",
            headers={"Content-Type": media_type}, data=content, accept=(201, 202),
        )  # fmt: skip
        if (answer.headers.get("Docker-Content-Digest") or self.digest_of(name)) != digest(content):
            raise TagboatError(
                "the registry does not have what was just pushed to it", where=str(name),
                hint="Another push to the same tag may have come between; run it again.",
            )  # fmt: skip
        return answer

    def holds(self, repository: str, blob: str) -> bool:
        """Whether a blob is in the repository."""
        answer = self.call("HEAD", f"/v2/{repository}/blobs/{blob}", repository, accept=(200, 404))
        return answer.status_code == 200

    @contextlib.contextmanager
    def blob(self, repository: str, blob: str, *, offset: int = 0) -> Iterator[Iterator[bytes]]:
        """A blob's bytes from ``offset`` on, piece by piece; the caller checks their digest."""
        headers = {"Range": f"bytes={offset}-", "Accept-Encoding": "identity"} if offset else {}
        path = f"/v2/{repository}/blobs/{blob}"
        answer = self.call("GET", path, repository, headers=headers, accept=(200, 206), stream=True)
        skip = offset if answer.status_code == 200 else 0

        def pieces() -> Iterator[bytes]:
            left = skip
            for piece in answer.iter_content(PIECE):
                if left >= len(piece):
                    left -= len(piece)
                    continue
                yield piece[left:] if left else piece
                left = 0

        with contextlib.closing(answer):
            yield pieces()

    def call(
        self,
        method: str,
        path: str,
        repository: str,
        *,
        actions: str = "pull",
        source: str | None = None,
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        accept: tuple[int, ...] = (200,),
        stream: bool = False,
        once: bool = False,
    ) -> requests.Response:
        """Send a request and return the answer, whose status is one of ``accept``.

        ``path``: below the registry, or an address it gave us. ``source``: another repository that is read from.
        ``once``: no retries; the body cannot be sent again. Raises `ConfigurationError` where the registry refuses us,
        `UnreachableError`, `TagboatError` for any other status.
        """
        url = urljoin(self._base, path)
        if urlsplit(url).scheme == "http" and not self._base.startswith("http:"):
            raise RefusedError("the registry sends us to an address without TLS", where=self.host)
        scope = [f"repository:{repository}:{actions}", *([f"repository:{source}:pull"] if source else [])]
        for last in (False, True):
            # An upload may go to another host, such as a store of objects; our credentials are not for that one.
            ours = urlsplit(url).netloc == urlsplit(self._base).netloc
            authorization = self._tokens.header(scope) if ours else None
            sent = {**(headers or {}), **({"Authorization": authorization} if authorization else {})}
            answer = self._send(method, url, headers=sent, data=data, stream=stream, once=once)
            if answer.status_code != 401 or not ours or last:
                break
            answer.close()
            self._tokens.challenged(answer.headers.get("WWW-Authenticate", ""), scope, authorization)
            if once and data is not None:
                raise UnreachableError("the authorization ran out meanwhile", where=self.host)
        if answer.status_code in accept:
            return answer
        raise self._problem(answer, f"{self.host}/{repository}")

    def _send(self, method: str, url: str, *, once: bool = False, **options: Any) -> requests.Response:
        session = self._once if once else self._session
        try:
            return session.request(
                method, url, timeout=(self.patience.connect, self.patience.read), proxies=self._proxies(url), **options
            )
        except requests.exceptions.SSLError as error:
            raise ConfigurationError(
                f"TLS with the registry failed: {_reason(error)}", where=self.host,
                hint="For a registry without TLS write http:// before its name; for an authority of your own set "
                "REQUESTS_CA_BUNDLE.",
            ) from None  # fmt: skip
        except (requests.exceptions.RequestException, OSError) as error:
            raise UnreachableError(
                f"the registry does not answer: {_reason(error)}", where=self.host, hint="Trying again is safe."
            ) from None

    def _send_for_token(self, method: str, url: str, **options: Any) -> requests.Response:
        return self._send(method, url, **options)

    def _proxies(self, url: str) -> dict[str, str]:
        said = {name.lower(): value for name, value in self._environment.items() if name.lower().endswith("_proxy")}
        if requests.utils.should_bypass_proxies(url, no_proxy=said.get("no_proxy", "") or None):
            return {}
        names = ("http", "https")
        return {name: said[f"{name}_proxy"] for name in names if said.get(f"{name}_proxy")}

    def _problem(self, answer: requests.Response, where: str) -> TagboatError:
        words = f"{answer.status_code}{_said(answer)}"
        if answer.status_code in {401, 403}:
            return ConfigurationError(
                f"the registry refuses us: {words}", where=where,
                hint="Log in to it before (docker/login-action, or `docker login`); the account needs the right to "
                "push here, or to pull from a base image's repository.",
            )  # fmt: skip
        if answer.status_code in {429, 500, 502, 503, 504}:
            return UnreachableError(f"the registry answers {words}", where=where, hint="Trying again is safe.")
        if answer.status_code == 404:
            return ConfigurationError(
                f"the registry knows no such thing: {words}", where=where,
                hint="Correct the name; some registries, ECR among them, want the repository made first.",
            )  # fmt: skip
        return TagboatError(f"the registry answers {words}", where=where)


def _said(answer: requests.Response) -> str:
    """The registry's own words, made harmless; never more than a line."""
    try:
        errors = msgspec.json.decode(answer.content[:20_000])["errors"]
        text = "; ".join(f"{error.get('code', '')} {error.get('message', '')}".strip() for error in errors)
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, requests.exceptions.RequestException):
        return ""
    return ": " + "".join(character if character.isprintable() else " " for character in text)[:300]


def _reason(error: BaseException) -> str:
    """What broke, without the address: that of an upload may carry a signature."""
    while isinstance(error, requests.exceptions.RequestException) and error.args and error.args[0] is not None:
        inner = error.args[0]
        inner = getattr(inner, "reason", None) or inner
        if not isinstance(inner, BaseException):
            break
        error = inner
    return type(error).__name__
