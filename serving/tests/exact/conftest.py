"""Fitted models, and the one comparison that counts: chosen, used, and the public method's bits."""

import warnings

import numpy
import pytest

pytest.importorskip("sklearn")

from tagboat_server.exact import accelerate_all
from tagboat_server.exact.proof import same

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")


class Comparison:
    """Asks the fast path and the public method the same, and demands that the fast path itself answered."""

    def choose(self, estimator, methods=None, sample=None):
        """The fast paths of all the estimator's methods; every one of them must be chosen."""
        methods = [method for method in METHODS if hasattr(estimator, method)] if methods is None else methods
        said = []
        chosen = accelerate_all(estimator, methods, sample, tell=said.append)
        assert sorted(chosen) == sorted(methods), said
        return chosen

    def __call__(self, estimator, batches, methods=None):
        for method, fast in self.choose(estimator, methods).items():
            for batch in batches:
                self.check(fast, getattr(estimator, method), batch)

    def check(self, fast, public, batch):
        """One batch: answered by the fast path, as the public method answers it, and left as it was."""
        passed_on = fast.passed_on
        before = batch.copy()
        found = fast(batch)
        with warnings.catch_warnings(), numpy.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            wanted = public(batch)
        assert same(found, wanted), (fast.program.method, len(batch), found, wanted)
        assert fast.passed_on == passed_on, "the fast path was not used"
        assert (before.equals(batch)) if hasattr(before, "equals") else same(before, batch)


@pytest.fixture(scope="session")
def exact():
    return Comparison()


@pytest.fixture(scope="session")
def blobs():
    """Rows, three classes, and numbers to regress on."""
    generator = numpy.random.default_rng(7)
    rows = generator.normal(size=(400, 6)) * [1, 10, 0.1, 1000, 1, 3] + [0, 5, 0, -300, 2, 0]
    numbers = rows[:, 0] + rows[:, 1] ** 2 / 20 + generator.normal(size=400)
    classes = numpy.digitize(numbers, [1, 4])
    return rows, classes, numbers


@pytest.fixture(scope="session")
def batches_of():
    """Batches of many sizes, dtypes and memory layouts from one table."""

    def make(rows, sizes=(1, 2, 3, 16, 47, 48, 49, 64, 300)):
        made = [numpy.ascontiguousarray(rows[:size]) for size in sizes]
        made += [rows[5:6], rows[::3], rows[::-1][:10], numpy.asfortranarray(rows[:20]), rows[:20, ::-1][:, ::-1]]
        made += [rows[:size].astype(numpy.float32) for size in (1, 20, 60)]
        made += [rows[:size].astype(dtype) for size in (1, 9) for dtype in (numpy.int64, numpy.int32, numpy.int8)]
        return made

    return make
