"""From a model's files to a bundle: whole, verified, the same for the same inputs."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import joblib
import msgspec
import pytest

from deployers.errors import ConfigurationError, RefusedError, ReleaseFailedError, TagboatError
from deployers.wrapping import bundle, uv
from deployers.wrapping.wrap import ScanPolicy, WrapSettings, environment_of
from tests.wrapping import models
from tests.wrapping.models import requirements, ugly, wrapped

REFUSE = WrapSettings(scan=ScanPolicy.REFUSE)


@pytest.fixture(scope="module")
def estimator() -> object:
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    table = load_iris(as_frame=True)
    return LogisticRegression(max_iter=500).fit(table.data.to_numpy(), table.target)


@pytest.fixture
def folder(tmp_path: Path, estimator: object) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    joblib.dump(estimator, folder / "iris.joblib")
    return folder


def test_a_bundle_says_and_holds_all_that_it_takes_to_run(folder: Path, shared_cache: Path, tmp_path: Path) -> None:
    made = wrapped(folder, "iris.joblib", requirements(), shared_cache, store=tmp_path / "store", settings=REFUSE)
    document = json.loads((made.folder / "model.json").read_text())
    assert document["format"] == "sklearn-joblib"
    assert document["methods"]["predict"]["input"] == {"kind": "tensor", "dtype": "float64", "shape": [None, 4]}
    assert document["digest"] == made.digest
    assert (document["name"], document["version"], document["commit"]) == ("iris", "v1.0.0", models.COMMIT)
    assert "scikit-learn" in document["libraries"]
    assert document["scan"]["findings"] == []
    assert (made.folder / "model" / document["model"]).read_bytes() == (folder / "iris.joblib").read_bytes()
    assert all("--hash=sha256:" in block for block in made.lock.replace("\\\n", "").splitlines())
    assert made.server.name.startswith("tagboat_server-")
    assert bundle.load(made.folder) == made


def test_the_same_inputs_give_the_same_digest_in_another_store_and_version(
    folder: Path, shared_cache: Path, tmp_path: Path
) -> None:
    one = wrapped(folder, "iris.joblib", requirements(), shared_cache, store=tmp_path / "one")
    (tmp_path / "moved").mkdir()
    shutil.copy(folder / "iris.joblib", tmp_path / "moved" / "iris.joblib")
    two = wrapped(
        tmp_path / "moved", "iris.joblib", requirements(), shared_cache, store=tmp_path / "two", version="v2.0.0"
    )
    assert one.digest == two.digest
    assert one.folder.name != two.folder.name
    assert one.description.version == "v1.0.0"
    assert two.description.version == "v2.0.0"


def test_a_second_wrap_finds_the_first_and_runs_nothing(folder: Path, shared_cache: Path, tmp_path: Path) -> None:
    first = wrapped(folder, "iris.joblib", requirements(), shared_cache, store=tmp_path / "store")
    steps: list[str] = []
    assert wrapped(folder, "iris.joblib", requirements(), shared_cache, store=tmp_path / "store", steps=steps) == first
    assert "inspect" not in steps
    assert "environment" not in steps


def test_every_input_is_in_the_digest() -> None:
    content = bundle.Content("m", "0" * 64, 1)
    base = {"model": [content], "code": [], "lock": "l", "server": "s", "python": "3.11", "format": "f", "path": "m",
            "base_image": None}  # fmt: skip
    changes = [
        {}, {"model": [bundle.Content("n", "0" * 64, 1)]}, {"model": [bundle.Content("m", "1" * 64, 1)]},
        {"code": [content]}, {"lock": "k"}, {"server": "t"}, {"python": "3.12"}, {"format": "g"}, {"path": "n"},
        {"base_image": "sha256:1"},
    ]  # fmt: skip
    assert len({bundle.digest(**{**base, **change}) for change in changes}) == len(changes)  # type: ignore[arg-type]


def test_a_changed_bundle_is_refused_when_opened_and_made_anew_when_wrapped(
    folder: Path, shared_cache: Path, tmp_path: Path
) -> None:
    made = wrapped(folder, "iris.joblib", requirements(), shared_cache, store=tmp_path / "store")
    changed = made.folder / "model" / "iris.joblib"
    changed.chmod(0o644)
    changed.write_bytes(b"something else")
    with pytest.raises(RefusedError, match="changed"):
        bundle.load(made.folder)
    again = wrapped(folder, "iris.joblib", requirements(), shared_cache, store=tmp_path / "store")
    assert again == made
    assert bundle.load(again.folder) == made


def test_what_is_no_bundle_is_said(tmp_path: Path) -> None:
    with pytest.raises(TagboatError, match="no bundle"):
        bundle.load(tmp_path)
    (tmp_path / "model.json").write_text('{"schema": 1}')
    with pytest.raises(TagboatError, match="no bundle"):
        bundle.load(tmp_path)


def test_its_environment_is_made_again_from_the_bundle_alone(folder: Path, shared_cache: Path, tmp_path: Path) -> None:
    made = wrapped(folder, "iris.joblib", requirements(), shared_cache, store=tmp_path / "store")
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(made.folder, elsewhere)
    python = environment_of(bundle.load(elsewhere), cache=tmp_path / "empty-cache", environment=os.environ)
    ask = "import sklearn, tagboat_server; print(sklearn.__version__)"
    said = subprocess.run([python.python, "-I", "-c", ask], check=True, capture_output=True, text=True).stdout
    assert f"scikit-learn=={said.strip()}" in models.SKLEARN
    assert not (tmp_path / "empty-cache" / "locks").exists()


# Files


def test_files_are_read_only_and_the_users_own_stay_theirs(folder: Path, shared_cache: Path, tmp_path: Path) -> None:
    (folder / "iris.joblib").chmod(0o4755)
    made = wrapped(folder, "iris.joblib", requirements(), shared_cache, store=tmp_path / "store")
    mode = (made.folder / "model" / "iris.joblib").stat().st_mode
    assert stat.S_IMODE(mode) == 0o444
    assert stat.S_IMODE((folder / "iris.joblib").stat().st_mode) == 0o4755
    with (folder / "iris.joblib").open("ab") as file:
        file.write(b"more")
    assert bundle.load(made.folder) == made


def test_a_file_of_a_read_only_cache_is_linked_not_copied(folder: Path, shared_cache: Path, tmp_path: Path) -> None:
    (folder / "iris.joblib").chmod(0o444)
    made = wrapped(folder, "iris.joblib", requirements(), shared_cache, store=tmp_path / "store")
    assert (made.folder / "model" / "iris.joblib").stat().st_nlink > 1 or _clones(tmp_path)


def _clones(folder: Path) -> bool:
    """Whether this file system shares blocks between copies, so that no link is needed."""
    (folder / "probe").write_bytes(b"x")
    command = ["cp", "--reflink=always", folder / "probe", folder / "probe2"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture(params=["out", "dangling", "loop", "pipe", "socket", "newline", "folder"])
def hostile(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "secret").write_text("secret")
    if request.param == "out":
        (folder / "x").symlink_to("../secret")
    elif request.param == "dangling":
        (folder / "x").symlink_to("nowhere")
    elif request.param == "loop":
        (folder / "x").symlink_to("x")
    elif request.param == "pipe":
        os.mkfifo(folder / "x")
    elif request.param == "newline":
        (folder / "a\nb").write_text("x")
    elif request.param == "folder":
        (folder / "x").symlink_to("/etc")
    else:
        with socket.socket(socket.AF_UNIX) as listening:
            directory = os.open(folder, os.O_RDONLY)
            try:
                listening.bind(f"/proc/self/fd/{directory}/x" if sys.platform == "linux" else str(folder / "x"))
            finally:
                os.close(directory)
    return folder


def test_files_that_lead_out_or_are_none_are_refused(hostile: Path, shared_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(RefusedError):
        wrapped(hostile, "iris.joblib", requirements(), shared_cache, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_link_inside_becomes_the_file_it_names(folder: Path, shared_cache: Path, tmp_path: Path) -> None:
    (folder / "latest.joblib").symlink_to("iris.joblib")
    made = wrapped(folder, "latest.joblib", requirements(), shared_cache, store=tmp_path / "store")
    inside = made.folder / "model" / "latest.joblib"
    assert not inside.is_symlink()
    assert inside.read_bytes() == (folder / "iris.joblib").read_bytes()


@pytest.mark.parametrize("path", ["other.joblib", "../model/iris.joblib", "/etc/passwd", ""])
def test_a_model_that_is_not_among_its_files_is_an_error(path: str, folder: Path, shared_cache: Path) -> None:
    with pytest.raises((ConfigurationError, RefusedError)):
        wrapped(folder, path, requirements(), shared_cache)


def test_a_format_that_cannot_be_told_is_asked_for(folder: Path, shared_cache: Path) -> None:
    (folder / "iris.joblib").rename(folder / "iris.model")
    with pytest.raises(ConfigurationError, match="format") as raised:
        wrapped(folder, "iris.model", requirements(), shared_cache)
    assert "sklearn-joblib" in (raised.value.hint or "")


# What goes wrong while it is wrapped


def test_a_model_that_cannot_be_loaded_says_what_is_missing(folder: Path, shared_cache: Path, tmp_path: Path) -> None:
    needs = ugly(folder, "import a_missing_package")
    with pytest.raises(ReleaseFailedError) as raised:
        wrapped(folder, "ugly.pkl", needs, shared_cache, store=tmp_path / "store")
    assert "a_missing_package" in str(raised.value)
    assert not [path for path in (tmp_path / "store").iterdir() if not path.name.startswith(".")]
    assert list((tmp_path / "store").iterdir()) == []


def test_a_model_that_kills_its_process_is_told_with_what_it_printed_made_harmless(
    folder: Path, shared_cache: Path, tmp_path: Path
) -> None:
    needs = ugly(folder, "print('::add-mask::x\\x1b[31m ##[error]', flush=True); os.kill(os.getpid(), 9)")
    with pytest.raises(ReleaseFailedError) as raised:
        wrapped(folder, "ugly.pkl", needs, shared_cache, store=tmp_path / "store")
    text = str(raised.value)
    assert "signal 9" in text
    assert "add-mask" in text
    assert "\n::" not in text
    assert "##[" not in text
    assert "\x1b" not in text


def test_findings_warn_by_default_and_refuse_by_policy_before_any_code_runs(
    folder: Path, shared_cache: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    (folder / "ugly.pkl").write_bytes(
        b"\x80\x04cos\nsystem\nX%c\x00\x00\x00touch %bR." % (6 + len(str(mark)), str(mark).encode())
    )
    for settings in (REFUSE, WrapSettings(scan=ScanPolicy.REFUSE, allowed_imports=("os",))):
        with pytest.raises(RefusedError, match=r"os\.system"):
            wrapped(folder, "ugly.pkl", requirements(), shared_cache, store=tmp_path / "store", settings=settings)
    assert not mark.exists()
    warnings: list[str] = []
    with pytest.raises(ReleaseFailedError):
        wrapped(folder, "ugly.pkl", requirements(), shared_cache, store=tmp_path / "store", warnings=warnings)
    assert any("os.system" in warning for warning in warnings)


def test_own_modules_come_along_and_are_no_findings(folder: Path, shared_cache: Path, tmp_path: Path) -> None:
    needs = ugly(folder, "self.__dict__.update(state)")
    made = wrapped(folder, "ugly.pkl", needs, shared_cache, store=tmp_path / "store", settings=REFUSE)
    assert made.description.code == ["ugly.py"]
    assert "predict" in made.description.methods
    assert bundle.load(made.folder) == made, "importing them has left something behind"


# The other formats


@pytest.mark.slow
def test_skops(folder: Path, shared_cache: Path, estimator: object) -> None:
    import skops.io

    skops.io.dump(estimator, folder / "iris.skops")
    made = wrapped(folder, "iris.skops", requirements(), shared_cache, settings=REFUSE)
    assert made.description.format == "sklearn-skops"
    assert "\nskops==" in made.lock


@pytest.mark.slow
def test_onnx(folder: Path, shared_cache: Path, estimator: object) -> None:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    graph = to_onnx(estimator, initial_types=[("input", FloatTensorType([None, 4]))], options={"zipmap": False})
    (folder / "iris.onnx").write_bytes(graph.SerializeToString())
    made = wrapped(folder, "iris.onnx", requirements("numpy"), shared_cache, settings=REFUSE)
    assert made.description.format == "onnx"
    assert "\nonnxruntime==" in made.lock
    assert "\nscikit-learn==" not in made.lock


@pytest.mark.slow
def test_mlem_with_a_module_of_its_own(shared_cache: Path, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    python = shared_cache / "mlem" / "bin" / "python"
    if not (shared_cache / "mlem" / "done").exists():
        run = [
            uv.program(),
            "venv",
            "--quiet",
            "--no-config",
            "--clear",
            "--python",
            sys.executable,
            shared_cache / "mlem",
        ]
        subprocess.run(run, check=True)
        install = [uv.program(), "pip", "install", "--quiet", "--no-config", "--python", python, "--require-hashes"]
        subprocess.run([*install, "-r", root / "requirements" / "demo.lock"], check=True)
        (shared_cache / "mlem" / "done").touch()
    (tmp_path / "features.py").write_text(
        "class Twice:\n    def fit(self, X, y=None): return self\n    def transform(self, X): return X * 2\n"
    )
    script = (
        "import features, mlem.api\n"
        "from sklearn.datasets import load_iris; from sklearn.pipeline import make_pipeline\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "X, y = load_iris(return_X_y=True)\n"
        "model = make_pipeline(features.Twice(), LogisticRegression(max_iter=500)).fit(X, y)\n"
        "mlem.api.save(model, 'model/iris', sample_data=X)\n"
    )
    variables = {**os.environ, "MLEM_TESTS": "1", "PYTHONPATH": str(tmp_path), "DO_NOT_TRACK": "1"}
    subprocess.run([python, "-c", script], cwd=tmp_path, env=variables, check=True, capture_output=True)
    metadata = ("models/iris.mlem", (tmp_path / "model" / "iris.mlem").read_bytes())
    from deployers.wrapping.requirements import ModelSources, collect

    needs = collect(ModelSources(mlem=metadata))
    assert "features.py" in needs.code
    made = wrapped(tmp_path / "model", "iris.mlem", needs, shared_cache, settings=REFUSE)
    assert made.description.format == "mlem"
    assert made.description.methods["predict"]["input"]["shape"] == [None, 4]
    assert msgspec.to_builtins(made.description)["code"] == ["features.py"]
