"""The commands: JSON of a fixed shape on stdout and nothing else, tables for people, exit codes for scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.registry.conftest import Tagboat
from tests.repositories import START, GitRepository


@pytest.fixture
def churn(clone: GitRepository) -> GitRepository:
    clone.commit(
        {"dvc.yaml": "artifacts: {churn: {path: m.pkl, type: model, labels: [a], desc: said, meta: {n: 1}}}\n"}
    )
    clone.register("churn", "v1.3.0")
    clone.assign("churn", "prod")
    clone.commit()
    clone.register("churn", "v1.4.0")
    clone.assign("churn", "prod")
    clone.assign("churn", "dev")
    clone.lightweight("churn#qa#9")
    return clone


@pytest.mark.parametrize(
    ("tag", "document"),
    [
        ("churn#prod#3", {"artifact": "churn", "action": "assign", "version": None, "stage": "prod", "counter": 3}),
        ("refs/tags/a/b=churn@v1.4.0!",
         {"artifact": "a/b:churn", "action": "deregister", "version": "v1.4.0", "stage": None, "counter": None}),
        ("churn@deprecated",
         {"artifact": "churn", "action": "deprecate", "version": None, "stage": None, "counter": None}),
        ("churn@created", {"artifact": "churn", "action": "create", "version": None, "stage": None, "counter": None}),
    ],
)  # fmt: skip
def test_parse_answers_with_five_keys(tagboat: Tagboat, tmp_path: Path, tag: str, document: dict[str, object]) -> None:
    answer = tagboat("parse", tag, "--json", at=tmp_path)
    assert (answer.code, answer.document, answer.stderr) == (0, document, "")


def test_parse_of_any_other_text_is_one_line_and_exit_2(tagboat: Tagboat) -> None:
    answer = tagboat("parse", "v1.0.0")
    assert (answer.code, answer.stdout) == (2, "")
    assert len(answer.stderr.splitlines()) == 1
    answer = tagboat("parse", "--", "--help")
    assert answer.code == 2


def test_show_answers_in_its_documented_shape(tagboat: Tagboat, churn: GitRepository) -> None:
    document = tagboat("show", "--json").document
    old, new = (churn.git("rev-parse", f"churn@{version}^{{commit}}") for version in ("v1.3.0", "v1.4.0"))
    assert document == {
        "artifacts": [
            {
                "name": "churn",
                "latest": "v1.4.0",
                "deprecated": False,
                "versions": [
                    {"version": "v1.4.0", "commit": new, "registered_at": "2023-11-14T22:13:26Z",
                     "stages": ["dev", "prod"], "author": "Tagger"},
                    {"version": "v1.3.0", "commit": old, "registered_at": "2023-11-14T22:13:23Z", "stages": [],
                     "author": "Tagger"},
                ],
                "stages": {"dev": "v1.4.0", "prod": "v1.4.0"},
            }
        ],
        "holds": [],
        "problems": document["problems"],
        "warnings": [],
    }  # fmt: skip
    assert [problem["tag"] for problem in document["problems"]] == ["churn#qa#9"]
    assert START == 1_700_000_000


@pytest.mark.parametrize(("ref", "versions"), [("churn", ["v1.4.0", "v1.3.0"]), ("churn#dev", ["v1.4.0"]),
                                               ("churn@latest", ["v1.4.0"]), ("churn@v1.3.0", ["v1.3.0"]),
                                               ("churn#qa", [])])  # fmt: skip
def test_show_takes_a_ref(tagboat: Tagboat, churn: GitRepository, ref: str, versions: list[str]) -> None:
    document = tagboat("show", ref, "--json").document
    assert [version["version"] for version in document["artifacts"][0]["versions"]] == versions


def test_resolve_answers_in_its_documented_shape(tagboat: Tagboat, churn: GitRepository) -> None:
    answer = tagboat("resolve", "churn#prod", "--json")
    assert answer.document == {
        "artifact": "churn",
        "version": "v1.4.0",
        "stage": "prod",
        "commit": churn.head,
        "path": "m.pkl",
        "type": "model",
        "event": "assignment",
        "labels": ["a"],
        "description": "said",
        "meta": {"n": 1},
    }


def test_history_is_newest_first_and_says_who(tagboat: Tagboat, churn: GitRepository) -> None:
    events = tagboat("history", "--json").document["events"]
    assert [event["tag"] for event in events] == [
        "churn#dev#3", "churn#prod#2", "churn@v1.4.0", "churn#prod#1", "churn@v1.3.0",
    ]  # fmt: skip
    assert events[0]["author"] == "Tagger"
    assert [event["tag"] for event in tagboat("history", "churn", "--ascending", "--json").document["events"]] == [
        event["tag"] for event in reversed(events)
    ]
    assert tagboat("history", "nobody").code == 2
    assert "Did you mean 'churn'" in tagboat("show", "chrun").stderr


def test_people_get_tables_and_the_problems_beside_them(tagboat: Tagboat, churn: GitRepository) -> None:
    answer = tagboat("show")
    assert "v1.4.0" in answer.stdout
    assert "#prod" in answer.stdout
    assert "warning: churn#qa#9" in answer.stderr
    assert "churn#prod#2" in tagboat("history").stdout
    assert "m.pkl" in tagboat("resolve", "churn#prod").stdout
    assert "v1.3.0" in tagboat("show", "churn").stdout


def test_names_in_tables_are_text_and_nothing_more(tagboat: Tagboat, clone: GitRepository) -> None:
    clone.git("tag", "-a", "-m", "x", "m@v1.0.0", GIT_COMMITTER_NAME="[red]\x1b[31mbold[/red]")
    answer = tagboat("show", "m")
    assert "[red]" in answer.stdout
    assert "\x1b" not in answer.stdout


def test_an_empty_registry_is_no_error(tagboat: Tagboat) -> None:
    assert tagboat("show", "--json").document == {"artifacts": [], "holds": [], "problems": [], "warnings": []}
    answer = tagboat("show")
    assert (answer.code, "tagboat register" in answer.stdout) == (0, True)


def test_an_error_is_a_document_as_well(tagboat: Tagboat, churn: GitRepository) -> None:
    answer = tagboat("resolve", "churn#qa", "--json")
    assert answer.code == 2
    assert answer.document["error"]["exit_code"] == 2
    assert set(answer.document["error"]) == {"message", "where", "hint", "exit_code"}


def test_the_five_writing_commands_say_what_they_wrote(tagboat: Tagboat, clone: GitRepository) -> None:
    answer = tagboat("register", "m", "--version", "v1.0.0", "--json")
    assert answer.document == {
        "tag": "m@v1.0.0",
        "artifact": "m",
        "action": "register",
        "version": "v1.0.0",
        "stage": None,
        "commit": clone.head,
        "created": True,
        "pushed": False,
    }
    assert tagboat("assign", "m", "--stage", "prod", "--version", "v1.0.0", "--json").document["tag"] == "m#prod#1"
    assert tagboat("unassign", "m", "--stage", "prod", "--json").document["tag"] == "m#prod!#2"
    assert tagboat("deregister", "m", "--version", "v1.0.0", "--json").document["tag"] == "m@v1.0.0!"
    clone.commit()
    assert tagboat("register", "m", "--bump", "minor").code == 2, "nothing is registered any more"
    assert tagboat("register", "m", "HEAD", "--version", "v2.0.0", "-m", "New").code == 0
    assert tagboat("deprecate", "m", "--json").document["action"] == "deprecate"
    assert tagboat("deprecate", "m").code == 2


def test_assigning_a_commit_without_a_version_registers_one_as_gto_does(tagboat: Tagboat) -> None:
    answer = tagboat("assign", "m", "HEAD", "--stage", "prod", "--json")
    assert (answer.document["tag"], answer.document["version"]) == ("m#prod#1", "v0.0.1")
    again = tagboat("assign", "m", "HEAD", "--stage", "prod", "--json")
    assert again.document["created"] is False


def test_push_fetches_first_and_publishes(origin: GitRepository, tagboat: Tagboat, tmp_path: Path) -> None:
    clone = GitRepository.clone(origin.path, tmp_path / "mine")
    origin.register("m", "v1.0.0")
    answer = tagboat("assign", "m", "--stage", "prod", "--version", "v1.0.0", "--push", "--json", at=clone.path)
    assert answer.document["pushed"] is True
    assert origin.git("tag", "--list", "m#prod*") == "m#prod#1"


@pytest.mark.parametrize("arguments", [("register", "--", "--force"), ("register", "../x=m"), ("assign", "m"),
                                       ("register", "m", "--version", "v1", "--bump", "minor"), ("deregister", "m"),
                                       ("register", "m", "--", "--all")])  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_exit_2(tagboat: Tagboat, arguments: tuple[str, ...]) -> None:
    answer = tagboat(*arguments)
    assert answer.code == 2
    assert "Traceback" not in answer.stderr


def test_outside_a_repository_it_says_so(tagboat: Tagboat, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    answer = tagboat("show", at=elsewhere)
    assert answer.code == 2
    assert "no Git repository" in answer.stderr
