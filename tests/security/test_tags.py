"""SECURITY.md, tags and events: each line is a test, named by its number (and C12 and P3, as far as Git goes)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from deployers.base import TagRecord
from entrypoint.errors import ConfigurationError, NotARegistryTagError, RefusedError, TagboatError, UnsafeContentError
from entrypoint.registry import writing
from entrypoint.registry.policy import check_policies, check_retirement, check_unmoved
from entrypoint.registry.repository import Repository
from entrypoint.registry.resolve import current, resolve, slots_touched
from entrypoint.registry.state import Registry, read
from entrypoint.registry.tags import LONGEST, parse
from tests.repositories import START, GitRepository, environment

CODE = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> GitRepository:
    repository = GitRepository.make(tmp_path / "clone")
    repository.commit({"model.txt": "one"})
    return repository


def opened(git: GitRepository, **variables: str) -> tuple[Repository, Registry]:
    repository = Repository(git.path, environment(**variables))
    return repository, read(repository)


def refused(text: str) -> None:
    with pytest.raises(UnsafeContentError) as caught:
        parse(text)
    assert caught.value.exit_code == 3
    assert str(caught.value).isprintable() or "\n" in str(caught.value)


# --- T1 to T6: names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", ["$(id)", "`id`", ";id", "|id", '"', "'", "$IFS", "&", ">x", "\\", "{a,b}", "*", " x"])
def test_T1_names_that_a_shell_would_run_are_refused(tail: str) -> None:
    refused(f"m@v1.0.0{tail}")
    refused(f"m#prod{tail}#1")


def test_T1_such_a_tag_costs_nothing_but_itself(clone: GitRepository) -> None:
    clone.register("m", "v1.0.0")
    for name in ("m@v1.0.0$(touch${IFS}proof)", "m@v1.0.0`id`", "m@v1.0.0;id", "m@v1.0.0|id", "m@v1.0.0'\""):
        clone.tag(name)
    _, registry = opened(clone)
    assert registry.artifacts["m"].latest == "v1.0.0"
    assert len(registry.problems) == 5
    assert not list(clone.path.glob("proof*"))


def test_T1_no_shell_is_ever_started() -> None:
    for folder in ("entrypoint", "deployers"):
        for file in (CODE / folder).rglob("*.py"):
            text = file.read_text()
            assert not re.search(r"shell\s*=\s*True|os\.system|os\.popen|subprocess\.getoutput", text), file


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "\x0b", "\x85", "\u2028", "\0", "\t"])
def test_T2_a_line_end_behind_a_tag_is_refused(end: str) -> None:
    refused(f"m@v1.0.0{end}")
    refused(f"m#prod#1{end}")
    refused(f"refs/tags/m#prod#1{end}")


@pytest.mark.parametrize("name", ["../../etc=m@v1.0.0", "/abs=m@v1.0.0", "-x=m@v1.0.0", ".git=m@v1.0.0", "a/../b=m@v1.0.0",
                                  "--upload-pack=m#prod#1", ".=m#prod", "..=m#prod", "a//b=m@v1.0.0", "a/.git/hooks=m@v1.0.0",
                                  "a.lock/b=m@v1.0.0", "m//n@v1.0.0"])  # fmt: skip
def test_T3_names_that_lead_elsewhere_are_refused(name: str) -> None:
    refused(name)


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "models/../../x", ".git/config", ".dvc/config"])
def test_T3_every_resolved_path_stays_inside(clone: GitRepository, path: str) -> None:
    clone.commit({"dvc.yaml": f"artifacts: {{m: {{path: {path}}}}}\n"})
    clone.register("m", "v1.0.0")
    repository, registry = opened(clone)
    with pytest.raises(UnsafeContentError):
        resolve(repository, registry, "m@v1.0.0")


def test_T4_the_prefix_is_stripped_exactly_once() -> None:
    assert parse("refs/tags/m@v1.0.0") == parse("m@v1.0.0")
    refused("refs/tags/refs/tags/m@v1.0.0")
    with pytest.raises(NotARegistryTagError):
        parse("refs/heads/m@v1.0.0")


def test_T4_a_branch_named_like_a_tag_is_no_event(clone: GitRepository) -> None:
    clone.git("branch", "m@v1.0.0")
    clone.git("branch", "m#prod#1")
    repository, registry = opened(clone)
    assert (registry.artifacts, registry.problems) == ({}, ())
    with pytest.raises(TagboatError):
        resolve(repository, registry, "m#prod#1")


def test_T4_a_tag_wins_over_a_branch_of_its_name(clone: GitRepository) -> None:
    tagged = clone.head
    clone.register("m", "v1.0.0")
    clone.commit()
    clone.git("branch", "m@v1.0.0")
    repository, registry = opened(clone)
    assert resolve(repository, registry, "m@v1.0.0").commit == tagged
    assert writing.assign(repository, registry, "m", "v1.0.0", "prod").commit == tagged


def test_T5_case_makes_another_name(clone: GitRepository) -> None:
    clone.git("pack-refs", "--all")
    clone.register("Model", "v1.0.0")
    clone.commit()
    clone.register("model", "v2.0.0")
    _, registry = opened(clone)
    assert (registry.artifacts["Model"].latest, registry.artifacts["model"].latest) == ("v1.0.0", "v2.0.0")


@pytest.mark.parametrize("text", ["m＃prod#1", "m＃prod", "m＠v1.0.0", "m@v1٢.0.0", "m#prod#١", "m\u202e#prod#1", "ｍ@v1.0.0",
                                  "m#pr\u200bod#1", "mо#prod#1"])  # fmt: skip
def test_T5_look_alikes_are_refused_and_told(text: str) -> None:
    with pytest.raises(UnsafeContentError, match=r"U\+[0-9A-F]{4}"):
        parse(text)


def test_T5_arabic_digits_which_gto_reads_make_no_version(clone: GitRepository) -> None:
    clone.tag("m@v1٢.0.0")
    _, registry = opened(clone)
    assert registry.artifacts == {}
    assert len(registry.problems) == 1
    assert registry.problems[0].tag.isascii()


def test_T6_long_names_and_counters_are_canonical_or_refused() -> None:
    assert parse("m#prod#" + "0" * 20 + "7").counter == 7
    refused("m#prod#" + "9" * 60)
    refused("m" * 1000 + "@v1.0.0")
    refused("m@v1." + "1" * 5000 + ".0")
    assert parse("m" * (LONGEST - 7) + "@v1.0.0").artifact == "m" * (LONGEST - 7)


def test_T6_a_huge_counter_does_not_stop_the_next_tag(clone: GitRepository) -> None:
    clone.register("m", "v1.0.0")
    clone.tag("m#dev#" + "9" * 60)
    repository, registry = opened(clone)
    assert [problem.reason for problem in registry.problems] == ["this tag is refused: its counter is too large"]
    assert writing.assign(repository, registry, "m", "v1.0.0", "prod").name == "m#prod#1"


# --- T8 to T13: events ---------------------------------------------------------------------------------------------


def test_T8_a_moved_tag_is_refused(clone: GitRepository) -> None:
    clone.register("m", "v1.0.0")
    clone.assign("m", "prod")
    repository, registry = opened(clone)
    was = current(repository, registry, "m", "prod")
    assert was is not None
    check_unmoved(registry, was.tag)
    check_unmoved(registry, None)
    clone.commit()
    clone.tag("m#prod#1")
    _, now = opened(clone)
    with pytest.raises(RefusedError, match="moved"):
        check_unmoved(now, was.tag)
    check_unmoved(now, TagRecord("m#prod#9", "0" * 40, START))


def test_T9_a_tag_that_is_gone_resolves_to_nothing(clone: GitRepository) -> None:
    clone.register("m", "v1.0.0")
    clone.assign("m", "prod")
    clone.git("tag", "-d", "m#prod#1")
    repository, registry = opened(clone)
    with pytest.raises(ConfigurationError):
        resolve(repository, registry, "refs/tags/m#prod#1")
    assert slots_touched(registry, "m#prod#1") == [("m", "prod")], "reconcile is told where to look"
    assert current(repository, registry, "m", "prod") is None


def test_T10_tags_without_an_event_are_skipped_with_the_reason(clone: GitRepository) -> None:
    clone.register("m", "v1.0.0")
    clone.lightweight("m#light#1")
    clone.tag("m#tree#2", "HEAD^{tree}")
    clone.raw_tag("m#nobody#3", f"object {clone.head}\ntype commit\ntag m#nobody#3\n\nx\n")
    clone.tag("m#nested#4", "m@v1.0.0")
    repository, registry = opened(clone)
    reasons = {problem.tag: problem.reason for problem in registry.problems}
    assert "lightweight" in reasons["m#light#1"]
    assert "commit" in reasons["m#tree#2"]
    assert "tagger" in reasons["m#nobody#3"]
    assert registry.artifacts["m"].stages == {"nested": "v1.0.0"}
    assert registry.warnings[0].startswith("m#nested#4")
    with pytest.raises(RefusedError, match="lightweight"):
        resolve(repository, registry, "m#light#1")


def test_T10_a_ref_over_the_object_of_another_tag_does_not_count(clone: GitRepository) -> None:
    """Rules that protect `*#prod#*` would not see a ref named otherwise; GTO goes by what the object calls itself."""
    clone.register("m", "v1.0.0")
    clone.tag("m#prod#1")
    clone.git("update-ref", "refs/tags/m@v0.0.1", clone.git("rev-parse", "refs/tags/m#prod#1"))
    clone.git("tag", "-d", "m#prod#1")
    _, registry = opened(clone)
    assert registry.artifacts["m"].stages == {}
    assert [problem.tag for problem in registry.problems] == ["m@v0.0.1"]


@pytest.mark.parametrize(("second", "winner"), [(-10_000, "v1.0.0"), (2_000_000_000, "v2.0.0"), (0, "v1.0.0")])
def test_T11_dates_decide_as_in_gto_with_a_warning_where_counters_disagree(
    clone: GitRepository, second: int, winner: str
) -> None:
    first = clone.head
    clone.register("m", "v1.0.0", time=START)
    clone.commit(time=START)
    clone.register("m", "v2.0.0", time=START + 1)
    clone.tag("m#prod#1", first, time=START + 2)
    clone.tag("m#prod#2", time=START + 2 + second)
    _, registry = opened(clone)
    assert registry.artifacts["m"].stages == {"prod": winner}
    assert bool(registry.warnings) == (winner == "v1.0.0")


def test_T12_an_old_assignment_replayed_downgrades_nothing(clone: GitRepository) -> None:
    clone.register("m", "v1.0.0")
    clone.assign("m", "prod")
    clone.commit()
    clone.register("m", "v2.0.0")
    clone.assign("m", "prod")
    repository, registry = opened(clone)
    assert slots_touched(registry, "m#prod#1") == [("m", "prod")]
    now = current(repository, registry, "m", "prod")
    assert now is not None
    assert now.version == "v2.0.0"
    assert registry.is_later("m#prod#2", "m#prod#1")


def test_T13_a_stage_of_an_unregistered_version_is_refused(clone: GitRepository) -> None:
    clone.assign("m", "prod")
    repository, registry = opened(clone)
    for ask in (lambda: resolve(repository, registry, "m#prod#1"), lambda: current(repository, registry, "m", "prod")):
        with pytest.raises(RefusedError, match="no version is registered") as caught:
            ask()
        assert caught.value.exit_code == 3


def test_T13_a_stage_of_a_deregistered_version_is_refused(clone: GitRepository) -> None:
    clone.register("m", "v1.0.0")
    tag = clone.assign("m", "prod")
    clone.deregister("m", "v1.0.0")
    repository, registry = opened(clone)
    with pytest.raises(RefusedError, match="deregistered"):
        resolve(repository, registry, tag)
    assert current(repository, registry, "m", "prod") is None


# --- T14, T15: policies --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Signature:
    allowed_signers: str | None = None
    keyring: str | None = None


@dataclass(frozen=True)
class Policies:
    require_branch: str | None = None
    require_signature: Signature | None = None


def checked(git: GitRepository, policies: Policies, ref: str = "m#prod", **variables: str) -> None:
    repository, registry = opened(git, **variables)
    check_policies(repository, resolve(repository, registry, ref), policies)


def test_T14_a_tag_on_a_commit_outside_the_branch_is_refused(clone: GitRepository, tmp_path: Path) -> None:
    runner = GitRepository.clone(clone.path, tmp_path / "runner")
    runner.git("checkout", "--quiet", "-b", "evil")
    runner.commit({"model.txt": "evil"})
    runner.register("m", "v6.6.6")
    runner.assign("m", "prod")
    runner.git("branch", "-f", "main", "HEAD")  # moving the branch of the clone does not help
    with pytest.raises(RefusedError, match="not on the branch main") as caught:
        checked(runner, Policies(require_branch="main"))
    assert caught.value.exit_code == 3
    clone.git("fetch", "--quiet", str(runner.path), "evil:merged")
    clone.git("merge", "--quiet", "merged")
    checked(runner, Policies(require_branch="main"))


class SshSigners:
    """Keys outside of any checkout, and the list of those that count."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.allowed = folder / "allowed_signers"
        self.allowed.write_text("")

    def config(self, name: str, *, listed: bool) -> str:
        key = self.folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], check=True)
        if listed:
            with self.allowed.open("a") as file:
                file.write(f'{name}@example.com namespaces="git" {key.with_suffix(".pub").read_text()}')
        config = self.folder / f"{name}.gitconfig"
        config.write_text(f"[user]\n signingkey = {key}.pub\n[gpg]\n format = ssh\n")
        return str(config)


