"""The gates that need no network, each asked of a real repository and targets that remember."""

from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path

import pytest

from deployers.base import Observation, Slot
from deployers.errors import UnreachableError
from entrypoint.promotion.context import Candidate, Context
from entrypoint.promotion.gates import GateResult, evaluate

RULE = "promotion: {{staging: {{from: dev, gates: [{gate}]}}}}"


def ask(make, gate: str, configuration: str = "", *, world=None, **metrics) -> GateResult:
    """What one gate answers for churn v1.0.0 on its way from dev into staging."""
    if world is None:
        world = make(RULE.format(gate=gate) + "\n" + configuration)
        world.register("v1.0.0", **metrics)
        world.assign("dev", "v1.0.0")
    return evaluate(context(world).candidate.rule.gates[0], context(world))


def context(world, workspace=None) -> Context:
    workspace = workspace or world.workspace()
    registry = workspace.read_registry()
    found = registry.artifacts["churn"].assignments["dev"]
    rule = workspace.configuration.promotion["staging"]
    return Context(workspace, registry, Candidate(artifact="churn", version=found.version, commit=found.commit,
                                                  source="dev", stage="staging", rule=rule))  # fmt: skip


# --- conditions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metrics", "outcome", "detail"),
    [
        ({"accuracy": 0.93}, "pass", "accuracy = 0.93"),
        ({"accuracy": 0.8}, "fail", "accuracy = 0.8"),
        ({}, "inconclusive", "accuracy is missing"),
        ({"accuracy": None}, "inconclusive", "accuracy is missing"),
        ({"accuracy": float("nan")}, "inconclusive", "accuracy is nan"),
        ({"accuracy": float("inf")}, "inconclusive", "accuracy is inf"),
        ({"accuracy": "0.95"}, "inconclusive", "accuracy is a text"),
        ({"accuracy": True}, "inconclusive", "accuracy is true or false"),
        ({"accuracy": 10**50}, "inconclusive", "accuracy is a text"),
    ],
)
def test_C9_a_metric_that_is_no_number_is_never_a_pass(make, metrics, outcome, detail):
    answer = ask(make, "accuracy >= 0.9", **metrics)
    assert answer.outcome == outcome
    assert detail in answer.detail
    assert answer.name == "accuracy >= 0.9"


def test_C9_a_metric_that_stands_in_a_file_twice_is_missing(make):
    world = make(RULE.format(gate="accuracy >= 0.9"))
    world.register("v1.0.0", files={"metrics.json": '{"accuracy": 0.99, "accuracy": 0.1}'})
    world.assign("dev", "v1.0.0")
    assert ask(make, "", world=world).outcome == "inconclusive"


def test_a_name_that_two_files_have_asks_for_the_file(make):
    world = make(RULE.format(gate="accuracy >= 0.9"))
    world.register("v1.0.0", accuracy=0.99, files={
        "more.json": '{"accuracy": 0.1}',
        "dvc.yaml": '{"artifacts": {"churn": {"path": "model.pkl"}}, "metrics": ["metrics.json", "more.json"]}',
    })  # fmt: skip
    world.assign("dev", "v1.0.0")
    answer = ask(make, "", world=world)
    assert answer.outcome == "inconclusive"
    assert "metric('metrics.json:accuracy')" in answer.detail
    world.configuration = world.configuration.replace("accuracy >= 0.9", "metric('metrics.json:accuracy') >= 0.9")
    assert ask(make, "", world=world).outcome == "pass"


def test_parameters_and_tags_are_those_of_the_version(make):
    world = make(RULE.format(gate='params.train.epochs > 5 and tags.owner == "risk" and tags.pii and tags.tier == "1"'))
    world.register("v1.0.0", files={
        "dvc.yaml": """{"artifacts": {"churn": {"path": "model.pkl", "labels": ["pii", "tier=1"],
                        "meta": {"owner": "risk"}}}, "params": ["params.yaml"]}""",
    })  # fmt: skip
    world.assign("dev", "v1.0.0")
    answer = ask(make, "", world=world)
    assert answer.outcome == "pass", answer.detail
    assert answer.figures == {"params.train.epochs": 7, "tags.owner": "risk", "tags.pii": True, "tags.tier": "1"}


def test_what_is_in_the_working_tree_is_of_no_account(make):
    world = make(RULE.format(gate="accuracy >= 0.9"))
    world.register("v1.0.0", accuracy=0.1)
    world.assign("dev", "v1.0.0")
    (world.git.path / "metrics.json").write_text('{"accuracy": 1.0}')
    assert ask(make, "", world=world).outcome == "fail"


@pytest.mark.parametrize(("better", "outcome"), [(0.91, "pass"), (0.9, "pass"), (0.89, "fail")])
@pytest.mark.parametrize("name", ["incumbent", "staging"])
def test_the_incumbent_is_what_the_stage_has_now(make, better, outcome, name):
    world = make(RULE.format(gate=f"f1 >= {name}.f1 - 0.01"))
    world.register("v1.0.0", f1=0.91)
    world.assign("staging", "v1.0.0")
    world.register("v2.0.0", f1=better)
    world.assign("dev", "v2.0.0")
    answer = ask(make, "", world=world)
    assert answer.outcome == outcome
    assert answer.figures == {"f1": better, f"{name}.f1": 0.91}


