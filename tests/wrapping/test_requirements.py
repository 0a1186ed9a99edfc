"""What a model needs is read, never guessed, and nothing in a repository's text is followed."""

from __future__ import annotations

import base64
import json
import zlib

import pytest
import yaml

from deployers.errors import ConfigurationError, RefusedError
from deployers.wrapping.requirements import ModelSources, Requirements, collect, gather

REQUIREMENTS = ("models/requirements.txt", b"scikit-learn==1.5.2\nnumpy<3  # for the model\n")
PYPROJECT = (
    "models/pyproject.toml",
    b'[project]\nname="x"\nrequires-python=">=3.9,<3.13"\ndependencies=["numpy>=2"]\n',
)


def mlem(*entries: object) -> tuple[str, bytes]:
    return "models/churn.mlem", yaml.safe_dump({"object_type": "model", "requirements": list(entries)}).encode()


def packed(source: bytes) -> str:
    return base64.b64encode(zlib.compress(source)).decode()


def texts(requirements: Requirements) -> list[str]:
    return [line.text for line in requirements.lines]


def from_lines(*lines: str) -> Requirements:
    return collect(ModelSources(requirements_txt=("requirements.txt", "\n".join(lines).encode())))


SKLEARN = {"module": "sklearn", "package_name": "scikit-learn", "version": "1.9.1"}


def test_with_no_requirements_anywhere_the_error_names_the_three_places() -> None:
    with pytest.raises(ConfigurationError) as raised:
        collect(ModelSources(elsewhere=("requirements.txt",)))
    for place in ("MLEM", "requirements.txt", "pyproject.toml", "tagboat.yaml", "repository's root"):
        assert place in str(raised.value)


@pytest.mark.parametrize(
    ("sources", "source", "first"),
    [
        (
            ModelSources(configured=("numpy",), mlem=mlem(SKLEARN), requirements_txt=REQUIREMENTS),
            "tagboat.yaml",
            "numpy",
        ),
        (ModelSources(configured_file=("a/p.toml", PYPROJECT[1]), mlem=mlem(SKLEARN)), "a/p.toml", "numpy>=2"),
        (ModelSources(mlem=mlem(SKLEARN), requirements_txt=REQUIREMENTS), "churn.mlem", "scikit-learn==1.9.1"),
        (ModelSources(mlem=mlem(), requirements_txt=REQUIREMENTS), "requirements.txt", "scikit-learn==1.5.2"),
        (ModelSources(requirements_txt=REQUIREMENTS, pyproject=PYPROJECT), "requirements.txt", "scikit-learn==1.5.2"),
        (ModelSources(pyproject=PYPROJECT), "pyproject.toml", "numpy>=2"),
    ],
)
def test_the_first_place_that_says_something_counts(sources: ModelSources, source: str, first: str) -> None:
    requirements = collect(sources)
    assert source in requirements.source
    assert texts(requirements)[0] == first


def test_a_pyproject_of_settings_only_says_nothing() -> None:
    with pytest.raises(ConfigurationError, match="nothing says"):
        collect(ModelSources(pyproject=("pyproject.toml", b"[tool.ruff]\nline-length = 100\n")))


def test_comments_continuations_markers_and_hashes_are_read_as_pip_reads_them() -> None:
    digest = "a" * 64
    requirements = from_lines(
        "# a comment", "", f"numpy==2.0 \\\n    --hash=sha256:{digest}  # of the wheel", "--only-binary :all:",
        "pandas[parquet]>=2 ; python_version >= '3.9'",
    )  # fmt: skip
    assert texts(requirements) == ["numpy==2.0", 'pandas[parquet]>=2; python_version >= "3.9"']
    assert requirements.lines[0].hashes == (f"sha256:{digest}",)
    assert requirements.lines[1].where == "requirements.txt:6"


