"""The comment on a pull request: what it says, that it fits, and that nobody's text is more than text.

`TAGBOAT_GOLDEN=write python -P -m pytest tests/pull_requests/test_page.py` writes the golden page anew.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from markdown_it import MarkdownIt

from deployers.base import Action, Change
from entrypoint.comparison import Comparison, FileChange, RequirementChange, Side
from entrypoint.comparison.files import What
from entrypoint.errors import UnsafeContentError, UsageError
from entrypoint.metrics import Difference, Directions, differences
from entrypoint.pull_requests import document
from entrypoint.pull_requests.charts import chart
from entrypoint.pull_requests.document import ChangeReport, History, InStage, Planned, PlotFile
from entrypoint.pull_requests.page import COMMENT, SUMMARY, Place, page

GOLDEN = Path(__file__).parent / "golden" / "report.md"
PLACE = Place(
    server="https://github.com", repository="acme/models", whole="https://github.com/acme/models/actions/runs/4711"
)
DIRECTIONS = Directions({"accuracy": "higher", "*loss": "lower"})
NOW = {"accuracy": 0.9, "train.loss": 0.4, "rows": 1000, "f1": 0.71}
VALID_TAGS = {"code", "wbr", "details", "summary", "table", "thead", "tbody", "tr", "th", "td", "p", "pre", "h3", "h4", "ul",
              "li", "a", "img", "em", "blockquote", "strong"}  # fmt: skip

HOSTILE = (
    "@team [x](javascript:x) ![i](http://evil.example/p) </details></summary><script>alert(1)</script> <!-- tagboat:report -->"
    " http://evil.example www.evil.example a@evil.example | `` ` ``` ~~~ **b** # h\n\n# heading\n::error::x\r\n- [ ] list #1 GH-1\u202e"
)


def report() -> ChangeReport:
    after = Side(label="this change", commit="a" * 40)
    main = Side(label="main", commit="b" * 40)
    prod = Side(label="prod (v1.3.0)", commit="c" * 40, artifact="churn", version="v1.3.0", stage="prod")
    return ChangeReport(
        number=7,
        head="a" * 40,
        base="b" * 40,
        comparison=Comparison(
            before=main,
            after=after,
            metrics=differences({"accuracy": 0.85, "train.loss": 0.38, "rows": 1000, "gone": 1}, NOW, DIRECTIONS),
            params=differences({"lr": 0.1, "depth": 3}, {"lr": 0.05, "depth": 3}),
            files=[
                FileChange(path="model.joblib", what=What.CHANGED, kind="model", kept_by="dvc", before=10**6, after=2 * 10**6),
                FileChange(path="data/train.csv", what=What.ADDED, kind="data", kept_by="git", after=1234),
            ],
            requirements=[RequirementChange(file="requirements.txt", package="numpy", before="numpy==1.26", after="numpy==2.0")],
            notes=["eval.json: DVC has it, and not Git: it was not fetched"],
        ),
        stages=[
            InStage(artifact="churn", stage="prod", side=prod, metrics=differences({"accuracy": 0.91, "train.loss": 0.5}, NOW, DIRECTIONS),
                params=differences({"lr": 0.2, "depth": 3}, {"lr": 0.05, "depth": 3}),)
        ],
        history=[History(artifact="churn", metric="accuracy", points=[("v1.2.0", 0.8), ("v1.3.0", 0.91), ("this", 0.9)])],
        plots=[
            PlotFile(path="plots/roc curve.png", image=True, before=True, after=True, changed=True),
            PlotFile(path="plots/loss.csv", image=False, before=True, after=True, changed=False),
        ],
        artifacts=["churn"],
        planned=[
            Planned(artifact="churn", stage="prod", target="eu", version="v1.4.0", how="planned", live="v1.3.0",
                    changes=[Change(object="Deployment churn", action=Action.UPDATE, diff="--- live\n+++ planned\n-a: 1\n+a: 2")]),
            Planned(artifact="churn", stage="dev", target="here", version="v1.4.0", how="rendered", note="nobody answers"),
        ],
    )  # fmt: skip


def html(markdown: str) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)


class Tags(HTMLParser):
    """Counts what a browser would see, and checks that it nests."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.stack: list[str] = []
        self.comments: list[str] = []
        self.feed(text)
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened[tag] += 1
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src"}]
        if tag not in {"wbr", "img", "br", "hr"}:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def test_the_page_is_the_golden_one() -> None:
    made = page(report(), PLACE)
    if os.environ.get("TAGBOAT_GOLDEN") == "write":
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(made, encoding="utf-8")
    assert made == GOLDEN.read_text(encoding="utf-8")


