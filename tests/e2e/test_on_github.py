"""The whole way in the Action, with GitHub looking on: a tag goes live, the next one fails, and the pages tell so."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import World
from tests.fakes.github import Description, GitHub
from tests.fakes.github.fixtures import description  # noqa: F401 - a fixture
from tests.fakes.runner import FakeRunner
from tests.github import payloads

pytestmark = pytest.mark.slow


@pytest.fixture
def github(description: Description, world: World) -> Iterator[GitHub]:
    """GitHub has the repository that the world pushes to."""
    with GitHub(world.folder, description, git=world.origin) as fake:
        yield fake
    assert not fake.violations, "\n".join(fake.violations)


def pushed(world: World, github: GitHub, tag: str) -> tuple[int, FakeRunner]:
    """The workflow that the tag's push starts, on a runner of one's own."""
    folder = world.folder / tag.replace("#", "-")
    folder.mkdir()
    runner = FakeRunner(folder)
    event = payloads.event(folder, "push", payloads.push(f"refs/tags/{tag}"))
    step = runner.environment | github.environment | event
    step |= {"GITHUB_WORKSPACE": str(world.work), "INPUT_TOKEN": github.token}
    done = subprocess.run(world.command("action"), cwd=world.work, env=world.environment | step, text=True,
                          capture_output=True, check=False, timeout=240)  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    runner.log.write(done.stdout)
    return done.returncode, runner


def test_a_tag_goes_live_the_next_one_fails_and_githubs_pages_tell_so(world: World, github: GitHub) -> None:
    world.write("metrics.json", '{"accuracy": 0.9}')
    world.write("dvc.yaml", Path(world.work / "dvc.yaml").read_text() + "metrics: [metrics.json]\n")
    first = world.register("v1.0.0", 1)
    code, runner = pushed(world, github, world.assign("v1.0.0", "dev"))
    assert code == 0, runner.log.getvalue()
    (one,) = github.store.deployments.values()
    assert github.store.states(one["id"]) == ["queued", "in_progress", "success"]
    assert (one["sha"], one["environment"]) == (first, "dev")
    summary = runner.summary_file.read_text()
    assert "From this data" in summary
    assert "0&#46;9" in summary or "0.9" in summary
    assert "GitHub" not in "".join(each.message for each in runner.annotations())

    world.write("metrics.json", '{"accuracy": 0.7}')
    broken = world.register("v2.0.0", 2, columns=3)
    github.store.open_pull(5, head=broken)
    github.store.merge_pull(5, broken)
    code, runner = pushed(world, github, world.assign("v2.0.0", "dev"))
    assert code == 1
    assert [github.store.states(number)[-1] for number in github.store.deployments] == ["success", "failure"]
    (comment,) = github.store.comments_on(5)
    assert "did not go live" in comment["body"]
    assert [(each["conclusion"], each["head_sha"]) for each in github.store.checks.values()] == [
        ("success", first), ("failure", broken)]  # fmt: skip
    assert "Since" in runner.summary_file.read_text()
    assert "accuracy" in runner.summary_file.read_text()
