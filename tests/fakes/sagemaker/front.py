"""One address for all of AWS: SageMaker's calls are answered here, all others handed on to moto's server."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
import traceback
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.fakes.sagemaker import faults, naming
from tests.fakes.sagemaker.control import Control
from tests.fakes.sagemaker.errors import Refusal
from tests.fakes.sagemaker.faults import Call, Fault, Faults
from tests.fakes.sagemaker.rest import parsed, rendered
from tests.fakes.sagemaker.runtime import Runtime
from tests.fakes.sagemaker.shapes import Misuse, service

Document = dict[str, Any]

HOP = {"connection", "host", "expect", "content-length", "transfer-encoding", "keep-alive"}
"""Headers of one connection, not of a request."""


class Front:
    """The server. ``calls``: every call that has come in, of all services."""

    def __init__(self, control: Control, runtime: Runtime, moto: str) -> None:
        self.control, self.runtime, self.moto = control, runtime, urllib.parse.urlsplit(moto)
        self.faults = Faults()
        self.calls: list[Call] = []
        self.conditional = threading.Lock()
        handler = type("_Handler", (Handler,), {"front": self})
        self.server = Server(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def address(self) -> str:
        """Where clients send everything."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"


class Server(ThreadingHTTPServer):
    """One that says nothing of clients that go away."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Tell of all other errors."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    front: Front
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle_one(self) -> None:
        """Answer, with the faults that were ordered."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        name = naming.name(self.command, self.path, headers, body)
        ours = name.service == "sagemaker"
        given: Document = {}
        fault: Fault | None = None
        try:
            if ours:
                given = self.input(name.operation, headers, body)
            call = Call(name.service, name.operation, given)
            self.front.calls.append(call)
            fault = self.front.faults.next(call)
            if fault is not None and not fault.after:
                self.stumble(fault)
            answer = self.own(name.operation, given) if ours else self.pass_on(headers, body)
            if fault is not None:
                self.stumble(fault)
            self.send(*answer)
        except Refusal as refusal:
            status, kind, content = faults.body(refusal, name.style)
            self.send(status, {"content-type": kind, "x-amzn-errortype": refusal.code}, content)
        except ConnectionError:
            self.close_connection = True
        except Exception:  # a defect of the fake must not look like one of AWS'
            self.front.control.account.misdeeds.append(f"{name.operation}: {traceback.format_exc()}")
            self.send(500, {"content-type": "text/plain"}, traceback.format_exc().encode())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_one

    def stumble(self, fault: Fault) -> None:
        """Do what was ordered: cut the connection or refuse."""
        if fault.cut or fault.refusal is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError
        raise fault.refusal

    # SageMaker

    def input(self, operation: str, headers: dict[str, str], body: bytes) -> Document:
        """The input of one of SageMaker's calls, which has the right shape."""
        model = service("sagemaker-runtime" if operation.startswith("Invoke") else "sagemaker")
        known = model.operation(operation)
        if known is None:
            raise Refusal("UnknownOperationException", f"There is no {operation}.")
        if operation.startswith("Invoke"):
            given = parsed(known, self.path, headers, body)
        else:
            try:
                given = json.loads(body or b"{}")
            except ValueError:
                raise Refusal("SerializationException", "The body is no JSON.") from None
        large = "Body" in given and operation == "InvokeEndpoint"
        try:  # a large body is refused by the endpoint, whose limit may be another
            model.check_input(known, {**given, "Body": b""} if large else given)
        except Misuse as misuse:
            code = "ValidationError" if operation.startswith("Invoke") else "ValidationException"
            raise Refusal(code, str(misuse)) from None
        return given

    def own(self, operation: str, given: Document) -> tuple[int, dict[str, str], bytes]:
        """The answer to one of SageMaker's calls, which has the right shape, too."""
        if operation.startswith("Invoke"):
            runtime = self.front.runtime
            said = runtime.invoke(given) if operation == "InvokeEndpoint" else runtime.invoke_async(given)
            known = service("sagemaker-runtime").operation(operation)
            assert known is not None
            service("sagemaker-runtime").check_output(known, said)
            return rendered(known, said)
        said = self.front.control.answer(operation, given)
        known = service("sagemaker").operation(operation)
        assert known is not None
        service("sagemaker").check_output(known, said)
        return 200, {"content-type": "application/x-amz-json-1.1"}, json.dumps(said).encode()

    # Everything else

    def pass_on(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Moto's answer. Conditional writes one at a time: moto looks and writes in two steps."""
        if self.command in {"GET", "HEAD"}:
            self.front.runtime.looked(f"s3:/{urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)}")
        if self.command != "GET" and {"if-match", "if-none-match"} & set(headers):
            with self.front.conditional:
                return self.ask_moto(headers, body)
        return self.ask_moto(headers, body)

    def ask_moto(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """One request of moto's server."""
        connection = http.client.HTTPConnection(self.front.moto.hostname or "", self.front.moto.port, timeout=60)
        try:
            kept = {name: value for name, value in headers.items() if name not in HOP}
            connection.request(self.command, self.path, body or None, kept)
            answer = connection.getresponse()
            content = answer.read()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, told, content
        finally:
            connection.close()

    def send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        """Send an answer; one to HEAD has no content, and may tell the length of another's."""
        head = self.command == "HEAD"
        length = headers.get("content-length", "0") if head else str(len(content))
        self.send_response(status)
        for name, value in headers.items():
            if name not in HOP | {"date", "server"}:
                self.send_header(name, value)
        self.send_header("content-length", length)
        self.end_headers()
        if not head:
            self.wfile.write(content)