def test_the_page_renders_as_tables_folds_and_pictures() -> None:
    seen = Tags(html(page(report(), PLACE)))
    assert seen.opened["table"] == 5
    assert seen.opened["details"] == 4
    assert set(seen.opened) <= VALID_TAGS
    assert seen.addresses == [
        f"https://github.com/acme/models/blob/{'b' * 40}/plots/roc%20curve.png?raw=true",
        f"https://github.com/acme/models/blob/{'a' * 40}/plots/roc%20curve.png?raw=true",
        f"https://github.com/acme/models/blob/{'a' * 40}/plots/loss.csv",
    ]


def test_a_report_on_nothing_says_so() -> None:
    empty = ChangeReport(number=7, head="a" * 40, base="b" * 40,
                         comparison=Comparison(before=Side(label="main", commit="b" * 40), after=Side(label="this change", commit="a" * 40)))  # fmt: skip
    assert "No metric, parameter, data, model or requirement changes." in page(empty, Place())


def test_every_stage_is_shown_and_those_of_a_folders_artifact_by_themselves() -> None:
    told = report()
    (stage,) = told.stages
    stages = [
        msgspec.structs.replace(stage, stage=f"s{number}", side=Side(label=f"s{number} (v1)", commit="c" * 40))
        for number in range(6)
    ]
    nested = msgspec.structs.replace(stage, artifact="nlp:bert")
    made = page(msgspec.structs.replace(told, stages=[*stages, nested]), PLACE)
    for number in range(6):
        assert f"s{number} &#40;v1&#41;" in made
    assert "#### Metrics against further stages" in made
    assert "#### Metrics in <code>nlp</code> against stages" in made
    first = next(line for line in made.splitlines() if line.startswith("| metric | main"))
    assert "s3" in first
    assert "s4" not in first


def hostile() -> ChangeReport:
    """Every text of a report made by an enemy."""

    def poisoned(value: object) -> object:
        if isinstance(value, dict):
            fixed = {"head", "base", "how", "what", "kind", "kept_by", "action", "direction", "schema"}
            return {key: one if key in fixed else poisoned(one) for key, one in value.items()}
        if isinstance(value, list):
            return [poisoned(one) for one in value]
        return HOSTILE if isinstance(value, str) else value

    built = msgspec.to_builtins(report())
    return msgspec.convert(poisoned(built), ChangeReport)


@pytest.mark.parametrize("room", [COMMENT, SUMMARY, 6_000])
def test_C10_hostile_text_in_every_place_is_text_and_nothing_else(room: int) -> None:
    made = page(hostile(), PLACE, room)
    seen = Tags(html(made))
    assert set(seen.opened) <= VALID_TAGS
    assert seen.comments == []
    assert all(address.startswith("https://github.com/acme/models/") for address in seen.addresses)
    assert "evil.example" in made
    outside = re.sub(r"(?ms)^(`{3,})[a-z]*$.*?^\1$", "", made)  # GitHub makes nothing of what stands in a fence
    outside = re.sub(r'(src|href)="[^"]*"', "", outside)
    assert "GH-1" not in outside
    assert not re.search(r"(?<![&\w])[@#](?=\w)", re.sub(r"&#\d+;|^#+ ", "", outside, flags=re.MULTILINE))
    assert not re.search(r"https?://evil|www\.evil|\w@evil", outside)
    assert not [line for line in made.splitlines() if line.lstrip().startswith("::")]
    assert "\u202e" not in made