@pytest.mark.parametrize(
    "line",
    [
        "-r other.txt", "-rother.txt", "--requirement=other.txt", "-c constraints.txt", "-e .", "-e git+https://x/y",
        "--index-url https://evil.example/simple", "-i https://evil.example/simple", "--extra-index-url https://e",
        "--find-links ./wheels", "-f ./wheels", "--trusted-host evil.example", "--no-binary :all:", "--pre",
        "--no-index",
        "git+https://github.com/x/y", "x @ git+https://github.com/x/y@main", "./local", "../x.whl", "/etc/x.whl",
        "file:///etc/x.whl", "https://example.com/x-1.0-py3-none-any.whl", "x @ http://example.com/x-1.0-py3-none-any.whl",
        "x @ https://user:secret@example.com/x-1.0.tar.gz", "x @ file:///etc/x-1.0.tar.gz", "~/x",
    ],
)  # fmt: skip
def test_what_pip_would_follow_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(RefusedError) as raised:
        from_lines("numpy", line)
    assert raised.value.where == "requirements.txt:2"
    assert raised.value.hint
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("line", ["numpy==", "two words", "numpy --hash=md5:00", "$(id)", "numpy; os.system('x')"])
def test_a_line_that_is_no_requirement_is_an_error_with_its_line(line: str) -> None:
    with pytest.raises((ConfigurationError, RefusedError)) as raised:
        from_lines(line)
    assert raised.value.where == "requirements.txt:1"


def test_endless_texts_are_refused() -> None:
    for text in (b"numpy\n" * 5000, b"x" * 2_000_000, b"\n" * 900_000):
        with pytest.raises(RefusedError):
            collect(ModelSources(requirements_txt=("requirements.txt", text)))


def test_dynamic_dependencies_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="dynamic"):
        collect(ModelSources(configured_file=("p.toml", b'[project]\nname="x"\ndynamic=["dependencies"]\n')))


# MLEM's metadata


def test_mlem_packages_modules_and_files_come_along() -> None:
    package = json.dumps({"pkg/__init__.py": packed(b""), "pkg/deep/scale.py": packed(b"S = 1\n")}).encode()
    requirements = collect(
        ModelSources(
            mlem=mlem(
                SKLEARN, {"module": "numpy"},
                {"type": "custom", "name": "features.scale", "source64zip": packed(b"A = 1\n"), "is_package": False},
                {"type": "custom", "name": "pkg", "source64zip": packed(package), "is_package": True},
                {"type": "file", "name": "words/list.txt", "source64zip": packed("größe".encode())},
                {"type": "unix", "package_name": "libgomp1"},
            )
        )
    )  # fmt: skip
    assert texts(requirements) == ["scikit-learn==1.9.1", "numpy"]
    assert requirements.code == {
        "features/scale.py": b"A = 1\n",
        "pkg/__init__.py": b"",
        "pkg/deep/scale.py": b"S = 1\n",
        "words/list.txt": "größe".encode(),
    }
    assert "libgomp1" in requirements.notes[0]


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "file", "name": "../../etc/cron.d/x", "source64zip": packed(b"x")},
        {"type": "file", "name": "/etc/x", "source64zip": packed(b"x")},
        {"type": "file", "name": "a\\..\\b", "source64zip": packed(b"x")},
        {"type": "custom", "name": "..evil", "source64zip": packed(b"x"), "is_package": False},
        {"type": "custom", "name": "p", "source64zip": packed(b'{"../x.py": "eJwDAAAAAAE="}'), "is_package": True},
        {"type": "custom", "name": "tagboat_server", "source64zip": packed(b"x"), "is_package": False},
        {"type": "file", "name": "bomb", "source64zip": packed(b"0" * 70_000_000)},
        {"module": "x", "vcs": "git", "source_url": "https://example.com/x", "vcs_commit": "1234"},
        {"module": "x", "extra_index": "https://evil.example/simple", "version": "1"},
    ],
)  # fmt: skip
def test_hostile_mlem_entries_are_refused(entry: object) -> None:
    with pytest.raises(RefusedError):
        collect(ModelSources(mlem=mlem(SKLEARN, entry)))


@pytest.mark.parametrize(
    "content",
    [
        b"requirements: [{module: *x}]",
        b"a: &a [x,x]\nb: &b [*a,*a]\nrequirements: [*b]",
        b"!!python/object/apply:os.system [id]",
        b"requirements: {a: b}",
        b"requirements: [1]",
        b"requirements: [{module: numpy, version: '1.0; import os'}]",
        b"requirements: [{module: '-r /etc/passwd'}]",
        b"requirements: [{type: custom, name: x, source64zip: '%%%'}]",
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_broken_mlem_metadata_is_one_clear_error(content: bytes) -> None:
    with pytest.raises((ConfigurationError, RefusedError)) as raised:
        collect(ModelSources(mlem=("models/churn.mlem", content)))
    assert "models/churn.mlem" in (raised.value.where or "")


# Python


@pytest.mark.parametrize(
    ("sources", "version", "source"),
    [
        ({"python": "3.10", "python_version": (".python-version", b"3.12\n")}, "3.10", "tagboat.yaml"),
        (
            {"python_version": (".python-version", b"# pinned\n3.12.4\n"), "pyproject": PYPROJECT},
            "3.12.4",
            ".python-version",
        ),
        ({"pyproject": PYPROJECT}, "3.11", "requires-python"),
        ({"pyproject": ("p.toml", b'[project]\nname="x"\nrequires-python=">=3.9,<3.11"\n')}, "3.10", "requires-python"),
        ({}, "3.11", "own version"),
    ],
)
def test_the_python_is_the_one_that_is_asked_for(sources: dict[str, object], version: str, source: str) -> None:
    requirements = collect(ModelSources(configured=("numpy",), **sources), own_version="3.11")  # type: ignore[arg-type]
    assert requirements.python == version
    assert source in requirements.python_source


@pytest.mark.parametrize(
    "content",
    [b"system", b"3.11-dev", b"../../bin/sh", b"3.11; rm -rf /", b"", b"3.11\n3.12", b"2.7", b"3.8", "3.1١".encode()],
)
def test_a_python_version_is_data_that_is_checked(content: bytes) -> None:
    with pytest.raises(ConfigurationError) as raised:
        collect(ModelSources(configured=("numpy",), python_version=(".python-version", content)))
    assert raised.value.where == ".python-version"


def test_a_range_that_nothing_fits_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"fits <3\.8"):
        collect(ModelSources(configured=("x",), pyproject=("p.toml", b'[project]\nname="x"\nrequires-python="<3.8"\n')))


# The user's own modules


def test_listed_modules_are_found_from_the_root_and_from_beside_their_package() -> None:
    code = {
        "src/churn/__init__.py": b"", "src/churn/model.py": b"M", "scripts/features.py": b"F",
        "a/clash.py": b"1", "b/clash.py": b"2",
    }  # fmt: skip
    found = collect(ModelSources(configured=("numpy",), code=code)).code
    assert found == {**code, "churn/__init__.py": b"", "churn/model.py": b"M", "features.py": b"F"}


@pytest.mark.parametrize(
    "path", ["../x.py", "/x.py", "a//b.py", "tagboat_server/app.py", "tagboat_server.py", "a\x00b"]
)
def test_listed_modules_stay_in_their_folder_and_replace_no_server(path: str) -> None:
    with pytest.raises(RefusedError):
        collect(ModelSources(configured=("numpy",), code={path: b""}))


# Reading from the commit


def test_what_lies_beside_the_model_is_found_at_the_commit() -> None:
    commit = {
        "models/churn.mlem": mlem(SKLEARN)[1], "models/requirements.txt": b"numpy", "requirements.txt": b"torch",
        ".python-version": b"3.10", "elsewhere/requirements.txt": b"x",
    }  # fmt: skip
    sources = gather(commit.get, "models/churn")
    assert sources.mlem == ("models/churn.mlem", commit["models/churn.mlem"])
    assert sources.requirements_txt == ("models/requirements.txt", b"numpy")
    assert sources.python_version == (".python-version", b"3.10")
    assert sources.elsewhere == ("requirements.txt",)
    assert gather(commit.get, "models/churn.mlem").mlem == sources.mlem


def test_a_file_that_tagboat_yaml_names_must_be_there() -> None:
    commit = {"env/model.txt": b"numpy"}
    assert texts(collect(gather(commit.get, "m.pkl", configured="env/model.txt"))) == ["numpy"]
    with pytest.raises(ConfigurationError, match=r"has no other\.txt"):
        gather(commit.get, "m.pkl", configured="other.txt")
    with pytest.raises(RefusedError):
        gather(commit.get, "m.pkl", configured="../x.txt")
