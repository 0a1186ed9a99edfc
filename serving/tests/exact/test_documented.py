"""What docs/serving.md promises of the fast paths."""

import re
from pathlib import Path

from tagboat_server.exact import SWITCH, versions
from tagboat_server.exact.compiling import COLUMNS, KNOWN, PIPELINE

PAGE = (Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## Exact fast paths\n")[2].partition("\n## ")[0]


def test_the_page_names_every_class_that_has_a_fast_path_and_no_other():
    told = re.findall(r"`([A-Z][A-Za-z]+)`", SECTION)
    assert sorted(told) == sorted(name.rpartition(".")[2] for name in (*KNOWN, PIPELINE, COLUMNS))


def test_the_page_names_the_versions_and_the_switch():
    known = [".".join(map(str, version)) for version in (versions.OLDEST, versions.NEWEST)]
    assert f"scikit-learn {known[0]} to {known[1]}" in SECTION
    assert f"`{SWITCH}=off`" in SECTION
