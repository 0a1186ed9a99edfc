"""`tagboat show --json` and `gto show` on one repository of 10,000 annotated tags, side by side.

    .venv/bin/python -P -m benchmarks.registry [--tags 10000] [--commits 200] [--artifacts 10] [--runs 5]

Both are timed as processes, from start to last byte. GTO is timed once, since it takes more than a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

START = 1_700_000_000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tags", type=int, default=10_000)
    options.add_argument("--commits", type=int, default=200)
    options.add_argument("--artifacts", type=int, default=10)
    options.add_argument("--runs", type=int, default=5)
    chosen = options.parse_args()
    tools = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "clone"
        build(repository, chosen.tags, chosen.commits, chosen.artifacts)
        ours = [timed([str(tools / "tagboat"), "show", "--json"], repository) for _ in range(chosen.runs)]
        listing = [timed(["git", "for-each-ref", "--format=%(contents)", "refs/tags"], repository)
                   for _ in range(chosen.runs)]  # fmt: skip
        theirs = timed([str(tools / "gto"), "show", "--json"], repository)
    same = agree(ours[0][1], theirs[1])
    seconds = statistics.median(taken for taken, _ in ours)
    git = statistics.median(taken for taken, _ in listing)
    print(
        f"{chosen.tags} annotated tags, {chosen.artifacts} artifacts, {chosen.commits} commits, {os.cpu_count()} cores"
    )
    print(f"{'':28}{'seconds':>10}{'ratio':>10}")
    print(f"{'tagboat show --json (median)':28}{seconds:>10.2f}{1:>10.0f}")
    print(f"{'  best of its runs':28}{min(taken for taken, _ in ours):>10.2f}")
    print(f"{'gto show --json':28}{theirs[0]:>10.2f}{theirs[0] / seconds:>10.0f}")
    print(f"{'git for-each-ref alone':28}{git:>10.2f}{git / seconds:>10.2f}")
    print("the same answer" if same else "THE ANSWERS DIFFER")


def build(path: Path, tags: int, commits: int, artifacts: int) -> None:
    """Registrations of every commit for every artifact, then assignments to three stages, a second apart."""
    who = "committer B <b@example.com>"
    lines = [
        f"commit refs/heads/main\nmark :{number}\n{who} {START + number} +0000\ndata 1\nc\n"
        for number in range(1, commits + 1)
    ]
    moment = START + commits
    for number in range(tags):
        artifact, turn = f"group/model-{number % artifacts}", number // artifacts
        if turn < commits:
            name, mark = f"{artifact}@v1.{turn}.0", turn + 1
        else:
            name, mark = f"{artifact}#{('dev', 'staging', 'prod')[turn % 3]}#{turn - commits + 1}", turn % commits + 1
        moment += 1
        lines.append(f"tag {name}\nfrom :{mark}\ntagger B <b@example.com> {moment} +0000\ndata 1\nt\n")
    path.mkdir()
    git = ["git", "-C", str(path)]
    subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], check=True)
    subprocess.run([*git, "fast-import", "--quiet"], input="".join(lines).encode(), check=True)
    subprocess.run([*git, "pack-refs", "--all"], check=True)


def timed(command: Sequence[str], directory: Path) -> tuple[float, bytes]:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, check=True)
    return time.perf_counter() - began, done.stdout


def agree(ours: bytes, theirs: bytes) -> bool:
    """Whether both say the same of latest versions and stages."""
    mine = {state["name"]: (state["latest"], state["stages"]) for state in json.loads(ours)["artifacts"]}
    gto = {name: (state["version"], {stage: version for stage, version in state["stage"].items() if version})
           for name, state in json.loads(theirs).items()}  # fmt: skip
    return mine == gto


if __name__ == "__main__":
    main()
