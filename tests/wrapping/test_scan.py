"""The scan: what loading would import, told without loading, whatever the file looks like."""

from __future__ import annotations

import contextlib
import io
import pickle
import pickletools
import resource
import struct
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployers.wrapping.byte_streams import Buffered, Malformed
from deployers.wrapping.pickle_imports import imports
from deployers.wrapping.scan import Finding, Scan, Severity, lines, scan


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, ("echo pwned",)


class Holder:
    def __init__(self, *parts: object) -> None:
        self.parts = parts


def scanned(folder: Path, name: str, content: bytes) -> Scan:
    (folder / name).write_bytes(content)
    return scan(folder, model=name)


def found(content: bytes) -> set[str]:
    """The imports that the machine sees in one pickle."""
    return {str(value) for value in imports(Buffered(io.BytesIO(content), tick=lambda: None), tick=lambda: None)}


def details(result: Scan, severity: Severity = Severity.DANGEROUS) -> list[str]:
    return [finding.detail for finding in result.findings if finding.severity is severity]


# What models are made of


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    from sklearn.compose import ColumnTransformer
    from sklearn.datasets import load_iris
    from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    table = load_iris(as_frame=True)
    x, y = table.data, table.target
    words = ["to be or not", "not to be", "that is it", "question it is"]
    texts = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(words, [0, 0, 1, 1])
    colours = np.array([["red"], ["blue"], ["red"]], dtype=object)
    columns = ColumnTransformer([("scale", StandardScaler(), [0, 1]), ("keep", "passthrough", [2, 3])])
    return {
        "forest": RandomForestClassifier(5).fit(x, y),
        "boosting": GradientBoostingClassifier(n_estimators=3).fit(x, y),
        "histogram": HistGradientBoostingClassifier(max_iter=3).fit(x, y),
        "neighbours": KNeighborsClassifier().fit(x, y),
        "pipeline": make_pipeline(columns, LogisticRegression(max_iter=500)).fit(x.to_numpy(), y),
        "texts": texts,
        "objects": OneHotEncoder().fit(colours),
        "frame": x,
        "arrays": {
            "structured": np.zeros(3, [("a", "i4"), ("b", "f8", 2)]), "objects": colours, "none": np.zeros((0, 3)),
            "text": np.array(["ä", "bb"]), "dates": np.array(["2020-01-01"], "M8[D]"), "scalar": np.float32(2),
        },
    }  # fmt: skip


@pytest.mark.parametrize("compress", [0, 3, "gzip", "bz2", "xz", "lzma"])
def test_joblib_is_read_through_its_arrays_in_every_compression(
    compress: Any, models: dict[str, Any], tmp_path: Path
) -> None:
    for name, model in models.items():
        joblib.dump([model, Evil()], tmp_path / f"{name}.joblib", compress=compress)
    result = scan(tmp_path)
    assert {finding.file for finding in result.findings} == {f"{name}.joblib" for name in models}
    assert set(details(result)) == {"posix.system"}, "read to the end, and nothing but the payload is dangerous"
    assert len(result.findings) == len(models)


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_usual_models_have_no_findings_in_any_protocol(
    protocol: int, models: dict[str, Any], tmp_path: Path
) -> None:
    for name, model in models.items():
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(model, protocol))
    result = scan(tmp_path)
    assert list(lines(result.findings)) == []
    assert result.pickles == len(models)


