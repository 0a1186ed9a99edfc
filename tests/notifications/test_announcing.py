"""A run's end reaches whom tagboat.yaml names: once, signed, retried, and harmless to read."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable

import msgspec
import pytest

from entrypoint.configuration.notification_settings import Notification, Outcome
from entrypoint.notifications.announcing import announce
from entrypoint.notifications.messages import Circumstances, endings, mrkdwn
from entrypoint.notifications.sending import Sender
from entrypoint.notifications.signing import signed
from entrypoint.promotion.gates import GateResult
from entrypoint.promotion.gates import Outcome as GateOutcome
from entrypoint.promotion.outcome import PromotionStatus, PromotionVerdict
from entrypoint.report.verdict import Failure, Preflight, SlotVerdict, Status, Trigger, Verdict
from tests.notifications.conftest import Receiver, serving

HERE = Circumstances(at=1_700_000_000, repository="octo-org/models", run="https://github.com/o/m/actions/runs/1")


def slot(status: Status = Status.FAILED, **more) -> SlotVerdict:
    given = {"artifact": "churn", "stage": "prod", "target": "eu", "version": "v1.4.0", "reason": "it does not start"}
    return SlotVerdict(**{**given, "status": status, **more})


BROKEN = Verdict(slots=[slot()])


class Told:
    """Announces to one receiver, and keeps what was waited for and masked."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.slept: list[float] = []
        self.masked: list[str] = []

    def __call__(self, verdict: Verdict = BROKEN, *, timeout: float = 10.0, url: str | None = None, **settings):
        given = {"url": "${env:HOOK}", "kind": "webhook", "allow_private": True, **settings}
        environment = {"HOOK": url or self.receiver.url(), "KEY": "whsec_plJ3nmyCDGBKInavdOK15jsl"}
        return announce(verdict, [Notification(**given)], HERE, environment=environment, secret=self.masked.append,
                        sender=Sender(timeout=timeout, sleep=self.slept.append))  # fmt: skip


@pytest.fixture
def told(receiver: Receiver) -> Told:
    return Told(receiver)


def test_a_failure_reaches_a_program_with_all_that_it_needs(receiver, told):
    assert told() == []
    (got,) = receiver.got
    assert got.path == "/hook?key=s3cret"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.json == {
        "id": got.headers["webhook-id"],
        "type": "tagboat.run",
        "timestamp": "2023-11-14T22:13:20Z",
        "repository": "octo-org/models",
        "run": "https://github.com/o/m/actions/runs/1",
        "status": "failed",
        "outcomes": [
            {"outcome": "failed", "artifact": "churn", "version": "v1.4.0", "stage": "prod", "target": "eu",
             "previous": None, "reason": "it does not start", "url": None, "tag": None, "commit": None}
        ],
        "more": 0,
    }  # fmt: skip


def test_nobody_is_told_of_what_they_did_not_ask_for(receiver, told):
    assert told(Verdict(slots=[slot(Status.LIVE), slot(Status.UNCHANGED), slot(Status.HELD)])) == []
    assert told(BROKEN, on=(Outcome.LIVE,)) == []
    assert receiver.got == []
    told(Verdict(slots=[slot(Status.LIVE), slot()]), on=(Outcome.LIVE,))
    assert [one["outcome"] for one in receiver.got[0].json["outcomes"]] == ["live"]


def test_a_failure_that_is_only_met_again_is_no_news():
    assert list(endings(Verdict(slots=[slot(known_before=True)]))) == []


def test_every_way_to_fail_is_told():
    verdict = Verdict(
        slots=[slot(), slot(Status.ROLLED_BACK), slot(Status.DEGRADED)],
        preflights=[Preflight(artifact="churn", version="v2.0.0", passed=False, failure=Failure(message="no wheel"))],
        failure=Failure(message="tagboat.yaml is wrong", where="tagboat.yaml"),
        trigger=Trigger(tag="churn#prod#3"),
    )
    found = [(one.outcome.value, one.reason) for one in endings(verdict)]
    assert found == [
        ("failed", "tagboat.yaml: tagboat.yaml is wrong"),
        ("failed", "the preflight failed: no wheel"),
        ("failed", "it does not start"),
        ("rolled-back", "it does not start"),
        ("degraded", "it does not start"),
    ]


