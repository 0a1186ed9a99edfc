"""Our own server, answering what it was once told: no reading, no checking, no model, no metrics, no log.

python constant.py PORT
"""

import json
import socket
import sys

from tagboat_server.logs import Log
from tagboat_server.server import Server, new_event_loop
from tagboat_server.spec import Identity, Settings
from tagboat_server.state import State

ANSWER = json.dumps({"predictions": [1], "release": "cancer.prod.1.0.0"}).encode()
HEADERS = [(b"content-type", b"application/json")]


async def constant(scope, receive, send):  # noqa: ARG001 - ASGI has three
    await receive()
    cycle = scope["tagboat.cycle"]
    if not cycle.disconnected:
        scope["tagboat.connection"].answer(cycle, 200, HEADERS, ANSWER)


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
state = State(Identity(artifact="constant", release="cancer.prod.1.0.0"))
new_event_loop().run_until_complete(Server(constant, state, Settings(), Log()).live([listener], (), None))
