"""Our server beside every peer: the same model, the same load, one worker, each in an environment of its own.

    python -P -m benchmarks.serving [--quick] [--peers mlserver,fastapi] [--models rf,lr] [--seconds 3] [--rounds 3]

The load is wrk's: 64 connections, one row of 30 numbers a request; then bodies of 1,000 rows over 4. Rounds are played
by turns (A B C A B C), so that whatever else the machine does hits all alike; the table has medians. A server must
answer what the model answers, or it is not measured; one that cannot be installed or started is listed with its reason.

Needs uv and wrk (apt-get install wrk). The first run installs the environments, some 3 GB, which are kept under
~/.cache/tagboat-benchmarks. After that a whole run takes some 20 minutes, --quick some 5.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.serving_environments import LIBRARIES, UnavailableError, environment
from benchmarks.serving_load import require_wrk
from benchmarks.serving_measuring import Plan, Result, material, measure, trained
from benchmarks.serving_peers import PEERS, Peer
from benchmarks.serving_table import TITLES, aims, print_aims, print_model

EXACT = ("rf", "lr")
"""Models with an exact fast path: all that is measured is measured of them; of the others single rows are."""


def main() -> None:
    """Measure, and print."""
    chosen = options().parse_args()
    require_wrk()
    models = listed(chosen.models or ("rf,lr" if chosen.quick else ",".join(TITLES)), TITLES)
    peers = chosen_peers(chosen.peers)
    seconds = chosen.seconds or (2 if chosen.quick else 3)
    rounds = chosen.rounds or (1 if chosen.quick else 3)
    measured: list[Sequence[Result]] = []
    console = Console(width=max(190, Console().width) if not sys.stdout.isatty() else None)
    with tempfile.TemporaryDirectory(prefix="tagboat-benchmark-") as folder:
        scratch = Path(folder)
        try:
            python = environment(PEERS[0].family, PEERS[0].requirements, install=not chosen.skip_install)
            trained(scratch, python)
        except UnavailableError as error:
            sys.exit(f"our own server cannot be measured: {error}")
        for name in models:
            full = name in EXACT
            plan = Plan(
                seconds, rounds if full else max(1, rounds - 1), (2 if chosen.quick else 3) if full else 1, full
            )
            found = measure(
                material(scratch, name),
                [peer for peer in peers if not (peer.optimized if full else not peer.of_every_model)],
                plan,
                scratch,
                install=not chosen.skip_install,
            )
            measured.append(found)
            if not chosen.json:
                print_model(found, console)
    reached = aims(measured)
    if chosen.json:
        document = {
            "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "libraries": LIBRARIES},
            "results": [result.document() for results in measured for result in results],
            "aims": [{"aim": aim.text, "wanted": aim.wanted, "at_most": aim.at_most, "measured": aim.measured,
                      "reached": aim.reached} for aim in reached],
        }  # fmt: skip
        print(json.dumps(document, indent=1))
    else:
        print_aims(reached, console)


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    families = list(dict.fromkeys(peer.family for peer in PEERS))
    parser.add_argument("--peers", help=f"of {', '.join(families)}; ours is always measured (default: all)")
    parser.add_argument("--models", help=f"of {', '.join(TITLES)} (default: all; with --quick {','.join(EXACT)})")
    parser.add_argument("--seconds", type=float, help="of load for each server, model and round (default: 3)")
    parser.add_argument("--rounds", type=int, help="(default: 3; one less for models without an exact path)")
    parser.add_argument("--quick", action="store_true", help="one round of 2 seconds, two models")
    parser.add_argument("--skip-install", action="store_true", help="take only the environments that are there")
    parser.add_argument("--json", action="store_true", help="everything that was measured, as JSON")
    return parser


def chosen_peers(text: str | None) -> list[Peer]:
    """Ours, and those whose family is named."""
    families = listed(text, {peer.family for peer in PEERS}) if text else [peer.family for peer in PEERS]
    return [peer for peer in PEERS if peer.ours or peer.family in families]


def listed(text: str, known: object) -> list[str]:
    """Names that stand between commas; ends the program at one that is not known."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:  # type: ignore[operator]
            sys.exit(f"{name!r} is not one of {', '.join(sorted(known))}")  # type: ignore[call-overload]
    return names


if __name__ == "__main__":
    main()
