"""The local target as a conformance subject, and what its tests share: machines of their own, bundles, censuses."""

import json
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import msgspec

from deployers.base import Release, Slot, Surroundings, TagRecord
from deployers.conformance import Subject
from deployers.local.deployer import LocalDeployer
from deployers.local.layout import TargetFolder
from deployers.local.servers import Server, Servers
from deployers.local.settings import LocalSettings
from deployers.wrapping.bundle import Bundle
from tests.deployers.local.models import doubling

CANARY = "hunter2-canary-5e1f"

STANDIN = Path(__file__).with_name("standin.py")


class StandinPrograms:
    """Serves a bundle by the stand-in: quick to start, and faulty on demand."""

    def serve(self, bundle: Path) -> list[str]:
        return [sys.executable, "-I", str(STANDIN), str(bundle), "--uds", "http", "--control", "control"]


class Machine:
    """A machine's state folder in a test's own folder."""

    def __init__(self, folder: Path, target: str = "here", **settings) -> None:
        self.folder = folder
        self.target = target
        self.settings = LocalSettings(env={"CANARY": "${env:SECRET}"}, start_timeout=60.0, **settings)
        self.in_action = False

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def surroundings(self) -> Surroundings:
        return Surroundings(
            environment={**os.environ, "SECRET": CANARY, "AWS_SECRET_ACCESS_KEY": "not for models"},
            state=self.state,
            cache=self.cache,
            clock=time.time,
            in_action=self.in_action,
        )

    def deployer(self) -> LocalDeployer:
        return LocalDeployer(self.target, self.settings, self.surroundings, programs=StandinPrograms())

    def slot(self, artifact: str = "model", stage: str = "prod") -> Slot:
        return Slot(artifact=artifact, stage=stage, target=self.target)

    def bundle(self, name: str, **behaviour) -> Bundle:
        folder = self.folder / "bundles" / name
        if not folder.exists():
            folder.mkdir(parents=True)
            named = {"name": "model", "version": name, "commit": "c" * 40}
            (folder / "model.json").write_text(json.dumps(named))
            (folder / "behaviour.json").write_text(json.dumps(behaviour))
        return Bundle(folder, f"sha256:{name.encode().hex():0<64}")

    def release(self, slot: Slot, version: str, tag: TagRecord | None = None, **behaviour) -> tuple[Release, Bundle]:
        bundle = self.bundle(version, **behaviour)
        settings = {"server": {"drain": 5.0}, "target": {"env": {"CANARY": "${env:SECRET}"}}}
        release = Release(
            slot=slot, version=version, commit="c" * 40, bundle_digest=bundle.digest, settings=settings, tag=tag
        )
        return release, bundle

    def servers(self, slot: Slot) -> list[Server]:
        """Every process that lives for a slot."""
        return Servers(TargetFolder(self.state, self.target).slot(slot).servers, time.time).alive()

    def all_servers(self) -> list[Server]:
        folders = self.state.glob("local/*/slots/*/servers")
        return [server for folder in folders for server in Servers(folder, time.time).alive()]

    def shut_down(self) -> None:
        """End whatever a test has left."""
        for server in self.all_servers():
            server.kill()


class RealMachine(Machine):
    """The same with `tagboat-server` and real models. ``shared``: where a session keeps bundles and environments."""

    def __init__(self, folder: Path, shared: Path, target: str = "here", **settings) -> None:
        super().__init__(folder, target, **settings)
        self.shared = shared
        self.caches_lost = 0

    @property
    def cache(self) -> Path:
        """The session's, until it is lost."""
        return self.folder / f"cache-{self.caches_lost}" if self.caches_lost else self.shared / "cache"

    def deployer(self) -> LocalDeployer:
        return LocalDeployer(self.target, self.settings, self.surroundings)

    def bundle(self, name: str, **behaviour) -> Bundle:
        """One of two models, copied into the machine's folder."""
        made = doubling(self.shared, 2 + sum(name.encode()) % 2)
        folder = self.folder / "bundles" / name
        if not folder.exists():
            shutil.copytree(made.folder, folder)
        return Bundle(folder, made.digest)


class LocalSubject(Subject):
    """A machine, tried by the suite."""

    processes = True
    canary = CANARY

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def deployer(self):
        return self.machine.deployer()

    def slot(self, name="model"):
        return self.machine.slot(name)

    def release(self, slot, version, tag=None):
        return self.machine.release(slot, version, tag)

    def broken(self, slot, version):
        """A release whose server refuses its settings, and ends."""
        release, bundle = self.machine.release(slot, version)
        return msgspec.structs.replace(release, settings={"server": {"max-body": 0}}), bundle

    def served(self, slot):
        return served(self.machine.deployer().observe(slot).url)

    def crash(self, slot):
        for server in self.machine.servers(slot):
            server.kill()
        return True

    def lose_caches(self):
        """The environment has to be made again, from the lock in the stored bundle."""
        shutil.rmtree(self.machine.folder / "bundles")
        self.machine.caches_lost += 1

    def stranger(self):
        """Somebody's file between ours, and another target of ours."""
        file = self.machine.state / "local" / "notes.txt"
        file.parent.mkdir(parents=True)
        file.write_text("mine")
        other = RealMachine(self.machine.folder, self.machine.shared, target="elsewhere")
        slot = other.slot("one")
        for _ in other.deployer().apply(other.deployer().plan(*other.release(slot, "v9.0.0"))):
            pass
        release = other.release(slot, "v9.0.0")[0]
        return lambda: file.read_text() == "mine" and served(other.deployer().observe(slot).url) == release.id

    def snapshot(self):
        """Every file but logs, sockets, the servers' homes (libraries write there) and leases (who was last)."""
        state = self.machine.state
        quiet = {"log", "log.1", "control", "http"}
        return {
            str(path.relative_to(state)): path.read_bytes()
            for path in sorted(state.rglob("*"))
            if path.is_file() and path.name not in quiet and path.suffix != ".lock" and "home" not in path.parts
        }

    def leftovers(self):
        """Every server beyond the one that a slot records as live, and every folder that is being removed or made."""
        state = self.machine.state
        live = [json.loads(path.read_text())["live"] for path in state.glob("local/*/slots/*/slot.json")]
        extra = [server.record.id for server in self.machine.all_servers() if server.record.id not in live]
        folders = (
            "local/*/slots/.*",
            "local/*/slots/*/.*",
            "local/*/slots/*/bundles/.*",
            "local/*/slots/*/servers/*/.*",
        )
        half_made = [str(path) for pattern in folders for path in state.glob(pattern)]
        return [*extra, *half_made]


def served(url: str | None) -> str | None:
    """The release that answers at an address, as any client would ask."""
    if url is None:
        return None
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=10) as answer:
            return answer.headers["x-tagboat-release"]
    except urllib.error.HTTPError as answer:
        with answer:
            return None
    except OSError:
        return None