@pytest.mark.parametrize("room", [COMMENT, 8_000, 4_000])
def test_C10_what_is_too_much_is_left_out_whole_and_the_page_says_where_the_rest_is(room: int) -> None:
    long = "x" * 70_000
    many = [Difference(name=f"{number}{long}", before=long, after=number) for number in range(120)]
    diff = "\n".join(f"+ line {number} {'y' * 90}" for number in range(3_000))
    told = report()
    big = msgspec.structs.replace(
        told,
        comparison=msgspec.structs.replace(told.comparison, metrics=many, params=many, notes=[long] * 80),
        planned=[msgspec.structs.replace(told.planned[0], changes=[Change(object=long, action=Action.UPDATE, diff=diff)] * 31)] * 5,
        artifacts=[long] * 50,
    )  # fmt: skip
    made = page(big, PLACE, room)
    assert len(made.encode("utf-16-le")) // 2 <= room
    assert set(Tags(html(made)).opened) <= VALID_TAGS
    assert made.count("```") % 2 == 0
    assert "https://github.com/acme/models/actions/runs/4711" in made


def test_a_summary_is_never_more_than_github_takes() -> None:
    told = report()
    many = [Difference(name=f"é{number}" * 80, before="é" * 200, after=number) for number in range(3_000)]
    big = msgspec.structs.replace(told, comparison=msgspec.structs.replace(told.comparison, metrics=many))
    assert len(page(big, PLACE, SUMMARY).encode()) < 1_000_000


class TestCharts:
    def test_mermaid_gets_nothing_but_letters_digits_and_plain_numbers(self) -> None:
        drawn = chart(
            History(artifact=HOSTILE, metric='"]\nclick x', points=[(HOSTILE, 1e-5), ('"', -3.0), ("b", 0.0)])
        )
        assert drawn is not None
        lines = drawn.splitlines()
        assert (lines[0], lines[-1]) == ("```mermaid", "```")
        assert len(lines) == 8
        assert json.loads(lines[1].removeprefix("%%{init: ").removesuffix("}%%"))["xyChart"]["height"] == 260
        assert re.fullmatch(r'    title "[A-Za-z0-9_./ -]+ of [A-Za-z0-9_./ -]+"', lines[3])
        assert re.fullmatch(r'    x-axis \[("[A-Za-z0-9_./ -]+"(, )?)+\]', lines[4])
        assert re.fullmatch(r"    y-axis -?[0-9.]+ --> -?[0-9.]+", lines[5])
        assert lines[6] == "    line [0.00001, -3, 0]"

    @pytest.mark.parametrize("value", [1e300, 1e-300, float("nan"), float("inf")])
    def test_what_cannot_be_drawn_is_left_out(self, value: float) -> None:
        assert chart(History(artifact="a", metric="m", points=[("v1", value), ("v2", value)])) is None


class TestTheFile:
    def test_a_report_comes_back_as_it_was_written(self, tmp_path: Path) -> None:
        document.write(tmp_path / "report.json", report())
        assert msgspec.json.encode(document.read(tmp_path / "report.json")) == msgspec.json.encode(report())

    @pytest.mark.parametrize(
        "content",
        [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"schema": 2}', b" " * 5_000_000],
        ids=["empty", "list", "object", "bytes", "deep", "version", "large"],
    )
    def test_P1_what_is_no_report_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "report.json").write_bytes(content)
        with pytest.raises(UnsafeContentError):
            document.read(tmp_path / "report.json")

    @pytest.mark.parametrize(
        ("key", "value"),
        [("head", "main"), ("head", "a" * 40 + "\n"), ("base", "--upload-pack=x"), ("number", -1), ("number", "7"),
         ("planned", [{"how": "trusted"}]), ("comparison", None)],
    )  # fmt: skip
    def test_P1_a_field_that_is_not_what_it_should_be_is_refused(self, tmp_path: Path, key: str, value: object) -> None:
        built = msgspec.to_builtins(report()) | {key: value}
        (tmp_path / "report.json").write_bytes(msgspec.json.encode(built))
        with pytest.raises(UnsafeContentError):
            document.read(tmp_path / "report.json")

    def test_a_link_is_not_followed(self, tmp_path: Path) -> None:
        document.write(tmp_path / "real.json", report())
        (tmp_path / "report.json").symlink_to(tmp_path / "real.json")
        with pytest.raises(UsageError):
            document.read(tmp_path / "report.json")
