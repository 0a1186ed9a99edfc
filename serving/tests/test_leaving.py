"""A client that leaves takes along what has not begun for it, and nothing else."""

import asyncio
import json
import re
import socket
import struct
import threading

import numpy
import pytest

from tagboat_server.batching import Batches
from tagboat_server.codecs import Input
from tagboat_server.execution import Execution, NeverBegunError


def send(server, seconds):
    """Ask for a call of so many seconds, and do not wait."""
    client = server.socket()
    body = json.dumps({"data": [[seconds]]}).encode()
    client.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    return client


def reset(client):
    """Leave so that the server's system is told: as a client does that has unread data, or is killed."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def figure(server, name):
    found = re.search(rf"^{re.escape(name)} (\S+)$", server.get("/metrics").body.decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


DROPPED = 'tagboat_requests_dropped_total{method="predict"}'
GONE = 'tagboat_requests_total{method="predict",status="499"}'


@pytest.mark.parametrize(
    ("leave", "batching", "uvloop"),
    [
        (reset, "off", "on"),
        (reset, "on", "on"),
        (socket.socket.close, "off", "on"),
        (socket.socket.close, "on", "off"),
        (reset, "off", "off"),
    ],
)
def test_a_call_that_waits_for_nobody_is_never_made(serve, slow_bundle, wait_until, leave, batching, uvloop):
    settings = {"batching": batching, "threads": 1}
    server = serve(slow_bundle, settings=settings, environment={"TAGBOAT_UVLOOP": uvloop})
    first = send(server, 3.0)
    wait_until(lambda: figure(server, "tagboat_requests_in_work") == 1)
    waiting = [send(server, 30.0) for _ in range(3)]
    wait_until(lambda: figure(server, "tagboat_requests_in_work") == 4)
    for client in waiting:
        leave(client)
    wait_until(lambda: figure(server, DROPPED) == 3)
    assert figure(server, GONE) == 3
    assert first.recv(4096).startswith(b"HTTP/1.1 200")
    first.close()
    wait_until(lambda: figure(server, "tagboat_requests_in_work") == 0)
    assert server.post("/predict", {"data": [[0.0]]}).status == 200
    assert not [event for event in server.events if "traceback" in event]
    assert len([event for event in server.events if event.get("status") == 499]) == 3


def test_the_figures_say_how_many_calls_wait_for_a_thread(serve, slow_bundle, wait_until):
    server = serve(slow_bundle, settings={"batching": "off", "threads": 1})
    first = send(server, 1.0)
    wait_until(lambda: figure(server, "tagboat_requests_in_work") == 1)
    assert figure(server, "tagboat_calls_waiting") == 0
    second, third = send(server, 0.0), send(server, 0.0)
    wait_until(lambda: figure(server, "tagboat_calls_waiting") == 2)
    for client in (first, second, third):
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        client.close()
    assert figure(server, "tagboat_calls_waiting") == 0


def test_a_client_that_leaves_a_call_which_has_begun_is_counted_and_frees_its_place_at_the_end(
    serve, slow_bundle, wait_until
):
    server = serve(slow_bundle, settings={"concurrency": 1})
    client = send(server, 1.5)
    wait_until(lambda: figure(server, "tagboat_requests_in_work") == 1)
    reset(client)
    wait_until(lambda: figure(server, GONE) == 1)
    assert figure(server, DROPPED) == 0
    assert server.post("/predict", {"data": [[0.0]]}).status == 503
    wait_until(lambda: figure(server, "tagboat_requests_in_work") == 0)
    assert server.post("/predict", {"data": [[0.0]]}).status == 200


def test_a_client_that_has_only_ended_its_side_is_waited_for(serve, slow_bundle):
    server = serve(slow_bundle)
    with send(server, 2.5) as client:
        client.shutdown(socket.SHUT_WR)
        received = b""
        while part := client.recv(4096):
            received += part
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert received.startswith(interim)
    assert received.replace(interim, b"").startswith(b"HTTP/1.1 200")


async def until(condition):
    while not condition():  # noqa: ASYNC110 - looks, so that nothing has to be there that tells
        await asyncio.sleep(0)


def test_a_batch_goes_on_for_those_who_stay():
    asked = []

    async def run():
        free = asyncio.Event()
        dropped = []

        async def call(taken):
            asked.append(taken.value[:, 0].tolist())
            await free.wait()
            return taken.value[:, 0]

        batches = Batches(call, lambda _: None, dropped.append)

        async def ask(number):
            try:
                return (await batches.answer(Input(numpy.array([[number]]), 1))).tolist()
            except asyncio.CancelledError as error:
                return type(error)

        requests = [asyncio.ensure_future(ask(float(number))) for number in range(4)]
        await asyncio.sleep(0)
        requests[0].cancel()
        await asyncio.wait([requests[0]])
        await until(lambda: asked)
        requests[2].cancel()
        free.set()
        return await asyncio.gather(*requests), dropped

    answers, dropped = asyncio.run(run())
    assert asked == [[1.0, 2.0, 3.0]]
    assert answers == [NeverBegunError, [1.0], asyncio.CancelledError, [3.0]]
    assert dropped == []


def test_a_batch_that_nobody_waits_for_is_dropped_while_it_waits():
    called = []

    async def run():
        execution = Execution(threads=1, limit=10, timeout=60)
        free = threading.Event()
        holding = asyncio.ensure_future(execution.run(free.wait))
        dropped = []
        batches = Batches(lambda taken: execution.run(called.append, taken), lambda _: None, dropped.append)
        requests = [asyncio.ensure_future(batches.answer(Input(numpy.zeros((1, 1)), 1))) for _ in range(3)]
        await until(lambda: execution.in_work == 2)
        for request in requests:
            request.cancel()
        await asyncio.wait(requests)
        await until(lambda: dropped)
        free.set()
        await holding
        await until(lambda: not execution.in_work)
        execution.close()
        return dropped

    assert asyncio.run(run()) == [3]
    assert called == []
