"""The verdict's faces: outputs, annotations, summary, console; and what listens to a run."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path

import pytest
from rich.console import Console

from deployers.base import Action, Change
from entrypoint.github.log import ActionLog
from entrypoint.github.runner import Runner
from entrypoint.report import outputs as outputs_module
from entrypoint.report.annotations import Kind, remarks
from entrypoint.report.console import progress_for, show
from entrypoint.report.escaping import plain
from entrypoint.report.listeners import PlainProgress, TerminalProgress
from entrypoint.report.outputs import NAMES, RESULTS_LIMIT, outputs
from entrypoint.report.progress import Progress, Silence
from entrypoint.report.summary import summary
from entrypoint.report.verdict import Failure, Preflight, Problem, SlotVerdict, Status, Timing, Trigger, Verdict
from tests.fakes.runner import FakeRunner

LIVE = SlotVerdict(
    artifact="churn",
    stage="prod",
    target="eu",
    status=Status.LIVE,
    version="v1.4.0",
    previous="v1.3.0",
    release="f" * 32,
    url="http://127.0.0.1:8080",
    changed=True,
    seconds=12.34,
    commit="a" * 40,
    tag="churn#prod#3",
    proved_by="server",
    steps=[Timing(name="download", seconds=1.25, detail="3 files"), Timing(name="verify", seconds=80)],
)
FAILED = SlotVerdict(
    artifact="churn",
    stage="prod",
    target="us",
    status=Status.ROLLED_BACK,
    version="v1.4.0",
    reason="smoke request 2 answered 500; v1.3.0 serves",
    commit="a" * 40,
    failure=Failure(message="smoke request 2 answered 500", hint="See the server's log."),
)
TRIGGER = Trigger(
    event="assignment", tag="churn#prod#3", artifact="churn", version="v1.4.0", stage="prod", commit="a" * 40
)


class TestOutputs:
    def test_one_slot_gives_every_output(self) -> None:
        given = outputs(Verdict(slots=[LIVE], trigger=TRIGGER))
        results = json.loads(given.pop("results"))
        assert given == {
            "artifact": "churn", "version": "v1.4.0", "stage": "prod", "event": "assignment", "commit": "a" * 40,
            "status": "live", "url": "http://127.0.0.1:8080", "changed": "true", "release": "f" * 32,
        }  # fmt: skip
        assert results[0]["target"] == "eu"

    def test_what_differs_between_slots_is_empty_and_results_has_each(self) -> None:
        given = outputs(Verdict(slots=[LIVE, FAILED], trigger=TRIGGER))
        assert (given["version"], given["stage"], given["url"], given["release"]) == ("v1.4.0", "prod", "", "")
        assert given["status"] == "rolled-back"
        assert [one["status"] for one in json.loads(given["results"])] == ["live", "rolled-back"]

    def test_a_registration_names_what_was_registered(self) -> None:
        trigger = Trigger(event="registration", artifact="churn", version="v1.4.0", commit="a" * 40)
        given = outputs(Verdict(trigger=trigger))
        assert (given["artifact"], given["version"], given["commit"]) == ("churn", "v1.4.0", "a" * 40)
        assert (given["stage"], given["status"], given["results"]) == ("", "unchanged", "[]")

    def test_nothing_to_do_still_sets_every_output(self) -> None:
        given = outputs(Verdict())
        assert tuple(given) == NAMES
        assert (given["event"], given["status"], given["changed"]) == ("none", "unchanged", "false")

    def test_results_never_outgrow_githubs_limit_and_stay_json(self) -> None:
        from msgspec.structs import replace

        slots = [replace(FAILED, reason="x" * 50_000, target=f"t{number}") for number in range(500)]
        results = outputs(Verdict(slots=slots))["results"]
        assert len(results) <= RESULTS_LIMIT
        assert json.loads(results)[0]["target"] == "t0"
        assert outputs_module.RESULTS_LIMIT * 2 < 1_000_000


class TestAnnotations:
    def test_the_run_that_went_well_has_none(self) -> None:
        assert remarks(Verdict(slots=[LIVE], trigger=TRIGGER)) == []

    def test_errors_come_first_and_say_what_to_do(self) -> None:
        found = remarks(
            Verdict(slots=[LIVE, FAILED], warnings=["clock"], problems=[Problem(tag="x@created", reason="y")])
        )
        assert [one.kind for one in found] == [Kind.ERROR, Kind.WARNING, Kind.WARNING]
        assert found[0].title == "churn#prod on us: rolled-back"
        assert "See the server's log." in found[0].message
        assert "x@created: y" in found[2].message

    def test_an_error_in_the_configuration_points_at_its_line(self) -> None:
        failure = Failure(message="unknown key", where="models/tagboat.yaml:12", hint="Did you mean 'targets'?")
        (one,) = remarks(Verdict(failure=failure), "models/tagboat.yaml")
        assert (one.file, one.line) == ("models/tagboat.yaml", 12)
        (other,) = remarks(Verdict(failure=failure), "tagboat.yaml")
        assert (other.file, other.line) == (None, None)

    def test_a_held_slot_is_a_warning_and_a_broken_preflight_an_error(self) -> None:
        held = SlotVerdict(artifact="m", stage="prod", target="t", status=Status.HELD, reason="held by mona")
        broken = Preflight(artifact="m", version="v1", passed=False, failure=Failure(message="boom", hint="mend it"))
        found = remarks(Verdict(slots=[held], preflights=[broken]))
        assert [(one.kind, one.message) for one in found] == [
            (Kind.ERROR, "boom\nmend it"),
            (Kind.WARNING, "held by mona"),
        ]


class TestSummary:
    def test_the_page_tells_what_where_how_long_and_proved_by_what(self) -> None:
        page = summary(Verdict(slots=[LIVE], trigger=TRIGGER))
        for part in ("## 🚀 Live", "churn&#35;<wbr>prod&#35;<wbr>3", "v1.3.0</code> → <code>v1.4.0", "12.3&nbsp;s",
                     "1&nbsp;min&nbsp;20&nbsp;s", "proved by | server", 'href="http://127.0.0.1:8080"', "f" * 32):  # fmt: skip
            assert part in page, part

    def test_the_worst_slot_is_told_first_and_stands_open(self) -> None:
        page = summary(Verdict(slots=[LIVE, FAILED], trigger=TRIGGER))
        assert "## ↩️ Rolled back" in page
        assert page.index("<details open>") < page.index("<details>")
        assert "What to do" in page

    @pytest.mark.parametrize(
        ("verdict", "headline"),
        [
            (Verdict(note="no tag"), "Nothing to do"),
            (Verdict(slots=[LIVE], dry_run=True), "Live"),
            (Verdict(slots=[SlotVerdict(artifact="m", stage="s", target="t", status=Status.UNCHANGED)], dry_run=True),
             "Dry run: nothing was changed"),
            (Verdict(slots=[SlotVerdict(artifact="m", stage="s", target="t", status=Status.UNCHANGED)]),
             "Live already, nothing changed"),
            (Verdict(preflights=[Preflight(artifact="m", version="v1", passed=True)]), "Preflight passed"),
            (Verdict(preflights=[Preflight(artifact="m", version="v1", passed=False)]), "Preflight failed"),
            (Verdict(failure=Failure(message="x")), "Failed"),
        ],
    )  # fmt: skip
    def test_the_headline_says_what_happened(self, verdict: Verdict, headline: str) -> None:
        assert headline in summary(verdict).split("\n")[0]

    def test_a_plan_shows_its_diff(self) -> None:
        from msgspec.structs import replace

        change = Change(object="Deployment/churn", action=Action.UPDATE, diff="-replicas: 1\n+replicas: 2")
        page = summary(Verdict(slots=[replace(LIVE, status=Status.UNCHANGED, changes=[change])], dry_run=True))
        assert "```diff\n-replicas: 1\n+replicas: 2\n```" in page


class TestConsole:
    def test_a_person_reads_slots_reasons_and_hints(self) -> None:
        stream = io.StringIO()
        problem = Problem(tag="x@created", reason="GTO fails on it")
        broken = Preflight(artifact="m", version="v1", passed=False, failure=Failure(message="no answer"))
        verdict = Verdict(slots=[LIVE, FAILED], problems=[problem], preflights=[broken], trigger=TRIGGER, note="done")
        show(verdict, Console(file=stream, width=140))
        for part in ("churn#prod on eu", "v1.3.0 → v1.4.0", "http://127.0.0.1:8080", "rolled-back",
                     "smoke request 2 answered 500; v1.3.0 serves", "See the server's log.", "x@created",
                     "m v1 failed its preflight: no answer", "done"):  # fmt: skip
            assert part in stream.getvalue(), part

    def test_rich_markup_and_escapes_in_text_are_just_text(self) -> None:
        from msgspec.structs import replace

        stream = io.StringIO()
        hostile = "[bold red]x[/] \x1b[31m \u202e"
        show(Verdict(slots=[replace(FAILED, reason=hostile, artifact=hostile)]), Console(file=stream, width=300))
        assert "[bold red]x[/] \\x1b[31m \\u202e" in stream.getvalue()
        assert "\x1b" not in stream.getvalue()


def _listeners(stream: io.StringIO) -> list[Progress]:
    return [PlainProgress(stream), TerminalProgress(stream), ActionLog(Runner({}, stream)), Silence()]


class TestListeners:
    @pytest.mark.parametrize("number", range(4))
    def test_every_listener_takes_everything(self, number: int) -> None:
        stream = io.StringIO()
        progress = _listeners(stream)[number]
        with progress.section("churn#prod on eu"):
            progress.step("download", "3 files", progress=0.5)
            progress.step("download", "3 files", seconds=1.5)
            progress.note("note")
            progress.warn("careful")
            progress.output("a\nb\n")
        if number < 3:
            assert "download: 3 files (1.5 s)" in stream.getvalue()
            assert "careful" in stream.getvalue()

    def test_a_pipe_gets_plain_lines(self) -> None:
        stream = io.StringIO()
        progress = progress_for(stream)
        with progress.section("churn#prod on eu"):
            for percent in range(101):
                progress.step("download", progress=percent / 100)
        assert len(stream.getvalue().splitlines()) <= 6
        assert "\x1b" not in stream.getvalue()

    def test_a_secret_is_never_shown_after_it_was_named(self) -> None:
        stream = io.StringIO()
        progress = PlainProgress(stream)
        progress.secret("hunter2")
        progress.output("password hunter2")
        assert stream.getvalue() == "| password ***\n"

    def test_sections_that_run_side_by_side_never_mix_in_githubs_log(self, tmp_path: Path) -> None:
        fake = FakeRunner(tmp_path)
        log = ActionLog(Runner(fake.environment, fake.log))
        both_open = threading.Barrier(2)
        first_told = threading.Event()

        def work(name: str) -> None:
            with log.section(name):
                both_open.wait(10)
                if name == "second":
                    assert first_told.wait(10)
                for number in range(3):
                    log.note(f"{name} {number}")
                first_told.set()

        first = threading.Thread(target=work, args=("first",))
        second = threading.Thread(target=work, args=("second",))
        first.start()
        second.start()
        first.join()
        second.join()
        inside: list[str] = []
        groups = {}
        title = ""
        for line in fake.log.getvalue().splitlines():
            if line.startswith("::group::"):
                title, inside = line.removeprefix("::group::"), []
            elif line == "::endgroup::":
                groups[title] = inside
            else:
                inside.append(line)
        assert groups == {name: [f"{name} {number}" for number in range(3)] for name in ("first", "second")}

    def test_sections_that_run_side_by_side_name_themselves_in_a_file(self) -> None:
        stream = io.StringIO()
        progress = PlainProgress(stream)
        opened, told = threading.Event(), threading.Event()

        def other() -> None:
            with progress.section("b"):
                opened.set()
                assert told.wait(10)

        thread = threading.Thread(target=other)
        with progress.section("a"):
            thread.start()
            assert opened.wait(10)
            progress.note("hello")
            told.set()
            thread.join()
            progress.note("alone")
        assert "a | hello\n" in stream.getvalue()
        assert "\n  alone\n" in stream.getvalue()


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\u202eb", "a\\u202eb"),
        ("a\nb", "a\\x0ab"),
        ("\ud800", "\\ud800"),
        ("é漢🚀", "é漢🚀"),
    ],
)
def test_a_terminal_never_sees_what_moves_its_cursor(hostile: str, shown: str) -> None:
    assert plain(hostile) == shown
