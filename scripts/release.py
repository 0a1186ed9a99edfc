"""Steps of the release workflow that are worth a test: the version is right, action.yml names the image by digest."""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
IMAGE = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+")


def main() -> None:
    """Run one step, or end with what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    check = steps.add_parser("check", help="the version is the one in pyproject.toml")
    check.add_argument("--version", required=True)
    pin = steps.add_parser("pin", help="have action.yml run a published image, by digest")
    for option in ("--image", "--digest"):
        pin.add_argument(option, required=True)
    pin.add_argument("--action", type=Path, required=True)
    asked = parser.parse_args()
    if asked.step == "check":
        check_version(asked.version, (ROOT / "pyproject.toml").read_text("utf-8"))
    else:
        asked.action.write_text(pinned(asked.action.read_text("utf-8"), asked.image, asked.digest), "utf-8")


def check_version(version: str, pyproject: str) -> None:
    """End the process unless the version is the project's own."""
    own = tomllib.loads(pyproject)["project"]["version"]
    if version != own:
        sys.exit(f"release: pyproject.toml says {own}, not {version!r}")


def pinned(action: str, image: str, digest: str) -> str:
    """The text of action.yml with the published image in place of the Dockerfile; all else stays as it is."""
    if not IMAGE.fullmatch(image) or not DIGEST.fullmatch(digest):
        sys.exit(f"release: {image!r} at {digest!r} is no image by digest")
    text, count = re.subn(r"(?m)^  image: Dockerfile$", f"  image: docker://{image}@{digest}", action)
    if count != 1:
        sys.exit("release: action.yml does not say `image: Dockerfile` exactly once")
    return text


if __name__ == "__main__":
    main()
