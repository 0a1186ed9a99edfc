"""What the exact fast paths save: microseconds a call, public method against ours, for 1, 32 and 1,000 rows.

    .venv/bin/python -P benchmarks/exact.py [--rounds 7] [--json]

One thread everywhere (BLAS, OpenMP, joblib), the two sides by turns, the median of the rounds. Every answer is compared
bit for bit before it is timed.
"""

import argparse
import functools
import json
import os
import statistics
import sys
import time
import warnings
from pathlib import Path

if os.environ.setdefault("OMP_NUM_THREADS", "1") == "1":
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"  # read when numpy is imported
sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

import numpy
import pandas
import sklearn
from sklearn import ensemble, linear_model, tree
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tagboat_server.exact import Table, accelerate
from tagboat_server.exact.proof import same

SIZES = (1, 32, 1000)
MINIMUM = 0.02
"""Seconds that a round of calls takes at least."""


def cases():
    """Name, fitted model, method, and a table of 1,000 rows."""
    rows, classes = load_breast_cancer(return_X_y=True)
    generator = numpy.random.default_rng(0)
    table = rows[generator.integers(0, len(rows), 1000)] * generator.normal(1, 0.01, (1000, rows.shape[1]))
    numbers = rows[:, 0] + generator.normal(size=len(rows))
    named = [f"feature {place}" for place in range(rows.shape[1])]
    logistic = make_pipeline(StandardScaler(), linear_model.LogisticRegression())
    yield "RandomForestClassifier(100)", ensemble.RandomForestClassifier(random_state=0).fit(rows, classes), table
    yield "RandomForestRegressor(100)", ensemble.RandomForestRegressor(random_state=0).fit(rows, numbers), table
    yield "ExtraTreesClassifier(100)", ensemble.ExtraTreesClassifier(random_state=0).fit(rows, classes), table
    yield "DecisionTreeClassifier", tree.DecisionTreeClassifier(random_state=0).fit(rows, classes), table
    yield "GradientBoostingClassifier(100)", ensemble.GradientBoostingClassifier().fit(rows, classes), table
    yield "HistGradientBoostingClassifier(100)", ensemble.HistGradientBoostingClassifier().fit(rows, classes), table
    yield "LinearRegression", linear_model.LinearRegression().fit(rows, numbers), table
    yield "StandardScaler, LogisticRegression", logistic.fit(rows, classes), table
    frame = pandas.DataFrame(table, columns=named)
    fitted = make_pipeline(StandardScaler(), linear_model.LogisticRegression())
    yield "the same, of a dataframe", fitted.fit(pandas.DataFrame(rows, columns=named), classes), frame
    mixed = pandas.DataFrame(table[:, :6], columns=list("abcdef")).assign(
        city=generator.choice(["Oslo", "Rome", "Paris"], 1000), plan=generator.choice(["free", "paid"], 1000)
    )
    prepare = make_column_transformer(
        (StandardScaler(), list("abcdef")), (OneHotEncoder(handle_unknown="ignore"), ["city", "plan"])
    )
    wanted = generator.integers(0, 2, 1000)
    yield (
        "columns: scaled, one-hot; LogisticRegression",
        make_pipeline(prepare, linear_model.LogisticRegression()).fit(mixed, wanted),
        mixed,
    )


def row(size, public, fast, batch, rounds):
    """One line of the table, once both have given the same answer."""
    if not same(fast(batch), public(batch)) or fast.passed_on:
        sys.exit("not the public method's bits, or not by the fast path")
    theirs, ours = measure(lambda: public(batch), lambda: fast(batch), rounds)
    return {"rows": size, "public_us": theirs, "ours_us": ours}


def through_a_frame(public, names, table):
    """Make the dataframe, then ask the public method."""
    return public(table.frame(names))


def decoded(part, dtypes):
    """What a decoder makes of a body: a matrix, or columns."""
    if dtypes is None:
        return Table(numpy.ascontiguousarray(part.to_numpy()))
    return Table([part[name].to_numpy(dtype=dtype) for name, dtype in zip(part, dtypes, strict=True)])


def uniform(table):
    """Whether a dataframe is all float64, so that it could be made of a matrix."""
    return all(dtype == numpy.float64 for dtype in table.dtypes)


def numpy_dtype(dtype):
    """The dtype in which a column's values come from a decoder."""
    return dtype if isinstance(dtype, numpy.dtype) else numpy.dtype(object)


def measure(public, ours, rounds):
    """Median microseconds a call of both, by turns."""
    took = {public: [], ours: []}
    for call, found in took.items():
        calls = 1
        while timed(call, calls) < MINIMUM:
            calls *= 2
        took[call] = [calls, found]
    for _ in range(rounds):
        for call, (calls, found) in took.items():
            found.append(timed(call, calls) / calls * 1e6)
    return tuple(statistics.median(found) for _, found in took.values())


def timed(call, calls):
    """Seconds that so many calls take."""
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - start


def main():
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    results = []
    for name, model, table in cases():
        start = time.perf_counter()
        fast = accelerate(model, "predict", table[:50])
        chosen = time.perf_counter() - start
        if fast is None:
            sys.exit(f"{name}: no fast path")
        kept = {"model": name, "chosen_s": chosen}
        results += [kept | row(size, model.predict, fast, table[:size].copy(), arguments.rounds) for size in SIZES]
        if not isinstance(table, pandas.DataFrame):
            continue
        # As in the server: from a decoded table, with the dataframe made for each call, or not at all.
        dtypes = None if uniform(table) else [numpy_dtype(dtype) for dtype in table.dtypes]
        reason = fast.take_tables(list(table), dtypes)
        if reason is not None:
            sys.exit(f"{name}: {reason}")
        by_frame = functools.partial(through_a_frame, model.predict, list(table))
        for size in SIZES:
            found = row(size, by_frame, fast, decoded(table[:size], dtypes), arguments.rounds)
            results.append(kept | {"model": f"{name}, from a table"} | found)
    if arguments.json:
        json.dump({"scikit-learn": sklearn.__version__, "numpy": numpy.__version__, "results": results}, sys.stdout)
        return
    print(f"scikit-learn {sklearn.__version__}, numpy {numpy.__version__}, predict, microseconds a call\n")
    print("| model | rows | public | ours | ratio | proved in |\n|---|--:|--:|--:|--:|--:|")
    for found in results:
        public, ours = found["public_us"], found["ours_us"]
        ratio, proved = f"{public / ours:.1f}", f"{found['chosen_s'] * 1000:.0f} ms"
        print(f"| {found['model']} | {found['rows']:,} | {public:,.0f} | {ours:,.1f} | {ratio} | {proved} |")


if __name__ == "__main__":
    main()
