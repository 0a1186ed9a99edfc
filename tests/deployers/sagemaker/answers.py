"""AWS as a row of answers: each request gets the next one, whatever it asks; real clients send and read them."""

import functools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from deployers.sagemaker import login as ways_in

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-central-1"}


def login(*given, **more):
    """As `deployers.sagemaker.login.login`, with AWS's descriptions read once for all tests."""
    amazon = ways_in.login(*given, **more)
    amazon.session.register_component("data_loader", _loader())
    return amazon


@functools.cache
def _loader():
    from botocore.loaders import create_loader

    return create_loader()


class Answers:
    """``with Answers() as aws: aws.says(400, {…})``; the last answer stays. ``asked``: every request, path and body."""

    def __init__(self):
        self.waiting = []
        self.asked = []
        self.over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("content-length") or 0)
                outer.asked.append((self.command, self.path, self.rfile.read(length), dict(self.headers)))
                status, headers, body = outer.waiting[0] if len(outer.waiting) == 1 else outer.waiting.pop(0)
                if status is None and body:
                    outer.over.wait(30)
                if status is None:
                    self.connection.close()
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_HEAD = answer

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def says(self, status, body=b"", **headers):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.waiting.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, content))
        return self

    def refuses(self, code, message="", status=400, **headers):
        return self.says(status, {"__type": code, "message": message}, x_amzn_errortype=code, **headers)

    def says_nothing(self):
        self.waiting.append((None, {}, b"silence"))
        return self

    def breaks_off(self):
        self.waiting.append((None, {}, b""))
        return self

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