def signed_release(git: GitRepository, config: str) -> None:
    repository, registry = opened(git, GIT_CONFIG_GLOBAL=config)
    registered = writing.register(repository, registry, "m", "v1.0.0")
    writing.assign(repository, registered.registry, "m", "v1.0.0", "prod")


@pytest.fixture
def signers(tmp_path: Path) -> SshSigners:
    return SshSigners(tmp_path / "keys")


def test_T15_a_listed_signer_passes(clone: GitRepository, signers: SshSigners) -> None:
    signed_release(clone, signers.config("alice", listed=True))
    checked(clone, Policies(require_signature=Signature(str(signers.allowed))))


def test_T15_a_valid_signature_of_an_unlisted_signer_fails(clone: GitRepository, signers: SshSigners) -> None:
    signers.config("alice", listed=True)
    signed_release(clone, signers.config("mallory", listed=False))
    with pytest.raises(RefusedError) as caught:
        checked(clone, Policies(require_signature=Signature(str(signers.allowed))))
    assert caught.value.exit_code == 3


def test_T15_the_taggers_name_alone_proves_nothing(clone: GitRepository, signers: SshSigners) -> None:
    signers.config("alice", listed=True)
    clone.git("tag", "-a", "-m", "x", "m@v1.0.0", GIT_COMMITTER_NAME="alice", GIT_COMMITTER_EMAIL="alice@example.com")
    clone.git("tag", "-a", "-m", "x", "m#prod#1", GIT_COMMITTER_NAME="alice", GIT_COMMITTER_EMAIL="alice@example.com")
    with pytest.raises(RefusedError):
        checked(clone, Policies(require_signature=Signature(str(signers.allowed))))


