"""Load from Debian's wrk: requests that are written beforehand and sent by turns over so many connections."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.serving_questions import Question

SCRIPT = """
local requests, at = {}, 0
function init(arguments)
  local folder, count = arguments[1], tonumber(arguments[2])
  for number = 1, count do
    local file = assert(io.open(folder .. "/" .. (number - 1), "rb"))
    requests[number] = file:read("*a")
    file:close()
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\\nresult {"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "bad": %d, "broken": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclasses.dataclass(frozen=True)
class Load:
    """What wrk saw. ``bad``: answers of 400 and above; ``broken``: connections that failed or waited too long."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    bad: int
    broken: int


def require_wrk() -> None:
    """End with advice where there is no wrk."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk (Debian, Ubuntu), brew install wrk (macOS)")


def written(question: Question, port: int) -> bytes:
    """A request as it goes over the wire."""
    headers = {"Host": f"127.0.0.1:{port}", **question.headers, "Content-Length": str(len(question.body))}
    lines = [f"POST {question.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + question.body


def drive(questions: Sequence[Question], port: int, folder: Path, *, connections: int, seconds: float) -> Load:
    """Ask the questions by turns for so many seconds (wrk knows whole ones only, at least 1)."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, question in enumerate(questions):
        (folder / str(number)).write_bytes(written(question, port))
    script = folder / "ask.lua"
    script.write_text(SCRIPT)
    whole = max(1, round(seconds))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{whole}s", "--timeout", "30s", "-s", str(script)]
    command += [f"http://127.0.0.1:{port}", "--", str(folder), str(len(questions))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=whole + 60)
    line = next(line for line in done.stdout.splitlines() if line.startswith("result "))
    return Load(**json.loads(line.removeprefix("result ")))
