"""The wheel of `tagboat-server`: inside Tagboat's own wheel, or made from the checkout's serving/ when asked for.

An installed Tagboat holds the wheel in deployers/wrapping/server/ (hatch_build.py puts it there). In a checkout, which
an editable install points to, it is made anew whenever serving/ has changed, so it is never stale; serving/ itself is
only read.
"""

from __future__ import annotations

import email.parser
import hashlib
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from deployers.errors import TagboatError
from deployers.wrapping import wheel_writing

HERE = Path(__file__).resolve().parent


class ServerWheel(msgspec.Struct, frozen=True, kw_only=True):
    """The server's wheel. ``sha256``: 64 hexadecimal digits. ``requires``: its Requires-Dist, extras in the markers."""

    path: Path
    sha256: str
    version: str
    requires_python: str
    requires: tuple[str, ...]

    @property
    def digest(self) -> str:
        """``sha256:`` and the digits."""
        return f"sha256:{self.sha256}"

    def requirements(self, *extras: str) -> tuple[str, ...]:
        """What the server itself needs, with some of its extras; markers of the platform stay in the lines."""
        from packaging.requirements import Requirement

        chosen = []
        for line in self.requires:
            requirement = Requirement(line)
            marker = str(requirement.marker or "")
            if "extra ==" in marker and not any(f'extra == "{extra}"' in marker for extra in extras):
                continue
            chosen.append(_without_extras(requirement, extras))
        return tuple(dict.fromkeys(chosen))


def server_wheel(cache: Path, *, package: Path = HERE) -> ServerWheel:
    """The server's wheel. ``cache``: where one made from a checkout is kept.

    ``package``: the folder of deployers/wrapping, for tests. Raises `TagboatError` when this installation has none.
    """
    serving = package.parent.parent / "serving"
    if (serving / "pyproject.toml").is_file():
        return _opened(_made(serving, cache))
    packed = sorted((package / "server").glob("tagboat_server-*.whl"))
    if len(packed) != 1:
        raise TagboatError(
            f"this installation of Tagboat holds {len(packed)} wheels of tagboat-server instead of one",
            where=str(package / "server"),
            hint="Install Tagboat again from its wheel, its sdist or a whole checkout.",
        )
    return _opened(packed[0])


def _made(serving: Path, cache: Path) -> Path:
    folder = cache / "server" / wheel_writing.fingerprint(serving)[:32]
    present = sorted(folder.glob("*.whl"))
    if present:
        return present[0]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as making:
        wheel = wheel_writing.write(serving, Path(making))
        return wheel.replace(folder / wheel.name)


def _opened(path: Path) -> ServerWheel:
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.parser.BytesParser().parsebytes(archive.read(name))
    return ServerWheel(
        path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        version=metadata["Version"],
        requires_python=metadata["Requires-Python"],
        requires=tuple(metadata.get_all("Requires-Dist", [])),
    )


def _without_extras(requirement: object, extras: Sequence[str]) -> str:
    """The requirement with the extras' own condition taken out of its marker (wheel_writing puts it last)."""
    line = str(requirement)
    for extra in extras:
        for condition in (f' and extra == "{extra}"', f'; extra == "{extra}"'):
            line = line.replace(condition, "")
    return line