@pytest.mark.slow
def test_no_estimator_of_scikit_learn_has_findings(tmp_path: Path) -> None:
    from sklearn.datasets import load_iris
    from sklearn.utils import all_estimators

    x, y = load_iris(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, estimator in all_estimators():
            with contextlib.suppress(Exception):  # those that need other data or parameters
                (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(estimator().fit(x, y)))
    result = scan(tmp_path)
    assert result.pickles > 150
    assert list(lines(result.findings)) == []


def test_what_is_no_pickle_is_left_alone(tmp_path: Path) -> None:
    import skops.io
    from sklearn.linear_model import LinearRegression

    skops.io.dump(LinearRegression().fit([[1], [2]], [1, 2]), tmp_path / "m.skops")
    for name, content in {
        "m.onnx": b"\x08\x08\x12\x07skl2onnx", "m.json": b'{"a": [1]}', "m.txt": b"cos\nsystem, not a pickle",
        "empty": b"", "m.bin": bytes(range(256)) * 8, "x.zip": b"PK\x05\x06" + b"\0" * 18,
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
    assert scan(tmp_path).findings == ()


# What is reported


def test_own_and_allowed_modules_are_not_reported_but_dangerous_ones_are(tmp_path: Path) -> None:
    content = b"".join([b"\x80\x02", b"cmine.features\nScale\n", b"cminefield\nX\n", b"cos\nsystem\n", b"."])
    result = scanned(tmp_path, "m.pkl", content)
    assert details(result, Severity.UNKNOWN) == ["mine.features.Scale", "minefield.X"]
    left = [finding.detail for finding in result.beyond({"mine", "os"})]
    assert left == ["minefield.X", "os.system"]


@pytest.mark.parametrize(
    "name",
    [
        "numpy.load", "numpy.testing._private.utils.runstring", "numpy.f2py.compile", "pandas.eval",
        "pandas.read_pickle",
        "joblib.load", "joblib.numpy_pickle.load", "torch.load", "torch.storage._load_from_bytes", "pickle.loads",
        "_pickle.Unpickler", "builtins.getattr", "builtins.eval", "functools.partial", "operator.attrgetter",
        "sklearn.externals._x.Popen", "sklearn.utils._testing.Raises", "sklearn.datasets.Loader", "numpy.os",
        "sklearn.utils.parallel.Parallel", "pandas.core.computation.eval.Expr", "pandas.io.pickle.read_pickle",
        "timeit.timeit", "pip._internal.main", "types.CodeType", "ctypes.CDLL", "idlelib.run.main", "code.interact",
    ],
)  # fmt: skip
def test_nothing_that_runs_what_it_is_given_is_expected(name: str, tmp_path: Path) -> None:
    module, _, attribute = name.rpartition(".")
    assert scanned(tmp_path, "m.pkl", f"\x80\x02c{module}\n{attribute}\n.".encode("latin-1")).findings


def test_a_dotted_name_reaches_no_further_than_a_plain_one(tmp_path: Path) -> None:
    content = b"\x80\x04\x8c\x0csklearn.tree\x8c\x09os.system\x93."
    assert details(scanned(tmp_path, "m.pkl", content)) == ["sklearn.tree.os.system"]


def test_python_2_names_are_judged_by_what_they_mean_today(tmp_path: Path) -> None:
    assert details(scanned(tmp_path, "m.pkl", b"\x80\x02ccommands\ngetoutput\n.")) == ["commands.getoutput"]
    assert details(scanned(tmp_path, "m.pkl", b"\x80\x02c__builtin__\nreduce\n.")) == ["__builtin__.reduce"]


def test_archives_and_object_arrays_are_looked_into(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    np.savez_compressed(tmp_path / "many.npz", plain=np.zeros(10), evil=np.array([Evil()], dtype=object))
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:  # the layout of torch.save
        archive.writestr("model/data.pkl", pickle.dumps(Holder(Evil()), 2))
        archive.writestr("model/data/0", b"\0" * 100)
    result = scan(tmp_path)
    dangerous = {finding.file for finding in result.findings if finding.severity is Severity.DANGEROUS}
    assert dangerous == {"objects.npy", "many.npz!evil.npy", "model.pt!model/data.pkl"}


def test_several_pickles_in_a_row_are_all_read(tmp_path: Path) -> None:
    assert details(scanned(tmp_path, "m.pt", pickle.dumps(1) + pickle.dumps([2]) + pickle.dumps(Evil()))) == [
        "posix.system"
    ]


def test_a_pickle_with_no_ending_and_no_mark_is_seen_where_it_is_the_model(tmp_path: Path) -> None:
    assert details(scanned(tmp_path, "model", pickle.dumps(Evil(), 0))) == ["posix.system"]


@pytest.mark.parametrize("cut", [1, 5, 20, -1])
def test_what_cannot_be_followed_to_its_end_is_said(cut: int, tmp_path: Path) -> None:
    content = pickle.dumps(Holder(np.arange(10), Evil()))
    result = scanned(tmp_path, "m.pkl", content[:cut])
    assert details(result, Severity.UNREADABLE)


def test_a_scan_that_takes_too_long_says_so(tmp_path: Path) -> None:
    seconds = iter(range(0, 10**9, 100))
    (tmp_path / "m.pkl").write_bytes(pickle.dumps([str(number) for number in range(10_000)]))
    result = scan(tmp_path, clock=lambda: next(seconds), longest=150)
    assert details(result, Severity.UNREADABLE) == ["the scan took too long"]


def test_nothing_from_a_file_can_act_on_a_terminal(tmp_path: Path) -> None:
    result = scanned(tmp_path, "m.pkl", b"\x80\x02c\x1b[31m::error::x\ny\n.")
    assert "\x1b" not in "".join(lines(result.findings))


# Soundness


PARTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        | st.tuples(inner, inner)
        | st.frozensets(st.integers(), max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(value=PARTS, protocol=st.integers(0, 5), optimized=st.booleans())
def test_every_import_of_a_real_pickle_is_seen_and_no_other(value: object, protocol: int, optimized: bool) -> None:
    content = pickle.dumps([value, Holder(value, Evil()), value], protocol)
    content = pickletools.optimize(content) if optimized else content
    seen: set[str] = set()

    class Watching(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            seen.add(f"{module}.{name}")
            return Holder if name == "Holder" else print if module == "posix" else super().find_class(module, name)

    Watching(io.BytesIO(content)).load()
    expected = {name.replace("builtins.", "__builtin__.") if protocol < 3 else name for name in seen}
    got = {name.replace("copy_reg.", "copyreg.") for name in found(content)}
    assert got - {"copyreg._reconstructor"} == {name.replace("copy_reg.", "copyreg.") for name in expected} - {
        "copyreg._reconstructor"
    }


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=200), at=st.integers(0, 400), flip=st.integers(0, 255))
def test_no_bytes_make_it_fail_in_any_other_way(content: bytes, at: int, flip: int) -> None:
    broken = bytearray(pickle.dumps(Holder(np.arange(3), Evil(), {"a": (1, 2)}), 4))
    broken[at % len(broken)] = flip
    for candidate in (content, bytes(broken), b"\x80\x04" + content):
        with contextlib.suppress(Malformed):
            found(candidate)


@pytest.mark.parametrize("trick", ["memo", "dup", "computed", "extension", "put", "inst", "obj"])
def test_names_hidden_in_the_memo_or_computed_are_reported(trick: str, tmp_path: Path) -> None:
    def text(value: str) -> bytes:
        return b"\x8c" + bytes([len(value)]) + value.encode()

    content = {
        "memo": text("system") + b"\x94" + text("os") + b"\x94" + b"00" + b"h\x01h\x00\x93",
        "put": text("os") + b"r" + struct.pack("<I", 70_000) + text("system") + b"p71000\n00g70000\ng71000\n\x93",
        "dup": text("os") + b"2" + b"0" + text("system") + b"\x93",
        "computed": b"cbuiltins\nstr\n" + text("o") + b"\x85R" + text("system") + b"\x93",
        "extension": b"\x82\x01",
        "inst": b"(" + text("id") + b"ios\nsystem\n",
        "obj": b"(cos\nsystem\n" + text("id") + b"o",
    }[trick]
    result = scanned(tmp_path, "m.pkl", b"\x80\x04" + content + b".")
    assert details(result)


def test_a_pickle_inside_bytes_is_read_too(tmp_path: Path) -> None:
    inner = pickle.dumps(Evil())
    assert details(scanned(tmp_path, "m.pkl", pickle.dumps({"state": pickle.dumps([inner])}))) == ["posix.system"]


def test_memory_stays_bounded_for_large_files(tmp_path: Path) -> None:
    large = tmp_path / "large.joblib"
    joblib.dump({"weights": np.zeros(40_000_000), "evil": Evil()}, large)
    (tmp_path / "large.pkl").write_bytes(pickle.dumps({"weights": np.zeros(20_000_000), "evil": Evil()}))
    joblib.dump([np.zeros(40_000_000), Evil()], tmp_path / "bomb.joblib", compress=9)
    script = (
        "import resource, sys; from pathlib import Path; from deployers.wrapping.scan import scan\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "result = scan(Path(sys.argv[1]))\n"
        "print(len(result.findings), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", script, tmp_path], cwd=root, check=True, capture_output=True)
    findings, grown = (int(word) for word in done.stdout.split())
    assert findings == 3
    unit = 1 if sys.platform == "darwin" else 1024
    assert grown * unit < 50_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_findings_survive_the_way_through_model_json() -> None:
    import msgspec

    result = Scan(pickles=1, findings=(Finding(file="m.pkl", detail="os.system", severity=Severity.DANGEROUS),))
    assert msgspec.convert(msgspec.to_builtins(result), Scan) == result


def test_what_torchscript_and_weights_are_made_of_is_no_finding_and_the_rest_of_pytorch_is(tmp_path: Path) -> None:
    usual = (
        "__torch__ Network",
        "__torch__.torch.nn.modules.linear.___torch_mangle_0 Linear",
        "torch.jit._pickle build_intlist",
        "torch.jit._pickle restore_type_tag",
        "torch FloatStorage",
        "torch._utils _rebuild_tensor_v2",
    )
    others = ("torch load", "torch.jit load", "torch.hub load", "__torch__ system", "torch.storage _load_from_bytes")
    for name, imported in (("usual.pt", usual), ("others.pt", others)):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            content = "".join(f"c{found.replace(' ', chr(10))}\n0" for found in imported).encode()
            archive.writestr("m/data.pkl", b"\x80\x02" + content + b"N.")
    findings = scan(tmp_path).findings
    assert {finding.file for finding in findings} == {"others.pt!m/data.pkl"}
    assert {finding.detail for finding in findings} == {found.replace(" ", ".") for found in others}
