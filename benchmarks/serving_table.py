"""The figures as tables, each beside its ratio to the best peer's; and the aims, reached or not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.serving_measuring import Result

TITLES = {
    "rf": "RandomForest(100)",
    "lr": "StandardScaler + LogisticRegression",
    "gb": "GradientBoosting(100)",
    "svm": "StandardScaler + SVC",
    "mlp": "StandardScaler + MLPClassifier",
}

COLUMNS = {
    "requests_s": ("requests/s", "{:,.0f}", max),
    "p50_ms": ("p50 ms", "{:,.2f}", min),
    "p99_ms": ("p99 ms", "{:,.1f}", min),
    "cpu_ms": ("CPU ms/request", "{:,.3f}", min),
    "rows_s": ("rows/s, JSON", "{:,.0f}", max),
    "binary_rows_s": ("rows/s, binary", "{:,.0f}", max),
    "cold_s": ("cold start s", "{:.2f}", min),
    "first_rss_mb": ("RSS MB at first", "{:,.0f}", min),
    "rss_mb": ("after load", "{:,.0f}", min),
}
"""Figure: its title, its form, and which of two is the better."""


@dataclasses.dataclass(frozen=True)
class Aim:
    """A promise of the project's, and what was measured. ``measured``: None where something for it is missing."""

    text: str
    wanted: float
    measured: float | None
    at_most: bool = False

    @property
    def reached(self) -> bool:
        """Whether it is kept."""
        if self.measured is None:
            return False
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted


def print_model(results: Sequence[Result], console: Console) -> None:
    """One model's table."""
    model = results[0].model
    table = Table(title=f"\n{TITLES[model]}; in brackets: times the best peer's figure", box=None, title_justify="left")
    table.add_column("server", no_wrap=True)
    shown = [name for name in COLUMNS if any(result.median(name) is not None for result in results)]
    for name in shown:
        table.add_column(COLUMNS[name][0], justify="right", no_wrap=True)
    tops = {name: best(results, name) for name in shown}
    for result in results:
        if result.reason is None:
            table.add_row(result.peer.name, *(cell(result, name, tops[name]) for name in shown))
    console.print(table)
    for result in results:
        if result.reason is not None:
            console.print(f"  {result.peer.name}: not measured: {result.reason}", highlight=False, markup=False)


def cell(result: Result, name: str, top: float | None) -> str:
    """A figure, and its ratio to the best peer's."""
    value = result.median(name)
    if value is None:
        return "–"
    ratio = f" ({value / top:.2g}×)" if top else ""
    return COLUMNS[name][1].format(value) + ratio


def best(results: Iterable[Result], name: str, *, batches: bool | None = None) -> float | None:
    """The best peer's figure; ``batches``: of those alone that do, or do not, answer several requests together."""
    values = [
        value
        for result in results
        if not result.peer.ours and result.peer.requirements and batches in {None, result.peer.batches}
        for value in [result.median(name)]
        if value is not None
    ]
    return COLUMNS[name][2](values) if values else None


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """One figure to another, where there are both."""
    return ours / theirs if ours is not None and theirs else None


def aims(measured: Sequence[Sequence[Result]]) -> list[Aim]:
    """All aims of the project, for the models that were measured."""
    found: list[Aim] = []
    for results in measured:
        model, named = results[0].model, {result.peer.name: result for result in results}
        if "tagboat" in named:
            found += aims_of(model, results, named)
    return found


def aims_of(model: str, results: Sequence[Result], named: dict[str, Result]) -> list[Aim]:
    """The aims that one model's figures tell of."""
    ours, title = named["tagboat"], TITLES[model]
    speed = ours.median("requests_s")
    bare, constant = named["bare Python"], named.get("tagboat, a constant")
    alone, together = (best(results, "requests_s", batches=batches) for batches in (False, True))
    every = best(results, "requests_s")
    found = []
    if model == "rf":
        found += [
            Aim(f"{title}: requests/s, times the best peer that does not batch", 60, ratio(speed, alone)),
            Aim(f"{title}: requests/s, times the best peer that batches", 10, ratio(speed, together)),
        ]
    elif model == "lr":
        found.append(Aim(f"{title}: requests/s, times the best peer", 12, ratio(speed, every)))
    else:
        quick = named.get("tagboat, optimize: onnx")
        found.append(
            Aim(f"{title}, optimize: onnx: requests/s, times the best peer that does not batch", 10,
                ratio(quick.median("requests_s") if quick else None, alone)))  # fmt: skip
    if model in {"rf", "lr"}:
        fixed = constant.median("requests_s") if constant else None
        peers = [value for result in results if not result.peer.ours and result.peer.requirements
                 for value in [result.median("p50_ms")] if value is not None]  # fmt: skip
        found += [
            Aim(f"{title}: share of our own server's requests/s with a constant", 0.5, ratio(speed, fixed)),
            Aim(f"{title}: our p99 to the best peer's p50", 0.25,
                ratio(ours.median("p99_ms"), min(peers) if peers else None), at_most=True),
            Aim(f"{title}: 1,000-row JSON, rows/s, times the best peer", 3,
                ratio(ours.median("rows_s"), best(results, "rows_s"))),
            Aim(f"{title}: binary tensor, rows/s, times our JSON", 3,
                ratio(ours.median("binary_rows_s"), ours.median("rows_s"))),
        ]  # fmt: skip
    found += [
        Aim(f"{title}: cold start to first prediction, to importing and loading", 1.2,
            ratio(ours.median("cold_s"), bare.median("cold_s")), at_most=True),
        Aim(f"{title}: RSS at the first answer, to importing and loading", 1.1,
            ratio(ours.median("first_rss_mb"), bare.median("first_rss_mb")), at_most=True),
    ]  # fmt: skip
    return found


def print_aims(found: Sequence[Aim], console: Console) -> None:
    """The closing table."""
    table = Table(title="\nthe aims", box=None, title_justify="left")
    table.add_column("aim")
    for name in ("wanted", "measured", "reached"):
        table.add_column(name, justify="right", no_wrap=True)
    for aim in found:
        wanted = f"{'≤' if aim.at_most else '≥'} {aim.wanted:g}"
        measured = "not measured" if aim.measured is None else f"{aim.measured:.3g}"
        table.add_row(aim.text, wanted, measured, "–" if aim.measured is None else "yes" if aim.reached else "no")
    console.print(table)
