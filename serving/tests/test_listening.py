"""Who connects while a listening socket is given up is answered or refused, and never reset."""

import socket
import sys

import pytest

from tagboat_server.listening import bind_tcp, bind_unix, refuse_new, take_queued

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can shut out who is new")
MOMENT = 0.3
"""Seconds within which a SYN that is let in has long been answered, on loopback."""


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request):
    if request.param == "::1" and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    bound = bind_tcp(request.param, 0)
    bound.listen(16)
    yield bound
    bound.close()


@linux
def test_who_waits_is_still_accepted_and_who_is_new_finds_the_port_closed(listener):
    address = listener.getsockname()[:2]
    waiting = socket.create_connection(address)
    assert refuse_new(listener) > 0
    late = socket.socket(listener.family)
    late.settimeout(MOMENT)
    with pytest.raises(TimeoutError):
        late.connect(address)
    taken = take_queued(listener, shared=False)
    assert [connection.getpeername() for connection in taken] == [waiting.getsockname()]
    taken[0].setblocking(True)
    taken[0].sendall(b"answered")
    assert waiting.recv(8) == b"answered"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    for each in (waiting, late, *taken):
        each.close()


@linux
def test_data_on_open_connections_is_not_dropped(listener):
    client = socket.create_connection(listener.getsockname()[:2])
    listener.setblocking(True)
    server, _ = listener.accept()
    refuse_new(listener)
    client.sendall(b"asked")
    server.settimeout(5)
    assert server.recv(5) == b"asked"
    client.close()
    server.close()


@linux
def test_a_unix_socket_hands_out_who_waits_and_refuses_who_is_new(tmp_path):
    listener = bind_unix(tmp_path / "http")
    listener.listen(16)
    kept = listener.dup()  # as long as the file is there, so that it is the queue that refuses
    waiting = socket.socket(socket.AF_UNIX)
    waiting.connect(str(tmp_path / "http"))
    assert refuse_new(listener) == 0.0
    taken = take_queued(listener, shared=False)
    assert len(taken) == 1
    with socket.socket(socket.AF_UNIX) as late, pytest.raises(ConnectionRefusedError):
        late.connect(str(tmp_path / "http"))
    for each in (kept, waiting, *taken):
        each.close()


def test_a_shared_socket_goes_on_with_whoever_shares_it(tmp_path, listener):
    address = listener.getsockname()[:2]
    other = listener.dup()
    assert take_queued(listener, shared=True) == []
    late = socket.create_connection(address)
    other.setblocking(True)
    connection, _ = other.accept()
    for each in (other, late, connection):
        each.close()
