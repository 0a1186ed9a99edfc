"""``tagboat-server optimize``: make a model's graph, compare, say how near it is. Run in the model's environment."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import msgspec

from tagboat_server.errors import Rejection, ServerError, SettingsError
from tagboat_server.optimizing.outcome import Outcome, Tolerance


def add_to(commands: Any) -> None:
    """The command's own part of the command line."""
    make = commands.add_parser("optimize", help="make an ONNX graph of a model and compare the two; runs its code")
    make.add_argument("folder", type=Path, help="the folder with the model's files")
    make.add_argument("--model", required=True, help="the model's file or folder, relative to FOLDER")
    make.add_argument("--format", help="its format, where the files do not tell")
    make.add_argument("--code", type=Path, action="append", default=[], help="a folder of modules that it imports")
    make.add_argument("--sample", type=Path, help='a body of our own protocol, {"data": …}: rows that it is asked')
    make.add_argument("--rows", type=int, default=1000, help="rows to compare on (default: %(default)s)")
    for name, default in (("rtol", Tolerance().rtol), ("atol", Tolerance().atol), ("labels", Tolerance().labels)):
        make.add_argument(f"--{name}", type=float, default=default, help="see docs/serving.md (default: %(default)s)")
    make.add_argument("--graph", type=Path, required=True, help="write the graph here, where it is near enough")
    make.add_argument("--output", type=Path, required=True, help="write the figures here, as JSON")


def optimize(options: argparse.Namespace) -> int:
    """Load the model, and write the outcome; 2 and an error's document where there is none."""
    from tagboat_server import own_code
    from tagboat_server.cli import inside, pin_threads
    from tagboat_server.spec import Settings

    pin_threads(Settings(), os.environ)
    try:
        path = inside(options.folder, options.model)
        for folder in options.code:
            own_code.add(folder)
        document: Any = outcome_of(options, path)
        code = 0
    except ServerError as error:
        document, code = error.document(), 2
    options.output.write_bytes(msgspec.json.encode(document))
    return code


def outcome_of(options: argparse.Namespace, path: Path) -> Outcome:
    """The outcome; the graph is written where it is any good. Raises `ServerError`."""
    from tagboat_server import formats
    from tagboat_server.codecs import decoder_for
    from tagboat_server.optimizing.choosing import choose
    from tagboat_server.optimizing.converting import versions
    from tagboat_server.optimizing.domain import NotConvertible

    model = formats.load(options.format, path)
    sample = None
    if options.sample is not None:
        first = next(iter(model.methods.values()))
        try:
            sample = decoder_for(first.signature.input)(options.sample.read_bytes()).value
        except Rejection as problem:
            where = f"the sample: {problem.path}" if problem.path else "the sample"
            raise SettingsError(problem.message, where=where, hint=problem.hint) from None
    tolerance = Tolerance(rtol=options.rtol, atol=options.atol, labels=options.labels)
    try:
        outcome, content = choose(model, sample, options.rows, tolerance)
    except NotConvertible as problem:
        reason = f"{problem.where}: {problem.message}" if problem.where else problem.message
        return Outcome(to="onnx", tolerance=tolerance, converters=versions(), reason=reason)
    if content is not None:
        options.graph.write_bytes(content)
    return outcome
