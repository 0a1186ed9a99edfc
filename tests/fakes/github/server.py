"""The fake GitHub over HTTP, for the real client library: a part of GitHub's REST API that behaves as the real one.

    with GitHub(folder) as github:
        github.environment                      # GITHUB_API_URL and so on, as a runner has them
        github.token                            # what the workflow's own token may; `holder(...)` makes others
        github.store                            # pull requests, comments, deployments; `store.git` is a real repository
        github.fail(when("POST", "/comments"), status=502, after_write=True)

Addresses are those of an Enterprise server (``/api/v3``). Every request and every answer is held against GitHub's own
OpenAPI description; what does not agree is answered with 418 and kept in `violations`, which a test's fixture looks at.
What is not here: GraphQL but for one question, search, everything about organizations.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.fakes.github import deploying, gitting, talking
from tests.fakes.github.completing import complete
from tests.fakes.github.description import Description
from tests.fakes.github.routes import Answer, Call, Page, Route, Routes, allowed
from tests.fakes.github.store import ACTIONS, ALL, Document, Git, Holder, Refusal, Store

TOKEN = "ghs_fakeToken"
ROUTES = Routes()
ROUTES.routes = [*talking.routes.routes, *deploying.routes.routes, *gitting.routes.routes]


class Fault(NamedTuple):
    """What goes wrong with a request: a status before anything happens or after the write, or a connection cut."""

    when: Callable[[str, str], bool]
    status: int = 502
    after_write: bool = False
    cut: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    message: str = "Server Error"


class Request(NamedTuple):
    """One request, as it was asked and answered; status 0 where the connection was cut."""

    method: str
    path: str
    body: Any
    status: int


class GitHub:
    """GitHub on loopback, with one repository; ``git``: a bare repository to be its own, made where it is missing."""

    def __init__(self, folder: Path, description: Description, *, repository: str = "octo-org/models",
                 git: Path | None = None) -> None:  # fmt: skip
        self.store = Store(repository, Git(git or folder / "github.git"))
        self.description = description
        self.store.tokens[TOKEN] = ACTIONS
        self.token = TOKEN
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.left = 5000
        self.reset = int(time.time()) + 3600
        self.lock = threading.RLock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"github": self}))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.api = f"{self.url}/api/v3"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        """Serve."""
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    @property
    def environment(self) -> dict[str, str]:
        """What a runner tells a step about this server."""
        return {
            "GITHUB_API_URL": self.api,
            "GITHUB_SERVER_URL": self.url,
            "GITHUB_REPOSITORY": self.store.name,
            "GITHUB_RUN_ID": "4711",
            "GITHUB_RUN_ATTEMPT": "1",
        }

    def holder(self, login: str, kind: str = "User", **permissions: str | None) -> str:
        """A new token of somebody's: everything is allowed but for what is said otherwise (None: not at all)."""
        granted = {name: level for name, level in {**ALL, **permissions}.items() if level is not None}
        token = f"{'ghs' if kind == 'Bot' else 'ghp'}_{login.removesuffix('[bot]')}{len(self.store.tokens)}"
        self.store.tokens[token] = Holder(login, kind, granted)
        return token

    def fail(self, when: Callable[[str, str], bool], times: int = 1, **how: Any) -> None:
        """Let the next requests of a kind fail."""
        with self.lock:
            self.faults += [Fault(when, **how)] * times

    def use_up(self, *, resets_in: int = 1) -> None:
        """The hour's requests are all used, until then."""
        with self.lock:
            self.left, self.reset = 0, int(time.time()) + resets_in

    def count(self, method: str, pattern: str = "") -> int:
        """How many requests of a method had a path like this."""
        return sum(1 for each in self.requests if each.method == method and re.search(pattern, each.path))

    # One request

    def limits(self) -> dict[str, str]:
        """Headers about the primary rate limit."""
        return {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": str(max(self.left, 0)),
                "X-RateLimit-Used": str(5000 - max(self.left, 0)), "X-RateLimit-Reset": str(self.reset),
                "X-RateLimit-Resource": "core"}  # fmt: skip

    def admit(self, authorization: str) -> Holder:
        """Whose request it is. Raises `Refusal` for a token that nobody has, and when the hour's requests are used."""
        token = re.sub(r"(?i)^(token|bearer) ", "", authorization)
        if token not in self.store.tokens:
            raise Refusal(401, "Bad credentials")
        if self.left <= 0 and time.time() >= self.reset:
            self.left, self.reset = 5000, int(time.time()) + 3600
        if self.left <= 0:
            raise Refusal(403, "API rate limit exceeded for installation ID 4711.")
        self.left -= 1
        return self.store.tokens[token]

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes, holder: Holder
               ) -> tuple[Answer, dict[str, str]]:  # fmt: skip
        """The answer and its headers. Raises `Refusal`: GitHub's own, or 418 where its description is not met."""
        route, values = ROUTES.find(method, path)
        repository = f"{values.get('owner', '')}/{values.get('repo', '')}"
        if "owner" in values and repository.lower() != self.store.name.lower():
            raise Refusal(404, "Not Found")
        if not allowed(route, holder):
            word = "integration" if holder.installation else "personal access token"
            raise Refusal(403, f"Resource not accessible by {word}",
                          X_Accepted_GitHub_Permissions="; ".join(route.needs))  # fmt: skip
        self.check(f"request {method} {path}", self.description.check_request, method, route.template, values, query,
                   body)  # fmt: skip
        call = Call(self.store, values, query, json.loads(body) if body else {}, holder, self.api)
        try:
            found = route.handler(call)
        except Refusal as error:
            if str(error.status) in self.description.operation(method, route.template)["responses"]:
                self.check(f"refusal of {method} {route.template}", self.description.check_answer, method,
                           route.template, values, query, error.status, json.dumps(error.document).encode())  # fmt: skip
            raise
        headers: dict[str, str] = {}
        if isinstance(found, Page):
            found, headers = self.paged(found, path, query)
        return self.whole(route, values, query, found), headers

    def whole(self, route: Route, values: dict[str, str], query: dict[str, str], found: Answer) -> Answer:
        """The answer with all the fields that GitHub's has, checked."""
        schema = self.description.schema_of(route.method, route.template, found.status)
        document = found.document
        if schema is not None:
            document = complete(self.description, schema, document)
        encoded = b"" if document is None else json.dumps(document).encode()
        self.check(f"answer to {route.method} {route.template}", self.description.check_answer, route.method,
                   route.template, values, query, found.status, encoded)  # fmt: skip
        return Answer(found.status, document)

    def check(self, what: str, check: Callable[..., None], *arguments: object) -> None:
        """Hold something against GitHub's description."""
        try:
            check(*arguments)
        except Exception as error:
            causes = "; ".join(
                f"{each.json_path}: {each.message[:200]}"
                for each in getattr(error.__cause__ or error, "schema_errors", ())
            )
            self.violations.append(f"{what}: {type(error).__name__}: {causes or error}")
            raise Refusal(418, self.violations[-1]) from error

    def paged(self, page: Page, path: str, query: dict[str, str]) -> tuple[Answer, dict[str, str]]:
        """The page that is asked for, with links to the others."""
        size, number = min(int(query.get("per_page", 30)), 100), int(query.get("page", 1))
        last = max(1, -(-len(page.items) // size))
        items = page.items[(number - 1) * size : number * size]

        def link(wanted: int, word: str) -> str:
            asked = urlencode({**query, "per_page": size, "page": wanted})
            return f'<{self.url}/api/v3{path}?{asked}>; rel="{word}"'

        links = [link(number - 1, "prev"), link(1, "first")] if number > 1 else []
        links = [link(number + 1, "next"), link(last, "last"), *links] if number < last else links
        document: Any = items if page.key is None else {"total_count": len(page.items), page.key: items}
        return Answer(200, document), {"Link": ", ".join(links)} if links else {}


def when(method: str, part: str) -> Callable[[str, str], bool]:
    """Requests of a method whose path has a part."""
    return lambda given, path: given == method and part in path


class Handler(BaseHTTPRequestHandler):
    """One request."""

    github: GitHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes, and would wait for each other

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def work(self) -> None:
        """Meet a fault, or be answered."""
        split = urlsplit(self.path)
        path = split.path.removeprefix("/api/v3")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        with self.github.lock:
            fault = next((each for each in self.github.faults if each.when(self.command, path)), None)
            if fault is not None:
                self.github.faults.remove(fault)
            if fault is None or fault.after_write:
                status, document, headers = self.answered(path, query, body)
            if fault is not None:
                status, headers = fault.status, {**dict(fault.headers)}
                document = {"message": fault.message}
            status = 0 if fault is not None and fault.cut else status
            asked = f"{path}?{split.query}" if split.query else path
            self.github.requests.append(Request(self.command, asked, json.loads(body) if body else None, status))
        if status == 0:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send(status, document, headers)

    def answered(self, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        """Status, document and headers."""
        github = self.github
        try:
            holder = github.admit(self.headers.get("Authorization", ""))
            if self.path == "/api/graphql":
                return 200, viewer(json.loads(body), holder), github.limits()
            if path == "/rate_limit":
                github.left += 1
                return 200, rates(github), github.limits()
            answer, headers = github.answer(self.command, path, query, body, holder)
        except Refusal as error:
            return error.status, error.document, error.headers | github.limits()
        etag = f'W/"{hashlib.sha256(json.dumps(answer.document).encode()).hexdigest()}"'
        if self.command == "GET" and answer.status == 200:
            headers |= {"ETag": etag, "Cache-Control": "private, max-age=60, s-maxage=60"}
            if self.headers.get("If-None-Match") == etag:
                github.left += 1  # what has not changed costs nothing
                return 304, None, headers | github.limits()
        return answer.status, answer.document, headers | github.limits()

    def send(self, status: int, document: Any, headers: dict[str, str]) -> None:
        """Write the answer."""
        content = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in {204, 304}:
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = work


def viewer(body: Document, holder: Holder) -> Document:
    """The one question that GraphQL is asked: who am I?"""
    if "viewer" not in body.get("query", ""):
        return {"errors": [{"message": "this fake knows only viewer"}]}
    return {"data": {"viewer": {"login": holder.login}}}


def rates(github: GitHub) -> Document:
    """What is left of the hour."""
    core = {"limit": 5000, "remaining": max(github.left, 0), "reset": github.reset, "used": 5000 - max(github.left, 0)}
    return {"resources": {"core": core, "search": core}, "rate": core}