@pytest.mark.parametrize(
    ("more", "metrics", "outcome"),
    [
        ("", {"f1": 0.5}, "inconclusive"),
        (", without-incumbent: pass", {"f1": 0.5}, "pass"),
        (", without-incumbent: pass", {}, "inconclusive"),
        (", without-incumbent: pass", {"f1": float("nan")}, "inconclusive"),
    ],
)
def test_the_first_version_has_nothing_to_be_compared_with(make, more, metrics, outcome):
    answer = ask(make, "{gate: expression, condition: f1 >= incumbent.f1" + more + "}", **metrics)
    assert answer.outcome == outcome
    if metrics == {"f1": 0.5}:
        assert "staging has no version yet" in answer.detail


# --- soak time ---------------------------------------------------------------------------------------------------

SOAK = "{gate: soak, time: 1h, name: an hour in dev}"


def soaking(make, seconds: float):
    world = make(RULE.format(gate=SOAK))
    world.register("v1.0.0")
    world.assign("dev", "v1.0.0")
    world.now += seconds
    return world


@pytest.mark.parametrize(("seconds", "outcome"), [(0, "fail"), (3599, "fail"), (3600, "pass"), (90000, "pass")])
def test_the_time_is_counted_from_when_the_target_proved_it(make, seconds, outcome):
    answer = ask(make, "", world=soaking(make, seconds))
    assert (answer.name, answer.outcome) == ("an hour in dev", outcome)
    assert answer.figures == {"one.seconds": float(seconds)}


def test_a_release_that_was_proved_anew_soaks_anew(make):
    world = soaking(make, 4000)
    world.bring(workspace := world.workspace())(workspace.slots_of([("churn", "dev")]), None)
    assert ask(make, "", world=world).outcome == "fail"


def test_the_target_that_came_last_counts(make):
    world = make("promotion: {prod: {from: staging, gates: [" + SOAK + "]}}")
    world.register("v1.0.0")
    world.assign("staging", "v1.0.0")
    world.now += 4000
    workspace = world.workspace()
    slot = Slot("churn", "staging", "two")
    shelf = workspace.deployer("two")
    for _ in shelf.remove(slot):
        pass
    verdict = world.promote("prod")
    assert [gate.outcome for gate in verdict.gates] == ["fail", "inconclusive"]
    world.bring(workspace)([slot], None)
    assert [gate.outcome for gate in world.promote("prod").gates] == ["pass", "fail"]
    world.now += 3600
    assert world.promote("prod").status == "promoted"


def test_another_version_on_the_target_soaks_nothing(make):
    world = soaking(make, 4000)
    world.register("v2.0.0")
    world.assign("dev", "v2.0.0", live=False)
    answer = ask(make, "", world=world)
    assert (answer.outcome, answer.detail) == ("inconclusive", "one serves v1.0.0")


def test_a_clock_that_runs_ahead_on_the_target_is_no_soak_time(make):
    world = soaking(make, -4000)
    answer = ask(make, "", world=world)
    assert answer.outcome == "inconclusive"
    assert "in the future" in answer.detail


def test_a_target_that_does_not_answer_leaves_it_open(make):
    world = soaking(make, 4000)
    workspace = world.workspace()
    shelf = workspace.deployer("one")

    def silent(slot: Slot) -> Observation:
        raise UnreachableError("no route to the target")

    shelf.observe = silent
    answer = evaluate(workspace.configuration.promotion["staging"].gates[0], context(world, workspace))
    assert (answer.outcome, answer.detail) == ("inconclusive", "one could not be asked: no route to the target")


def test_a_defect_in_a_gate_is_no_pass_and_no_end_of_the_run(make):
    world = soaking(make, 4000)
    workspace = world.workspace()
    shelf = workspace.deployer("one")
    shelf.observe = lambda slot: {}["defect"]
    answer = evaluate(workspace.configuration.promotion["staging"].gates[0], context(world, workspace))
    assert answer.outcome == "inconclusive"
    assert "KeyError" in answer.detail


# --- the scan ----------------------------------------------------------------------------------------------------


class Payload:
    def __reduce__(self):
        return os.system, ("true",)


def test_a_harmless_model_passes_the_scan(make):
    answer = ask(make, "{gate: scan}")
    assert answer.outcome == "pass", answer.detail
    assert answer.figures == {"pickles": 1, "dangerous": 0, "unknown": 0, "unreadable": 0}


@pytest.mark.parametrize(
    ("content", "gate", "outcome"),
    [
        (pickle.dumps(Payload()), "{gate: scan}", "fail"),
        (pickle.dumps(Payload()), "{gate: scan, unknown: pass}", "fail"),
        (b"\x80\x04cmystery.module\nThing\n.", "{gate: scan}", "fail"),
        (b"\x80\x04cmystery.module\nThing\n.", "{gate: scan, unknown: pass}", "pass"),
    ],
)
def test_what_the_scan_finds_is_judged_by_the_gate_and_never_loaded(make, content, gate, outcome):
    world = make(RULE.format(gate=gate))
    world.register("v1.0.0", files={"model.pkl": content})
    world.assign("dev", "v1.0.0")
    answer = ask(make, "", world=world)
    assert answer.outcome == outcome, answer.detail
    if outcome == "fail":
        assert "model.pkl: imports" in answer.detail


