"""SECURITY.md, the runner's protocol (R1 to R6), T4 and T9 as the Action meets them, and C10."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from deployers.base import Action, Change
from entrypoint.action import run
from entrypoint.errors import UsageError
from entrypoint.github.events import Act, Nothing, decide
from entrypoint.github.inputs import read_inputs
from entrypoint.github.runner import ANNOTATIONS_LIMIT, SUMMARY_LIMIT, Runner
from entrypoint.report.annotations import Annotation, Kind
from entrypoint.report.escaping import code, text
from entrypoint.report.summary import summary
from entrypoint.report.verdict import Failure, Preflight, Problem, SlotVerdict, Status, Timing, Trigger, Verdict
from entrypoint.request import Command, Request
from tests.fakes.runner import FakeRunner
from tests.github import payloads

COMMANDS = [
    "::add-mask::e",
    "::set-env name=PATH::/evil",
    "::stop-commands::known",
    "::error file=a::spoof",
    "  ::warning::spoof",
    "\t::set-output name=stage::prod",
    "\u00a0::debug::x",
    "##[set-env name=PATH]/evil",
    "text ##[add-mask]e",
    "one\n::add-mask::e",
    "one\r\n::add-mask::e",
    "one\r::add-mask::e",
    "one\u2028::add-mask::e",
]


def test_R1_a_line_break_in_a_value_stays_in_its_output(tmp_path: Path) -> None:
    fake = FakeRunner(tmp_path)
    runner = Runner(fake.environment, fake.log)
    runner.output("reason", "x\nstage=prod\nversion<<EOF\nv9\nEOF")
    assert fake.outputs() == {"reason": "x\nstage=prod\nversion<<EOF\nv9\nEOF"}


def test_R2_a_value_that_holds_the_delimiter_is_still_one_output(tmp_path: Path) -> None:
    fake = FakeRunner(tmp_path)
    tokens = iter(["guessed", "guessed2", "fresh"])
    runner = Runner(fake.environment, fake.log, token=lambda: next(tokens))
    runner.output("reason", "x\nguessed\nstage<<guessed2\nprod\nguessed2")
    assert fake.outputs() == {"reason": "x\nguessed\nstage<<guessed2\nprod\nguessed2"}


def test_R2_delimiters_cannot_be_guessed(tmp_path: Path) -> None:
    fake = FakeRunner(tmp_path)
    for _ in range(3):
        Runner(fake.environment, fake.log).output("a", "b")
    delimiters = re.findall("a<<(.*)", fake.output_file.read_text())
    assert len(set(delimiters)) == 3
    assert all(len(delimiter) >= 32 for delimiter in delimiters)


@pytest.mark.parametrize("line", COMMANDS)
def test_R3_text_from_anybody_is_never_a_command(tmp_path: Path, line: str) -> None:
    fake = FakeRunner(tmp_path)
    Runner(fake.environment, fake.log).say(line)
    assert fake.commands() == []


@pytest.mark.parametrize("line", COMMANDS)
def test_R3_what_a_library_or_a_child_prints_during_a_run_is_never_a_command(tmp_path: Path, line: str) -> None:
    fake = FakeRunner(tmp_path)

    def handle(request: Request) -> Verdict:
        with request.progress.section("slot"):
            fake.log.write(f"{line}\n")
            request.progress.output(line)
            request.progress.step(line, line, progress=0.5)
            request.progress.note(line)
        return Verdict(note=line)

    environment = fake.environment | payloads.event(tmp_path, "schedule", payloads.schedule())
    assert run(environment, log=fake.log, handle=handle) == 0
    assert [name for name, _ in fake.commands()] == ["group", "endgroup"]


def test_R3_a_child_cannot_end_the_fence_with_a_token_it_has_seen(tmp_path: Path) -> None:
    fake = FakeRunner(tmp_path)

    def handle(request: Request) -> Verdict:
        with request.progress.section("one"):
            pass
        seen = re.findall("::stop-commands::(.*)", fake.log.getvalue())[0]
        fake.log.write(f"::{seen}::\n::add-mask::e\n")
        return Verdict()

    environment = fake.environment | payloads.event(tmp_path, "schedule", payloads.schedule())
    run(environment, log=fake.log, handle=handle)
    assert ("add-mask", "e") not in fake.commands()


def test_R3_annotations_carry_hostile_text_as_data(tmp_path: Path) -> None:
    fake = FakeRunner(tmp_path)
    hostile = "a,file=/etc/passwd::x\n::add-mask::e%0A::debug::"
    Runner(fake.environment, fake.log).annotate(
        Annotation(kind=Kind.ERROR, title=hostile, message=hostile, file="a:b,c")
    )
    assert fake.log.getvalue().count("\n") == 1
    (annotation,) = fake.annotations()
    assert annotation.kind == "error"
    assert annotation.message == hostile
    assert annotation.properties["file"] == "a:b,c"
    assert set(annotation.properties) == {"title", "file"}


def test_R4_nothing_is_written_to_the_environment_or_the_path(tmp_path: Path) -> None:
    fake = FakeRunner(tmp_path)
    slot = SlotVerdict(artifact="m", stage="prod", target="t", status=Status.FAILED, reason="\n".join(COMMANDS))
    environment = fake.environment | payloads.event(tmp_path, "push", payloads.push("refs/tags/m#prod#1"))
    run(environment, log=fake.log, handle=lambda request: Verdict(slots=[slot]))
    assert fake.env_file.read_bytes() == b""
    assert fake.path_file.read_bytes() == b""
    assert not {name for name, _ in fake.commands()} & {"set-env", "add-path", "set-output", "save-state"}


@pytest.mark.parametrize("value", ["--help", "-o/x", "--upload-pack=id", "-", "--"])
def test_R5_an_input_that_looks_like_an_option_is_a_value(tmp_path: Path, value: str) -> None:
    fake = FakeRunner(tmp_path)
    seen: list[Request] = []
    given = {"INPUT_REF": value, "INPUT_CONFIG": value, "INPUT_ARTIFACT": value, "INPUT_STAGE": value}
    environment = fake.environment | payloads.event(tmp_path, "schedule", payloads.schedule()) | given
    run(environment, log=fake.log, handle=lambda request: seen.append(request) or Verdict())  # type: ignore[func-returns-value]
    (request,) = seen
    assert (request.ref, request.config, request.artifact, request.stage) == (value, value, value, value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("a\0b", "control character"),
        ("x" * 1_000_000, "1,000,000 characters"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), "not valid UTF-8"),
        ("m@v1.0.0\n", "control character"),
        ("m@v1.0.0\r", "control character"),
        ("a\x1b[2Jb", "control character"),
    ],
)
@pytest.mark.parametrize("name", ["ref", "config", "command", "token", "working-directory", "cache-dir", "dry-run"])
def test_R6_an_input_that_no_text_should_be_is_a_clear_error(tmp_path: Path, name: str, value: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        read_inputs({f"INPUT_{name.upper()}": value}, tmp_path)
    assert caught.value.where == f"input '{name}'"
    assert len(str(caught.value)) < 1000


def test_R6_the_step_says_so_and_exits_2(tmp_path: Path) -> None:
    fake = FakeRunner(tmp_path)
    environment = fake.environment | payloads.event(tmp_path, "schedule", payloads.schedule())
    invalid = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert run(environment | {"INPUT_REF": invalid}, log=fake.log, handle=lambda _: Verdict()) == 2
    assert "not valid UTF-8" in fake.annotations()[0].message
    assert fake.outputs()["status"] == "failed"


def test_T4_the_prefix_is_stripped_once(tmp_path: Path) -> None:
    for name, payload in (
        ("push", payloads.push("refs/tags/m@v1.0.0")),
        ("create", payloads.create("m@v1.0.0")),
    ):
        asked = decide(payloads.event(tmp_path, name, payload))
        assert isinstance(asked, Act)
        assert asked.ref == "refs/tags/m@v1.0.0"
    fake = FakeRunner(tmp_path)
    for name, payload in (
        ("push", payloads.push("refs/tags/refs/tags/m@v1.0.0")),
        ("create", payloads.create("refs/tags/m@v1.0.0")),
    ):
        event = payloads.event(tmp_path, name, payload)
        assert run(fake.environment | event, log=fake.log, handle=_never) == 3


@pytest.mark.parametrize("branch", ["m@v1.0.0", "churn#prod#3", "refs/tags/m@v1.0.0", "tags/m@v1.0.0"])
def test_T4_a_branch_named_like_a_tag_is_no_event(tmp_path: Path, branch: str) -> None:
    fake = FakeRunner(tmp_path)
    for name, payload in (
        ("push", payloads.push(f"refs/heads/{branch}")),
        ("create", payloads.create(branch, "branch")),
    ):
        event = payloads.event(tmp_path, name, payload)
        assert isinstance(decide(event), Nothing)
        assert run(fake.environment | event, log=fake.log, handle=_never) == 0


@pytest.mark.parametrize("zeros", ["0" * 40, "0" * 64])
def test_T9_a_deleted_tag_deploys_nothing_by_itself(tmp_path: Path, zeros: str) -> None:
    gone = payloads.push("refs/tags/churn#prod#3", before=payloads.TAG_OBJECT) | {"after": zeros}
    for flag in (True, False):
        asked = decide(payloads.event(tmp_path, "push", gone | {"deleted": flag}))
        assert isinstance(asked, Act)
        assert asked.tag_is_gone
        assert asked.command is Command.DEPLOY


HOSTILE = [
    "@octo-org/everyone please look",
    "see https://evil.example/?q=1 and www.evil.example",
    "[click](https://evil.example) ![img](https://evil.example/x.png) <https://evil.example>",
    "</details></summary></table><script>alert(1)</script><img src=x onerror=alert(1)>",
    "<!-- tagboat:comment -->",
    "`code` ``more`` **bold** __bold__ ~~gone~~ # heading",
    "| a | b |\n|--|--|\n| c | d |",
    "line\n\n# heading\n\n- list\n\n1. one\n\n> quote\n\n```\nfence",
    "1. one", "- item", "+ item", "* item", "# h", "=====", "---", "    code",
    "fixes #12, GH-12, octo-org/models#1",
    "$\\frac{1}{2}$ $$x$$",
    "mona@example.com mailto:mona@example.com",
    "&lt;b&gt; &copy; &#64;octocat",
    "\u202egnp.exe \u2066 \u200b@octocat",
    "\x1b]8;;https://evil.example\x07link\x1b]8;;\x07",
]  # fmt: skip

ALLOWED_TAGS = {"p", "h2", "h3", "table", "thead", "tbody", "tr", "th", "td", "code", "details", "summary", "pre",
                "blockquote", "strong", "em", "ul", "li", "a"}  # fmt: skip


def _page(hostile: str) -> str:
    failure = Failure(message=hostile, where=hostile, hint=hostile)
    slot = SlotVerdict(
        artifact=hostile, stage=hostile, target=hostile, status=Status.ROLLED_BACK, version=hostile, release=hostile,
        reason=hostile, url=hostile, changed=True, previous="v0", commit=hostile, tag=hostile, proved_by=hostile,
        steps=[Timing(name=hostile, seconds=1, detail=hostile)], warnings=[hostile],
        changes=[Change(object=hostile, action=Action.UPDATE, diff=hostile)], failure=failure,
    )  # fmt: skip
    preflight = Preflight(artifact=hostile, version=hostile, passed=False, warnings=[hostile], failure=failure,
                          bundle_digest=hostile, steps=slot.steps)  # fmt: skip
    trigger = Trigger(event=hostile, tag=hostile, commit=hostile, artifact=hostile, stage=hostile)
    return summary(
        Verdict(
            slots=[slot],
            preflights=[preflight],
            problems=[Problem(tag=hostile, reason=hostile)],
            trigger=trigger,
            warnings=[hostile],
            note=hostile,
            failure=failure,
        )
    )


def _rendered(markdown: str) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown)


def _shape(page: str) -> list[str]:
    """The elements of a rendered page in order; a row's cells count as well."""
    return [name for name in re.findall(r"</?([a-z0-9]+)", _rendered(page)) if name != "wbr"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_C10_hostile_text_leaves_the_pages_structure_as_it_is(hostile: str) -> None:
    harmless = "x\n" * hostile.count("\n") + "x"
    assert _shape(_page(hostile)) == _shape(_page(harmless))
    assert set(_shape(_page(hostile))) <= ALLOWED_TAGS


@pytest.mark.parametrize("hostile", HOSTILE)
def test_C10_no_mention_no_link_no_marker_outside_of_code(hostile: str) -> None:
    shown = _rendered(_page(hostile))
    assert "href" not in shown
    assert "<!--" not in shown
    assert "<img" not in shown
    # cmark-gfm makes links of bare addresses in a <code> that is written as HTML, too; in a block it leaves them.
    inline = re.sub(r"<pre>.*?</pre>", "", shown, flags=re.DOTALL).replace("&#64;", "@").replace("&#58;", ":")
    assert not re.search(r"@\w|://|www\.", inline)
    outside = re.sub(r"<code[^>]*>.*?</code>", "", shown, flags=re.DOTALL)
    assert not re.search(r"[@#]\w", re.sub(r"&#?\w+;", "", outside))
    assert not re.search(r"https?://|www\.", outside)
    assert "\u202e" not in shown
    assert "\x1b" not in shown


def test_C10_seventy_thousand_characters_are_cut_on_structure() -> None:
    page = _page("x|`<@" * 14_000)
    assert len(page.encode()) < SUMMARY_LIMIT
    assert _shape(page) == _shape(_page("x"))
    assert "more characters" in page


def test_C10_thousands_of_slots_and_problems_fit_and_the_page_says_what_is_missing() -> None:
    slots = [SlotVerdict(artifact=f"m{number}", stage="prod", target="t", status=Status.FAILED, reason="y" * 5000)
             for number in range(3000)]  # fmt: skip
    problems = [Problem(tag=f"x{number}@created", reason="z" * 5000) for number in range(3000)]
    for room in (900_000, 65_000, 5_000):
        page = summary(Verdict(slots=slots, problems=problems), room=room)
        assert len(page.encode()) <= room
        assert page.count("<details") == page.count("</details>")
        assert "There was more than fits here" in page


def test_C10_a_summary_over_the_runners_limit_becomes_a_sentence_rather_than_nothing(tmp_path: Path) -> None:
    fake = FakeRunner(tmp_path)
    Runner(fake.environment, fake.log).summary("ä" * SUMMARY_LIMIT)
    assert "longer than GitHub takes" in fake.summary_file.read_text()


def test_C10_names_survive_to_be_copied() -> None:
    assert re.sub("<.*?>", "", _rendered(code("churn#prod#3"))).strip() == "churn#prod#3"
    assert re.sub("<.*?>", "", _rendered(code("churn@v1.4.0-rc"))).strip() == "churn@v1.4.0-rc"
    assert "@<wbr>" in code("churn@v1.4.0-rc").replace("&#64;", "@")
    assert "\u200b" not in code("@a/b#1 https://x.example")
    assert text("rolled back, 3.5 s (v1.4.0)") == "rolled back, 3.5 s &#40;v1.4.0&#41;"


def test_the_tenth_annotation_of_a_kind_says_that_there_are_more(tmp_path: Path) -> None:
    fake = FakeRunner(tmp_path)
    runner = Runner(fake.environment, fake.log)
    for number in range(15):
        runner.annotate(Annotation(kind=Kind.WARNING, title="t", message=str(number)))
    runner.annotate(Annotation(kind=Kind.ERROR, title="t", message="seen"))
    warnings = [annotation for annotation in fake.annotations() if annotation.kind == "warning"]
    assert len(warnings) == ANNOTATIONS_LIMIT
    assert "There may be more" in warnings[-1].message
    assert "warning: t: 14" in fake.log.getvalue()
    assert fake.annotations()[-1].message == "seen"


def test_P2_the_token_is_masked_before_anything_else_is_said(tmp_path: Path) -> None:
    fake = FakeRunner(tmp_path)
    environment = fake.environment | payloads.event(tmp_path, "schedule", payloads.schedule())
    seen: list[Request] = []

    def handle(request: Request) -> Verdict:
        seen.append(request)
        raise RuntimeError("ghs_canary")

    assert run(environment | {"INPUT_TOKEN": "ghs_canary"}, log=fake.log, handle=handle) == 1
    assert fake.commands()[0] == ("add-mask", "ghs_canary")
    assert fake.log.getvalue().index("::add-mask::ghs_canary") < fake.log.getvalue().index("RuntimeError")
    assert "ghs_canary" not in repr(seen[0])
    assert not any("ghs_canary" in value for value in seen[0].environment.values())


def _never(request: Request) -> Verdict:
    raise AssertionError(request)


def test_the_log_can_be_anything_that_is_written_to() -> None:
    stream = io.StringIO()
    Runner({}, stream).output("a", "b")
    Runner({}, stream).summary("b")
    assert stream.getvalue() == ""
