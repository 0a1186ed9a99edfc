"""What docs/sagemaker*.md shows of tagboat.yaml is one, with keys and values that go together."""

import re
from pathlib import Path

import pytest
import yaml

from deployers.sagemaker.settings import SagemakerSettings
from entrypoint.configuration import load
from entrypoint.configuration.kinds import KnownKinds

DOCS = Path(__file__).parents[3] / "docs"
NEEDED = {"bucket": "acme-models", "role": "arn:aws:iam::123456789012:role/execution"}


def shown():
    """(page, text) of each block of YAML."""
    for page in ("sagemaker.md", "sagemaker-endpoints.md"):
        for text in re.findall(
            r"^```yaml\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        ):
            yield page, text


def whole(text):
    """A configuration that a block is a part of: all of it, targets, or keys of one."""
    found = yaml.safe_load(text)
    if "targets" in found:
        return found
    targets = found if all(isinstance(each, dict) and "deployer" in each for each in found.values()) else {
        "aws": {"deployer": "sagemaker", **found}
    }  # fmt: skip
    return {"targets": targets}


@pytest.mark.parametrize("text", [text for _, text in shown()], ids=lambda text: text.split()[0].strip(":"))
def test_every_example_is_taken(tmp_path, text):
    document = whole(text)
    for name, target in document["targets"].items():
        document["targets"][name] = {**NEEDED, **target}
    (tmp_path / "tagboat.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    loaded = load(tmp_path, "tagboat.yaml", KnownKinds({"sagemaker": SagemakerSettings}))
    for target in loaded.targets.values():
        assert isinstance(target.settings, SagemakerSettings)
        assert [remark for remark in target.settings.remarks() if remark.wrong and remark.key != "image"] == []
