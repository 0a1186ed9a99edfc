"""The servers' own figures: scraped pod by pod, added up, and told for a span of time."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence

from deployers.base import Request
from deployers.errors import TagboatError
from deployers.kubernetes.api import POD, Api

PORT = 8080

SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')

KEPT = 3600.0
"""Seconds for which earlier figures are kept."""

Counts = dict[tuple[str, ...], float]
"""Counters by name and the labels that count here."""

METRICS = Request(method="GET", path="/metrics", headers={}, timeout=15.0)


class Figures:
    """Remembers earlier scrapes of each workload, so that it can tell what has come since."""

    def __init__(self, api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        self.api = api
        self.clock = clock
        self.scraped: dict[str, list[tuple[float, dict[str, Counts]]]] = {}

    def over(self, workload: str, labels: Mapping[str, str], window: float) -> dict[str, float]:
        """What has come in about the last ``window`` seconds; with 0 the counting begins now."""
        now = self.clock()
        fresh = {
            pod["metadata"]["name"]: self._scrape(pod["metadata"]["name"]) for pod in self.api.objects(POD, labels)
        }
        earlier = [each for each in self.scraped.get(workload, []) if now - each[0] < KEPT]
        old_enough = [each for each in earlier if now - each[0] >= window]
        before = old_enough[-1][1] if old_enough else earlier[0][1] if earlier else {}
        self.scraped[workload] = [*earlier, (now, fresh)]
        return figures_of(fresh, fresh if window == 0 else before)

    def _scrape(self, pod: str) -> Counts:
        try:
            answer = self.api.ask(POD, pod, PORT, METRICS)
        except TagboatError:
            # A pod that comes or goes has no figures; the others have.
            return {}
        return counts_of(answer.body.decode(errors="replace")) if answer.status == 200 else {}


def counts_of(page: str) -> Counts:
    """The counters of a page of Prometheus' text that we judge by."""
    found: Counts = {}
    for line in page.splitlines():
        sample = SAMPLE.fullmatch(line)
        if sample is None:
            continue
        labels = dict(LABEL.findall(sample["labels"] or ""))
        key = _key(sample["name"], labels)
        try:
            value = float(sample["value"])
        except ValueError:
            continue
        if key is not None and math.isfinite(value):
            found[key] = found.get(key, 0.0) + value
    return found


def _key(name: str, labels: Mapping[str, str]) -> tuple[str, ...] | None:
    if name == "tagboat_requests_total" and not labels.get("method", "/").startswith("/"):
        return ("failures" if labels.get("status", "").startswith("5") else "good",)
    if name == "tagboat_request_seconds_bucket" and not labels.get("method", "/").startswith("/"):
        return ("latency", labels.get("le", ""))
    if name == "tagboat_predictions_total":
        return ("predictions", labels.get("method", ""), labels.get("bin", ""))
    return None


def figures_of(now: Mapping[str, Counts], before: Mapping[str, Counts]) -> dict[str, float]:
    """The sums over all pods of what was counted since; a pod that has begun anew counts from its beginning."""
    sums: Counts = {}
    for pod, counts in now.items():
        earlier = before.get(pod, {})
        restarted = any(counts.get(key, 0.0) < value for key, value in earlier.items())
        for key, value in counts.items():
            sums[key] = sums.get(key, 0.0) + value - (0.0 if restarted else earlier.get(key, 0.0))
    failures = sums.get(("failures",), 0.0)
    buckets = [(_bound(key[1]), value) for key, value in sums.items() if key[0] == "latency"]
    found = {
        "requests": failures + sums.get(("good",), 0.0),
        "failures": failures,
        "latency_p99": quantile(sorted(buckets), 0.99),
    }
    found.update({f"predictions.{key[1]}.{key[2]}": value for key, value in sums.items() if key[0] == "predictions"})
    return found


def quantile(buckets: Sequence[tuple[float, float]], share: float) -> float:
    """A quantile of cumulative buckets (upper bound, count), as Prometheus' histogram_quantile reckons; NaN of none."""
    if not buckets or buckets[-1][1] <= 0:
        return math.nan
    wanted = share * buckets[-1][1]
    lower = below = 0.0
    for bound, count in buckets:
        if count >= wanted:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (wanted - below) / max(count - below, 1e-12)
        lower, below = bound, count
    return lower


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf
