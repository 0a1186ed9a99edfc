"""Annotations come from the release's commit: dvc.yaml with its own folder as base, and GTO's artifacts.yaml."""

from __future__ import annotations

import pytest

from entrypoint.errors import ConfigurationError, TagboatError, UnsafeContentError
from entrypoint.registry.artifacts import Annotation, annotation, annotations
from tests.registry.conftest import opened
from tests.repositories import GitRepository


def said(git: GitRepository, artifact: str, files: dict[str, str]) -> Annotation | None:
    return annotation(opened(git), git.commit(files), artifact)


def test_a_dvc_yaml_annotates_by_its_own_folder(clone: GitRepository) -> None:
    text = """
artifacts:
  bert:
    path: weights/bert.pkl
    type: model
    desc: "Reads: everything"
    labels: [nlp, big]
    meta: {framework: torch, since: 2024-01-31, layers: {count: 12}, 3: three}
"""
    found = said(clone, "models/nlp:bert", {"models/nlp/dvc.yaml": text})
    assert found is not None
    assert (found.path, found.type) == ("models/nlp/weights/bert.pkl", "model")
    assert (found.labels, found.description) == (("nlp", "big"), "Reads: everything")
    assert found.meta == {"framework": "torch", "since": "2024-01-31", "layers": {"count": 12}, "3": "three"}


def test_the_path_is_the_one_that_dvc_itself_finds(clone: GitRepository) -> None:
    from dvc.repo import Repo

    clone.git("config", "user.name", "x")
    (clone.path / ".dvc").mkdir()
    files = {
        ".dvc/config": "",
        "models/nlp/dvc.yaml": "vars: [{where: weights}]\nartifacts: {bert: {path: '${where}/../bert.pkl'}}\n",
        "dvc.yaml": "artifacts: {top: {path: sub/top.pkl}}\n",
    }
    commit = clone.commit(files)
    with Repo(str(clone.path)) as dvc:
        for artifact in ("models/nlp:bert", "top"):
            found = annotation(opened(clone), commit, artifact)
            assert found is not None
            assert found.path == dvc.artifacts.get_path(artifact)


def test_the_commit_counts_and_not_the_working_tree(clone: GitRepository) -> None:
    first = clone.commit({"dvc.yaml": "artifacts: {m: {path: old.pkl}}\n"})
    clone.commit({"dvc.yaml": "artifacts: {m: {path: new.pkl}}\n"})
    (clone.path / "dvc.yaml").write_text("artifacts: {m: {path: uncommitted.pkl}}\n")
    found = annotation(opened(clone), first, "m")
    assert found is not None
    assert found.path == "old.pkl"


def test_templates_are_resolved_from_the_commits_own_parameters(clone: GitRepository) -> None:
    clone.commit({"params.yaml": "name: wrong\n"})
    files = {
        "models/dvc.yaml": "vars: [more.json, {kind: sklearn}]\n"
                           "artifacts: {m: {path: '${folder}/${name}.pkl', type: '${kind}', labels: ['${name}']}}\n",
        "models/params.yaml": "name: forest\n",
        "models/more.json": '{"folder": "out"}',
    }  # fmt: skip
    found = said(clone, "models:m", files)
    assert found is not None
    assert (found.path, found.type, found.labels) == ("models/out/forest.pkl", "sklearn", ("forest",))


def test_a_python_file_of_parameters_is_read_and_not_run(clone: GitRepository) -> None:
    proof = clone.path.parent / "ran"
    files = {
        "dvc.yaml": "vars: [params.py]\nartifacts: {m: {path: '${NAME}.pkl'}}\n",
        "params.py": f"open({str(proof)!r}, 'w')\nNAME = 'forest'\n",
    }
    found = said(clone, "m", files)
    assert found is not None
    assert found.path == "forest.pkl"
    assert not proof.exists()