def test_T15_every_tag_behind_a_release_must_be_signed(clone: GitRepository, signers: SshSigners) -> None:
    alice = signers.config("alice", listed=True)
    policies = Policies(require_signature=Signature(str(signers.allowed)))
    clone.register("m", "v1.0.0")  # nobody signed the registration
    repository, registry = opened(clone, GIT_CONFIG_GLOBAL=alice)
    writing.assign(repository, registry, "m", "v1.0.0", "prod")
    with pytest.raises(RefusedError, match=r"m@v1\.0\.0"):
        checked(clone, policies)


def test_T15_an_unsigned_unassignment_brings_no_old_version_back(clone: GitRepository, signers: SshSigners) -> None:
    alice = signers.config("alice", listed=True)
    signed_release(clone, alice)
    clone.commit()
    repository, registry = opened(clone, GIT_CONFIG_GLOBAL=alice)
    registered = writing.register(repository, registry, "m", "v2.0.0")
    put = writing.assign(repository, registered.registry, "m", "v2.0.0", "prod")
    policies = Policies(require_signature=Signature(str(signers.allowed)))
    checked(clone, policies)
    clone.tag("m#prod!#9", time=put.time + 1)
    with pytest.raises(RefusedError, match="m#prod!#9"):
        checked(clone, policies)


