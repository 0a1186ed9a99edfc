"""A server that speaks the control protocol and misbehaves on demand; see docs/serving.md for the real one's half.

Started as ``python standin.py BUNDLE --uds PATH --control PATH``. BUNDLE/behaviour.json: ``{"fault": …}`` with
``exit`` (ends at once), ``never-ready``, ``undying`` (drains for ever), ``refuses-port``, ``chatty`` (floods the log).
"""

import argparse
import asyncio
import json
import os
import pathlib
import socket
import sys


class Standin:
    def __init__(self, bundle: str) -> None:
        behaviour = pathlib.Path(bundle, "behaviour.json")
        self.fault = json.loads(behaviour.read_text()).get("fault")
        self.release = os.environ["TAGBOAT_RELEASE"]
        self.draining = False
        self.listeners: list[tuple[socket.socket, asyncio.Server]] = []
        self.private: asyncio.Server | None = None
        self.connections = 0
        self.over = asyncio.Event()

    @property
    def ready(self) -> bool:
        return self.fault != "never-ready" and not self.draining

    async def serve(self, uds: str, control: str) -> None:
        if self.fault == "exit":
            print("ImportError: the model needs a library that is not there", flush=True)
            sys.exit(3)
        if self.fault == "chatty":
            for number in range(60_000):
                print(f"line {number} " + "x" * 60)
        asyncio.get_running_loop().add_signal_handler(15, self.drain, 30.0)
        self.private = await asyncio.start_unix_server(self.answer, uds)
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.bind(control)
        line.listen(16)
        line.setblocking(False)
        asyncio.get_running_loop().add_reader(line.fileno(), self.control, line)
        print("standin up", os.environ.get("CANARY", ""), flush=True)
        await self.over.wait()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode().split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                path = lines[0].split()[1]
                status = 200 if path != "/health/ready" or self.ready else 503
                payload = json.dumps({"release": self.release, "echo": body.decode()}).encode()
                close = self.draining or headers.get("connection", "").lower() == "close"
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-length: {len(payload)}\r\nx-tagboat-release: {self.release}\r\n"
                    f"connection: {'close' if close else 'keep-alive'}\r\n\r\n".encode()
                    + payload
                )
                await writer.drain()
                if close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.connections -= 1
            writer.close()
            self.end_if_done()

    def end_if_done(self) -> None:
        if self.draining and self.connections == 0 and self.fault != "undying":
            self.over.set()

    def drain(self, grace: float) -> None:
        self.draining = True
        for _, server in self.listeners:
            server.close()
        self.listeners.clear()
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, self.end_if_done)
        if self.fault != "undying":
            loop.call_later(grace, self.over.set)

    def control(self, line: socket.socket) -> None:
        client, _ = line.accept()
        client.settimeout(5)
        with client:
            text, descriptors, _, _ = socket.recv_fds(client, 65536, 4)
            question = json.loads(text)
            answer, passed = getattr(self, f"do_{question['op']}")(question, descriptors)
            encoded = json.dumps(answer).encode() + b"\n"
            if passed:
                socket.send_fds(client, [encoded], passed)
            else:
                client.sendall(encoded)

    def do_status(self, question, descriptors):
        listening = [f"http://127.0.0.1:{sock.getsockname()[1]}" for sock, _ in self.listeners]
        return {"release": self.release, "ready": self.ready, "draining": self.draining, "listening": listening}, []

    def do_share(self, question, descriptors):
        return {"ok": True}, [sock.fileno() for sock, _ in self.listeners]

    def do_listen(self, question, descriptors):
        if self.fault == "refuses-port":
            return {"error": {"message": "no"}}, []
        sock = socket.socket(fileno=descriptors[0])
        sock.setblocking(False)
        server = Listener(sock, self)
        self.listeners.append((sock, server))
        return {"ok": True}, []

    def do_drain(self, question, descriptors):
        self.drain(question["grace"])
        return {"ok": True}, []


class Listener:
    """Accepts without asyncio's own server, whose close() would leave accepted connections without an owner."""

    def __init__(self, sock: socket.socket, standin: Standin) -> None:
        self.sock = sock
        self.standin = standin
        self.tasks: set[asyncio.Task] = set()
        asyncio.get_running_loop().add_reader(sock.fileno(), self.accept)

    def accept(self) -> None:
        try:
            connection, _ = self.sock.accept()
        except (BlockingIOError, ConnectionError):
            return
        task = asyncio.ensure_future(self.attend(connection))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        self.standin.connections += 1

    async def attend(self, connection: socket.socket) -> None:
        try:
            reader, writer = await asyncio.open_connection(sock=connection)
            await self.standin.answer(reader, writer)
        finally:
            self.standin.connections -= 1
            self.standin.end_if_done()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.sock.fileno())
        self.sock.close()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle")
    parser.add_argument("--uds")
    parser.add_argument("--control")
    options = parser.parse_args()
    await Standin(options.bundle).serve(options.uds, options.control)


asyncio.run(main())