@pytest.mark.parametrize("name", ["/etc/hostname", "../outside.yaml", "sub/../../outside.yaml"])
def test_parameters_come_from_inside_the_commit_alone(clone: GitRepository, name: str) -> None:
    (clone.path.parent / "outside.yaml").write_text("x: stolen\n")
    with pytest.raises(TagboatError):
        said(clone, "m", {"dvc.yaml": f"vars: [{name}]\nartifacts: {{m: {{path: '${{x}}'}}}}\n"})


@pytest.mark.parametrize("value", ["${missing}", "${}"])
def test_a_template_without_a_value_is_told_with_its_place(clone: GitRepository, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        said(clone, "m", {"dvc.yaml": f"artifacts: {{m: {{path: '{value}'}}}}\n"})
    assert "dvc.yaml" in str(caught.value)


def test_gtos_older_file_counts_where_dvc_yaml_says_nothing(clone: GitRepository) -> None:
    index = """
old: {path: models/old.pkl, type: model, labels: [a], description: said, custom: {n: 1}}
both: {path: from-index.pkl}
nlp:bert: {path: bert.pkl}
"""
    commit = clone.commit({"artifacts.yaml": index, "dvc.yaml": "artifacts: {both: {path: from-dvc.pkl}}\n"})
    found = annotations(opened(clone), commit)
    old = found["old"]
    assert (old.path, old.type, old.labels, old.description, old.meta) == (
        "models/old.pkl", "model", ("a",), "said", {"n": 1},
    )  # fmt: skip
    assert found["both"].path == "from-dvc.pkl"
    assert found["nlp:bert"].path == "bert.pkl"
    assert annotation(opened(clone), commit, "both") == found["both"]
    assert annotation(opened(clone), commit, "nobody") is None


@pytest.mark.parametrize("path", ["../m.pkl", "/etc/passwd", "a/../../m", ".git/config", ".dvc/config", "..", "."])
def test_a_path_out_of_the_repository_is_refused(clone: GitRepository, path: str) -> None:
    with pytest.raises(UnsafeContentError):
        said(clone, "m", {"dvc.yaml": f"artifacts: {{m: {{path: '{path}'}}}}\n"})


@pytest.mark.parametrize("text", ["artifacts: [", "artifacts: [1]", "artifacts: {m: x}", "artifacts: {m: {type: model}}",
                                  "artifacts: {m: {path: 3}}", "\tx", "a: 1\na: 2\n", "!!python/object:os.system {}"])  # fmt: skip
def test_a_file_that_cannot_be_read_is_told_by_its_name(clone: GitRepository, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        said(clone, "m", {"dvc.yaml": text})
    assert "dvc.yaml" in (caught.value.where or "")


@pytest.mark.parametrize("place", ["dvc.yaml", "params.yaml", "artifacts.yaml"])
def test_aliases_that_blow_up_are_refused(clone: GitRepository, place: str) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    inner = "  " + bomb.replace("\n", "\n  ").rstrip()
    files = {
        "dvc.yaml": {"dvc.yaml": f"{bomb}artifacts: {{m: {{path: m.pkl, meta: {{bomb: *a8}}}}}}\n"},
        "params.yaml": {"dvc.yaml": "artifacts: {m: {path: '${x}'}}\n", "params.yaml": f"{bomb}x: m.pkl\n"},
        "artifacts.yaml": {"artifacts.yaml": f"bombs:\n{inner}\nm: {{path: m.pkl, custom: *a8}}\n"},
    }[place]
    with pytest.raises(UnsafeContentError):
        said(clone, "m", files)


def test_a_deeply_nested_file_is_refused(clone: GitRepository) -> None:
    with pytest.raises(TagboatError):
        said(clone, "m", {"dvc.yaml": f"artifacts: {{m: {{path: x, meta: {{a: {'[' * 300 + ']' * 300}}}}}}}\n"})


def test_a_link_is_not_followed(clone: GitRepository) -> None:
    (clone.path.parent / "outside.yaml").write_text("artifacts: {m: {path: x}}\n")
    (clone.path / "dvc.yaml").symlink_to(clone.path.parent / "outside.yaml")
    assert said(clone, "m", {}) is None