def test_a_promotion_is_told_by_the_run_that_made_it_with_its_gates():
    promotion = PromotionVerdict(
        artifact="churn", source="dev", stage="prod", status=PromotionStatus.PROMOTED, version="v1.4.0", created=True,
        previous="v1.3.0", tag="churn#prod#4", gates=[GateResult(name="soak 1h", outcome=GateOutcome.PASS)],
    )  # fmt: skip
    seen = msgspec.structs.replace(promotion, created=False)
    waiting = msgspec.structs.replace(promotion, status=PromotionStatus.BLOCKED)
    failed = msgspec.structs.replace(promotion, status=PromotionStatus.FAILED, reason="GitHub does not answer")
    found = list(endings(Verdict(promotions=[promotion, seen, waiting, failed])))
    assert [(one.outcome, one.version, one.previous, one.reason) for one in found] == [
        (Outcome.PROMOTED, "v1.4.0", "v1.3.0", "soak 1h: pass"),
        (Outcome.FAILED, "v1.4.0", "v1.3.0", "the promotion failed: GitHub does not answer"),
    ]


def test_the_signature_is_the_one_of_the_published_example():
    """The example of https://github.com/standard-webhooks/standard-webhooks, which its libraries are tested by."""
    headers = signed(b'{"test": 2432232314}', delivery="msg_p5jXN8AQM9LWM0D4loKWxJek", seconds=1614265330,
                     secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", where="here")  # fmt: skip
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signature_covers_the_id_the_time_and_the_body(receiver, told):
    told(secret="${env:KEY}")
    (got,) = receiver.got
    content = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    key = base64.b64decode("plJ3nmyCDGBKInavdOK15jsl")
    proof = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{proof}"
    assert got.headers["webhook-timestamp"] == "1700000000"


def test_without_a_secret_nothing_pretends_to_be_signed(receiver, told):
    told()
    assert receiver.got[0].headers["webhook-signature"] is None


def test_a_secret_that_is_no_base64_is_said_to_be_so(receiver):
    notification = Notification(url="${env:HOOK}", kind="webhook", secret="${env:KEY}", allow_private=True)
    environment = {"HOOK": receiver.url(), "KEY": "whsec_!!"}
    (problem,) = announce(BROKEN, [notification], HERE, environment=environment)
    assert "notifications[0].secret" in problem
    assert "whsec_!!" not in problem


def test_a_busy_receiver_is_asked_again_with_the_same_id(receiver, told):
    receiver.answer(503, 502, 429)
    assert told() == []
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    assert len({got.body for got in receiver.got}) == 1
    assert (len(receiver.got), told.slept) == (4, [1.0, 3.0, 9.0])


def test_another_run_has_another_id(receiver, told):
    told()
    told(Verdict(slots=[slot(reason="otherwise")]))
    assert receiver.got[0].headers["webhook-id"] != receiver.got[1].headers["webhook-id"]


def test_a_receiver_may_ask_for_time_but_not_for_all_of_it(receiver, told):
    receiver.answer(429, 429, Retry_After="7")
    told()
    receiver.answer(503, Retry_After="86400")
    told()
    assert told.slept == [7.0, 7.0, 30.0]


def test_the_last_try_is_the_last(receiver, told):
    receiver.answer(500, 500, 500, 500, 500)
    (problem,) = told()
    assert problem == "nobody was told: notifications[0]: it was answered with status 500. Tried 4 times."
    assert len(receiver.got) == 4


def test_what_is_turned_down_is_not_sent_again(receiver, told):
    receiver.answer(404)
    (problem,) = told()
    assert "status 404" in problem
    assert (len(receiver.got), told.slept) == (1, [])


def test_a_lost_connection_is_tried_again(receiver, told):
    receiver.answer(0)
    assert told() == []
    assert len(receiver.got) == 2


def test_a_receiver_that_never_answers_holds_nobody_up(receiver, told):
    receiver.answer(-1, -1, -1, -1)
    (problem,) = told(timeout=0.1)
    assert "no answer" in problem
    assert len(receiver.got) == 4


def test_one_that_cannot_be_reached_keeps_nothing_from_the_others(receiver):
    notifications = [
        Notification(url="${env:MISSING}", kind="slack"),
        Notification(url="${env:HOOK}", kind="slack", allow_private=True),
    ]
    (problem,) = announce(BROKEN, notifications, HERE, environment={"HOOK": receiver.url()})
    assert "notifications[0].url: the variable MISSING is not set" in problem
    assert len(receiver.got) == 1


def test_address_and_secret_are_masked_and_in_no_message(receiver, told):
    receiver.answer(400)
    (problem,) = told(secret="${env:KEY}")
    assert told.masked == [receiver.url(), "whsec_plJ3nmyCDGBKInavdOK15jsl"]
    assert not {"s3cret", "127.0.0.1", "whsec"} & set(problem.replace("/", " ").split())
    assert "s3cret" not in problem


def test_a_chat_is_told_in_one_text(receiver, told):
    told(Verdict(slots=[slot(Status.ROLLED_BACK, previous="v1.3.0", url="https://churn.example.com")]), kind="slack")
    assert receiver.got[0].json == {
        "text": ":leftwards_arrow_with_hook: *rolled-back* `churn` `v1.4.0` in `prod` on `eu` (before: `v1.3.0`): "
        "`it does not start` at `https://churn.example.com`\n"
        "`octo-org/models`, <https://github.com/o/m/actions/runs/1|the run>",
        "unfurl_links": False,
        "unfurl_media": False,
    }


@pytest.mark.parametrize(
    "hostile",
    [
        "<!channel> <@U123> <https://evil.example|click>",
        "`*bold*` _it_ ~gone~ ``` :bomb:",
        "@channel @here @all",
        "line\nbreak\r\n> quote",
        "\u202eright to left\x1b[31m",
    ],
)
def test_text_from_the_repository_is_only_ever_code_in_a_chat(hostile):
    shown = mrkdwn(hostile)
    assert (shown[0], shown[-1]) == ("`", "`")
    inside = shown[1:-1]
    assert not set(inside) & set("`<>\n\r\x1b\u202e")
    assert not any(word in inside for word in ("@channel", "@here", "@all"))


def test_a_chat_is_not_flooded(receiver, told):
    told(Verdict(slots=[slot(artifact=f"model-{number}", reason="x" * 10_000) for number in range(300)]), kind="slack")
    told(Verdict(slots=[slot(artifact=f"model-{number}", reason="x" * 10_000) for number in range(300)]))
    text = receiver.got[0].json["text"]
    assert "… and 280 more" in text
    assert len(text) < 15_000
    assert (len(receiver.got[1].json["outcomes"]), receiver.got[1].json["more"]) == (200, 100)
    assert len(receiver.got[1].body) < 600_000


def test_tls_is_held_to_the_hosts_name_though_an_address_is_connected_to(authority):
    server, client = authority
    with serving(server) as receiver:

        def tell(host: str, tls: Callable = lambda: client) -> list[str]:
            notification = Notification(url=f"https://{host}:{receiver.port}/x", kind="webhook", allow_private=True)
            return announce(BROKEN, [notification], HERE, environment={}, resolve=lambda *_: ["127.0.0.1"],
                            sender=Sender(tls=tls, sleep=lambda _: None))  # fmt: skip

        assert tell("hooks.example") == []
        assert receiver.got[0].headers["host"] == f"hooks.example:{receiver.port}"
        assert "certificate is not valid" in tell("other.example")[0]
        assert "certificate is not valid" in tell("hooks.example", Sender().tls)[0]
        assert len(receiver.got) == 1
