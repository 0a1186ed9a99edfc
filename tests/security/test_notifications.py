"""P5: a notification goes to a public address, whatever the url, its DNS or its receiver says."""

from __future__ import annotations

import pytest

from entrypoint.configuration.notification_settings import Notification
from entrypoint.errors import TagboatError
from entrypoint.notifications.addresses import destination
from entrypoint.notifications.announcing import announce
from entrypoint.notifications.messages import Circumstances
from entrypoint.notifications.sending import Sender
from entrypoint.report.verdict import SlotVerdict, Status, Verdict
from tests.notifications.conftest import receiver  # noqa: F401

BROKEN = Verdict(slots=[SlotVerdict(artifact="churn", stage="prod", target="eu", status=Status.FAILED)])
PUBLIC = "93.184.215.14"


def judged(*addresses: str, url: str = "https://hooks.example/x", allow_private: bool = False) -> str:
    """How a url fares whose host has these addresses: the address that is used, or what was wrong."""
    try:
        return destination(url, allow_private=allow_private, where="here", resolve=lambda *_: addresses).address
    except TagboatError as error:
        return error.message


def test_P5_a_public_address_is_fine():
    assert judged(PUBLIC) == PUBLIC
    assert judged("2606:2800:21f:cb07:6820:80da:af6b:8b2c") == "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


PRIVATE = ["127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "::1", "fd00::1", "::ffff:10.0.0.1",
           "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a00:1"]  # fmt: skip
NEVER = ["169.254.169.254", "169.254.1.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "100.100.100.200", "0.0.0.0", "::",
         "224.0.0.1", "ff02::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "100.64.0.1",
         "2001:0:a9fe:a9fe::5601:5601", "nonsense", ""]  # fmt: skip


@pytest.mark.parametrize("address", [*PRIVATE, *NEVER])
def test_P5_no_other_is_posted_to(address):
    assert "not public" in judged(address)
    assert "not public" in judged(PUBLIC, address)


@pytest.mark.parametrize("address", PRIVATE)
def test_P5_a_private_one_may_be_allowed(address):
    assert judged(address, allow_private=True) == address


@pytest.mark.parametrize("address", NEVER)
def test_P5_where_clouds_hand_out_credentials_nothing_is_ever_posted(address):
    assert "not public" in judged(address, allow_private=True)


def test_P5_a_name_with_no_address_at_all_is_refused():
    assert "not public" in judged()


@pytest.mark.parametrize(
    "url",
    ["ftp://hooks.example/x", "file:///etc/passwd", "gopher://h/", "//hooks.example/x", "https://", "https:///x", "x",
     "https://u:p@hooks.example/", "https://h:99999/", "https://[::1/", "unix:/var/run/docker.sock"],
)  # fmt: skip
def test_P5_what_is_no_address_of_the_web_is_refused(url):
    assert "no address of the web" in judged(PUBLIC, url=url)


def test_P5_without_tls_a_secret_address_does_not_leave_the_machines_network():
    assert "not https" in judged(PUBLIC, url="http://hooks.example/x")
    assert "not https" in judged(PUBLIC, url="http://hooks.example/x", allow_private=True)
    assert judged("10.0.0.1", url="http://chat.internal/x", allow_private=True) == "10.0.0.1"


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::ffff:127.0.0.1]"])
def test_P5_loopback_is_known_however_it_is_written(receiver, host):
    (problem,) = announce(BROKEN, [Notification(url=f"https://{host}:{receiver.port}/", kind="slack")],
                          Circumstances(at=0), environment={})  # fmt: skip
    assert "not public" in problem
    assert receiver.got == []


def test_P5_a_redirect_is_not_followed(receiver):
    receiver.answer(302, Location=receiver.url("/metadata"))
    notification = Notification(url=receiver.url("/first"), kind="slack", allow_private=True)
    (problem,) = announce(BROKEN, [notification], Circumstances(at=0), environment={})
    assert "status 302. A redirect is not followed" in problem
    assert [got.path for got in receiver.got] == ["/first"]


def test_P5_a_name_that_answers_otherwise_a_moment_later_gains_nothing(receiver):
    """DNS is asked once; what is connected to is the address that was looked at."""
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    notification = Notification(url=f"http://rebind.example:{receiver.port}/", kind="slack", allow_private=True)
    assert announce(BROKEN, [notification], Circumstances(at=0), environment={}, resolve=lambda *_: answers.pop(0),
                    sender=Sender(sleep=lambda _: None)) == []  # fmt: skip
    assert (len(receiver.got), len(answers)) == (1, 1)


def test_P5_proxies_of_the_environment_are_not_used(receiver, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    notification = Notification(url=receiver.url(), kind="slack", allow_private=True)
    assert announce(BROKEN, [notification], Circumstances(at=0), environment={"http_proxy": "http://127.0.0.1:9"}) == []
    assert len(receiver.got) == 1
