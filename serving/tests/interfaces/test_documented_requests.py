"""Every line with curl in docs/serving.md and docs/serving/, run by curl against a real server, and its answer."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = {"serving.md", "native.md", "mlem.md", "open-inference.md", "sagemaker.md", "mlflow.md"}
ADDRESS = "http://127.0.0.1:8500"
STATUS = "\n%{http_code}"


class Documented(NamedTuple):
    """A line to be copied, and the answer that stands beneath it, if one does."""

    page: str
    line: int
    command: str
    answer: str


def documented():
    """Every such line. An indented line beneath one that is no command itself is its answer."""
    for page in sorted([DOCS / "serving.md", *(DOCS / "serving").glob("*.md")]):
        lines = page.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if re.match(r"    .*\bcurl ", line):
                under = lines[number + 1] if number + 1 < len(lines) else ""
                answered = under.startswith("    ") and "curl " not in under
                yield Documented(page.name, number + 1, line.strip(), under.strip() if answered else "")


REQUESTS = list(documented())


@pytest.fixture(scope="module")
def curl():
    """The path of curl. Where it is missing, CI fails and a person is told."""
    found = shutil.which("curl")
    if found is None and os.environ.get("CI"):
        pytest.fail("curl is not installed: apt-get install curl")
    if found is None:
        pytest.skip("NOT TESTED: the requests in docs/serving*.md, since there is no curl here: apt-get install curl")
    return found


@pytest.fixture(scope="module")
def iris_server(serve_module, forest_bundle):
    """The model that the pages speak of."""
    return serve_module(forest_bundle)


@pytest.fixture(scope="module")
def mlem_server(serve_module, bundle_around, models, mlem):
    """The same, saved by MLEM."""
    bundle = bundle_around(models, "frame", format="mlem")
    return serve_module(bundle, python=mlem, environment={"PYTHONPATH": str(ROOT / "serving")})


def run(command, server):
    """What a shell prints for a line: the answer, and the status."""
    host, port = server.address
    command = command.replace(ADDRESS, f"http://{host}:{port}").replace("curl ", f"curl -sS -w '{STATUS}' ", 1)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer, _, status = done.stdout.rpartition("\n")
    return answer, int(status)


def same(answer, shown):
    """Whether an answer is the one that is shown, where … stands for any text."""
    if shown == "…":
        return answer is None or isinstance(answer, str)
    if isinstance(shown, dict):
        return (
            isinstance(answer, dict) and answer.keys() == shown.keys() and all(same(answer[k], shown[k]) for k in shown)
        )
    if isinstance(shown, list):
        return isinstance(answer, list) and len(answer) == len(shown) and all(map(same, answer, shown))
    return answer == shown


@pytest.mark.parametrize(
    "asked",
    [pytest.param(asked, marks=[pytest.mark.slow] * (asked.page == "mlem.md")) for asked in REQUESTS],
    ids=[f"{asked.page}:{asked.line}" for asked in REQUESTS],
)
def test_what_can_be_copied_works(asked, curl, request):
    server = request.getfixturevalue("mlem_server" if asked.page == "mlem.md" else "iris_server")
    answer, status = run(asked.command, server)
    refused = re.match(r'\{"(error|detail)":', asked.answer)
    assert (400 <= status < 500) if refused else status == 200, answer
    if asked.answer:
        try:
            shown = json.loads(asked.answer)
        except ValueError:
            assert answer.strip() == asked.answer
        else:
            assert same(json.loads(answer), shown), answer


def test_every_page_has_some_and_names_one_address():
    assert {asked.page for asked in REQUESTS} == PAGES
    assert all(asked.command.count(ADDRESS) == 1 for asked in REQUESTS)
    assert {asked.page for asked in REQUESTS if asked.answer} >= {"serving.md", "native.md", "mlem.md"}