def test_T15_an_unsigned_unassignment_takes_nothing_down(clone: GitRepository, signers: SshSigners) -> None:
    alice = signers.config("alice", listed=True)
    signed_release(clone, alice)
    policies = Policies(require_signature=Signature(str(signers.allowed)))
    repository, registry = opened(clone, GIT_CONFIG_GLOBAL=alice)
    check_retirement(repository, writing.unassign(repository, registry, "m", "prod").registry, "m", "prod", policies)
    clone.git("tag", "-d", "m#prod!#2")
    repository, registry = opened(clone)
    clone.tag("m#prod!#9", time=registry.artifacts["m"].assignments["prod"].time + 1)
    repository, registry = opened(clone)
    with pytest.raises(RefusedError, match="m#prod!#9"):
        check_retirement(repository, registry, "m", "prod", policies)


def test_T15_a_signature_moved_to_another_tag_fails(clone: GitRepository, signers: SshSigners) -> None:
    signed_release(clone, signers.config("alice", listed=True))
    text = clone.git("cat-file", "tag", "m@v1.0.0") + "\n"
    evil = clone.commit({"model.txt": "evil"})
    clone.raw_tag("m@v1.0.0", re.sub("^object .*", f"object {evil}", text))
    clone.assign("m", "prod", evil)
    with pytest.raises(RefusedError):
        checked(clone, Policies(require_signature=Signature(str(signers.allowed))))