def test_a_model_that_cannot_be_downloaded_leaves_the_scan_open(make):
    world = make(RULE.format(gate="{gate: scan}"))
    pointer = "outs:\n- {md5: 0123456789abcdef0123456789abcdef, hash: md5, size: 4, path: model.pkl}\n"
    world.git.commit({"model.pkl": "x"})
    world.git.git("rm", "--quiet", "model.pkl")
    world.register("v1.0.0", files={"model.pkl.dvc": pointer})
    world.git.git("rm", "--quiet", "--cached", "model.pkl")
    (world.git.path / "model.pkl").unlink()
    world.git.commit()
    world.git.register("churn", "v1.0.1")
    world.push()
    world.assign("dev", "v1.0.1")
    assert ask(make, "", world=world).outcome == "inconclusive"


# --- signatures --------------------------------------------------------------------------------------------------


@pytest.fixture
def signing(tmp_path: Path) -> dict[str, str]:
    """A key, and the list that names it."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bot", "-f", str(key)], check=True)
    (tmp_path / "signers").write_text(f'bot@example.com namespaces="git" {key.with_suffix(".pub").read_text()}')
    (tmp_path / "gitconfig").write_text(f"[user]\n signingkey = {key}.pub\n[gpg]\n format = ssh\n")
    return {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"), "SIGNERS": str(tmp_path / "signers")}


POLICY = "policies: {require-signature: {allowed-signers: '${env:SIGNERS}'}}"


def signed(world, signing, name: str, commit: str) -> None:
    world.git.git("tag", "-s", "-m", name, name, commit, time=world.git._tick(None), **signing)
    world.push()


def test_the_signature_gate_asks_every_tag_behind_the_version(make, signing):
    world = make(RULE.format(gate="{gate: signature}") + "\n" + POLICY)
    commit = world.git.commit({"a": "1"})
    world.git.register("churn", "v1.0.0")
    signed(world, signing, "churn#dev#1", commit)
    workspace = world.workspace(variables=signing)
    gate = workspace.configuration.promotion["staging"].gates[0]
    answer = evaluate(gate, context(world, workspace))
    assert answer.outcome == "fail"
    assert "churn@v1.0.0: no listed signer signed this tag" in answer.detail
    world.git.git("tag", "-d", "churn@v1.0.0")
    world.git.git("push", "--quiet", "--delete", "origin", "churn@v1.0.0")
    signed(world, signing, "churn@v1.0.0", commit)
    workspace = world.workspace(variables=signing)
    answer = evaluate(gate, context(world, workspace))
    assert answer.outcome == "pass", answer.detail
    assert list(answer.figures) == ["churn#dev#1", "churn@v1.0.0"]


def test_the_signature_gate_without_a_list_of_signers_is_no_pass(make):
    assert ask(make, "{gate: signature}").outcome == "inconclusive"


def test_a_promotion_is_signed_where_the_policies_ask_that_of_tags(make, signing):
    world = make("promotion: {staging: {from: dev}}\n" + POLICY)
    world.register("v1.0.0")
    world.assign("dev", "v1.0.0")
    verdict = world.promote("staging", variables=signing)
    assert verdict.status == "promoted", verdict.reason
    assert world.registry().tags[verdict.tag].signed


def test_a_promotion_that_nobody_listed_could_sign_is_not_written(make, signing, tmp_path):
    world = make("promotion: {staging: {from: dev}}\n" + POLICY)
    world.register("v1.0.0")
    world.assign("dev", "v1.0.0")
    Path(signing["SIGNERS"]).write_text('other@example.com namespaces="git" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ\n')
    verdict = world.promote("staging", variables=signing)
    assert verdict.status in {"lost", "failed"}
    assert "no listed signer" in verdict.reason
    assert not [tag for tag in [*world.tags(), *world.git.git("tag", "--list").split()] if "staging" in tag]


def test_a_lift_counts_only_when_it_is_signed_where_tags_must_be(make, signing):
    world = make("promotion: {staging: {from: dev}}\n" + POLICY)
    world.register("v1.0.0")
    world.assign("dev", "v1.0.0")
    world.assign("staging", "v1.0.0")
    world.git.unassign("churn", "staging", "churn@v1.0.0^{commit}", time=world.git.time + 5)
    world.git.tag("tagboat/lifted/churn+staging+v1.0.0/1", "churn@v1.0.0^{commit}", time=world.git.time + 9)
    world.push()
    assert world.promote("staging", variables=signing).status == "held"
    signed_at = world.git.time + 20
    world.git.git("tag", "-s", "-m", "lift", "tagboat/lifted/churn+staging+v1.0.0/2", "churn@v1.0.0^{commit}",
                  time=signed_at, **signing)  # fmt: skip
    world.push()
    assert world.promote("staging", variables=signing).status == "promoted"