def test_T15_the_list_never_comes_from_the_checkout(clone: GitRepository, signers: SshSigners) -> None:
    mallory = signers.config("mallory", listed=True)
    clone.commit({"allowed_signers": signers.allowed.read_text()})
    signers.allowed.write_text("")
    signed_release(clone, mallory)
    with pytest.raises(ConfigurationError, match="in the checkout"):
        checked(clone, Policies(require_signature=Signature(str(clone.path / "allowed_signers"))))
    with pytest.raises(ConfigurationError, match="absolute"):
        checked(clone, Policies(require_signature=Signature("allowed_signers")))
    clone.git("config", "gpg.ssh.allowedSignersFile", str(clone.path / "allowed_signers"))
    clone.git("config", "gpg.ssh.program", "true")
    with pytest.raises(RefusedError):
        checked(clone, Policies(require_signature=Signature(str(signers.allowed))))


@pytest.mark.skipif(shutil.which("gpg") is None, reason="GnuPG is not installed")
class TestKeyring:
    """OpenPGP signatures, with keys made for the test."""

    @pytest.fixture
    def gpg(self, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
        def run(home: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
            folder = tmp_path / home
            folder.mkdir(mode=0o700, exist_ok=True)
            return subprocess.run(
                ["gpg", "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback", *arguments],
                env={**os.environ, "GNUPGHOME": str(folder)}, check=True, capture_output=True,
            )  # fmt: skip

        return run

    def config(
        self, tmp_path: Path, gpg: Callable[..., subprocess.CompletedProcess[bytes]], who: str
    ) -> tuple[str, Path]:
        gpg(who, "--quick-generate-key", f"{who}@example.com", "ed25519", "sign", "never")
        keyring = tmp_path / f"{who}.gpg"
        keyring.write_bytes(gpg(who, "--export", f"{who}@example.com").stdout)
        config = tmp_path / f"{who}.gitconfig"
        config.write_text(f"[user]\n signingkey = {who}@example.com\n")
        return str(config), keyring

    def release(self, git: GitRepository, config: str, home: Path) -> None:
        repository, registry = opened(git, GIT_CONFIG_GLOBAL=config, GNUPGHOME=str(home))
        registered = writing.register(repository, registry, "m", "v1.0.0")
        writing.assign(repository, registered.registry, "m", "v1.0.0", "prod")

    def test_T15_a_key_of_the_keyring_passes_and_no_other(
        self, clone: GitRepository, tmp_path: Path, gpg: Callable[..., subprocess.CompletedProcess[bytes]]
    ) -> None:
        alice, alices_keys = self.config(tmp_path, gpg, "alice")
        _, malloys_keys = self.config(tmp_path, gpg, "mallory")
        self.release(clone, alice, tmp_path / "alice")
        checked(clone, Policies(require_signature=Signature(keyring=str(alices_keys))))
        with pytest.raises(RefusedError):
            # The runner's own GnuPG home knows alice's key, and trusts it; the policy's keyring does not have it.
            checked(clone, Policies(require_signature=Signature(keyring=str(malloys_keys))),
                    GNUPGHOME=str(tmp_path / "alice"))  # fmt: skip

    def test_T15_a_pgp_key_of_the_runner_does_not_pass_for_an_ssh_list(
        self, clone: GitRepository, tmp_path: Path, signers: SshSigners,
        gpg: Callable[..., subprocess.CompletedProcess[bytes]],
    ) -> None:  # fmt: skip
        alice, _ = self.config(tmp_path, gpg, "alice")
        self.release(clone, alice, tmp_path / "alice")
        signers.config("bob", listed=True)
        with pytest.raises(RefusedError):
            checked(
                clone, Policies(require_signature=Signature(str(signers.allowed))), GNUPGHOME=str(tmp_path / "alice")
            )

    def test_T15_an_ssh_signature_does_not_pass_for_a_keyring(
        self, clone: GitRepository, tmp_path: Path, signers: SshSigners,
        gpg: Callable[..., subprocess.CompletedProcess[bytes]],
    ) -> None:  # fmt: skip
        _, keys = self.config(tmp_path, gpg, "alice")
        signed_release(clone, signers.config("bob", listed=True))
        with pytest.raises(RefusedError):
            checked(clone, Policies(require_signature=Signature(keyring=str(keys))))


# --- C12 and P3, as far as Git goes --------------------------------------------------------------------------------


def test_C12_nothing_that_the_clone_configures_for_git_is_run(tmp_path: Path) -> None:
    origin = GitRepository.make(tmp_path / "origin")
    origin.commit({"model.txt": "one", ".gitattributes": "* filter=evil diff=evil\n"})
    origin.register("m", "v1.0.0")
    clone = GitRepository.clone(origin.path, tmp_path / "clone", "--depth=1")
    proof = tmp_path / "ran"
    run = f"touch {proof}; false"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {proof}\nexit 1\n")
    program.chmod(0o755)
    for key in ("core.fsmonitor", "core.sshCommand", "core.askPass", "core.editor", "core.pager", "core.gitProxy",
                "core.alternateRefsCommand", "gpg.program", "gpg.ssh.program", "gpg.ssh.defaultKeyCommand",
                "gpg.x509.program", "remote.origin.uploadpack", "remote.origin.receivepack", "filter.evil.smudge",
                "filter.evil.clean", "filter.evil.process", "diff.evil.textconv", "diff.evil.command", "diff.external",
                "uploadpack.packObjectsHook", "sequence.editor", "pager.tag", "pager.show"):  # fmt: skip
        clone.git("config", key, str(program))
    clone.git("config", "credential.helper", f"!{run}")
    clone.git("config", "credential.https://example.com.helper", f"!{run}")
    clone.git("config", "alias.for-each-ref", f"!{run}")
    clone.git("config", "tag.gpgSign", "true")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in (
        "reference-transaction",
        "pre-push",
        "post-checkout",
        "post-merge",
        "pre-auto-gc",
        "fsmonitor-watchman",
    ):
        (hooks / name).write_text(program.read_text())
        (hooks / name).chmod(0o755)
        shutil.copy(hooks / name, clone.path / ".git" / "hooks" / name)
    clone.git("config", "core.hooksPath", str(hooks), check=False)
    proof.unlink(missing_ok=True)

    repository = Repository(clone.path, environment())
    repository.fetch_tags()
    repository.default_branch_tip()
    assert repository.contains("main", repository.commit("HEAD") or "")
    registry = read(repository)
    commit = registry.artifacts["m"].versions[0].commit
    assert repository.read(commit, "model.txt") == b"one"
    repository.list_tree(commit)
    written = writing.assign(repository, registry, "m", "v1.0.0", "prod", push=True)
    assert written.pushed
    assert not proof.exists()


class Unauthorized(BaseHTTPRequestHandler):
    """Asks everybody for a password."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_C12_programs_that_the_clone_names_for_ssh_passwords_and_signatures_are_not_run(
    clone: GitRepository, tmp_path: Path
) -> None:
    ran = {name: tmp_path / f"{name} ran" for name in ("ssh", "password", "signature", "users helper")}
    for name, proof in ran.items():
        program = tmp_path / name.replace(" ", "-")
        program.write_text(f"#!/bin/sh\ntouch '{proof}'\nexit 1\n")
        program.chmod(0o755)
    clone.git("config", "core.sshCommand", str(tmp_path / "ssh"))
    clone.git("config", "core.askPass", str(tmp_path / "password"))
    clone.git("config", "credential.helper", str(tmp_path / "password"))
    clone.git("config", "credential.http://127.0.0.1.helper", str(tmp_path / "password"))
    clone.git("config", "gpg.program", str(tmp_path / "signature"))
    clone.git("config", "gpg.ssh.program", str(tmp_path / "signature"))
    clone.git("config", "gpg.format", "ssh")
    users = tmp_path / "users.gitconfig"
    users.write_text(f"[credential]\n helper = {tmp_path / 'users-helper'}\n")
    repository, registry = opened(clone, GIT_CONFIG_GLOBAL=str(users), GNUPGHOME=str(tmp_path))

    clone.git("remote", "add", "origin", "ssh://127.0.0.1:1/none.git")
    with pytest.raises(TagboatError):
        repository.fetch_tags()
    with ThreadingHTTPServer(("127.0.0.1", 0), Unauthorized) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        clone.git("remote", "set-url", "origin", f"http://127.0.0.1:{server.server_address[1]}/none.git")
        with pytest.raises(TagboatError):
            repository.fetch_tags()
        server.shutdown()
    with pytest.raises(TagboatError):
        writing.register(repository, registry, "m", "v1.0.0", sign=True)
    assert [name for name, proof in ran.items() if proof.exists()] == ["users helper"], "the user's own stay in use"


def test_C12_a_remote_of_a_protocol_that_runs_commands_is_not_contacted(clone: GitRepository, tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    clone.git("config", "protocol.ext.allow", "always")
    clone.git("config", "protocol.allow", "always")
    clone.git("remote", "add", "origin", f"ext::sh -c touch% {proof}")
    repository, _ = opened(clone)
    with pytest.raises(TagboatError):
        repository.fetch_tags()
    clone.git("remote", "set-url", "origin", f"file://{tmp_path}/clone")
    clone.git("config", f"url.ext::sh -c touch% {proof}; .insteadOf", "file://")
    with pytest.raises(TagboatError):
        repository.fetch_tags()
    assert not proof.exists()


def test_C12_a_replaced_commit_is_read_as_it_was_tagged(clone: GitRepository) -> None:
    clone.commit({"dvc.yaml": "artifacts: {m: {path: good.pkl}}\n"})
    good = clone.head
    clone.register("m", "v1.0.0")
    evil = clone.commit({"dvc.yaml": "artifacts: {m: {path: evil.pkl}}\n"})
    clone.git("replace", good, evil)
    repository, registry = opened(clone)
    assert resolve(repository, registry, "m@v1.0.0").path == "good.pkl"


def test_C12_gtos_own_settings_in_the_checkout_run_nothing(clone: GitRepository) -> None:
    (clone.path / ".gto").write_text("enrichments: [{type: 'os.system', config: {command: 'touch ran'}}]\n")
    repository, registry = opened(clone)
    written = writing.register(repository, registry, "m", "v1.0.0")
    assert written.created
    assert not list(clone.path.rglob("ran"))


def test_P3_two_runs_that_promote_the_same_version_write_one_tag_and_both_succeed(
    clone: GitRepository, tmp_path: Path
) -> None:
    clone.register("m", "v1.0.0")
    runs = [GitRepository.clone(clone.path, tmp_path / f"run-{number}") for number in range(4)]

    def promote(run: GitRepository) -> writing.Written:
        repository, registry = opened(run, GIT_COMMITTER_NAME=run.path.name)  # so that no two tags are the same object
        return writing.assign(repository, registry, "m", "v1.0.0", "prod", push=True)

    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(promote, runs))
    assert {one.name for one in written} == {"m#prod#1"}
    assert [one.created for one in written].count(True) == 1
    there = clone.git("rev-parse", "refs/tags/m#prod#1")
    assert {one.object_id for one in written} == {there}, "the losers hold the winner's tag"
