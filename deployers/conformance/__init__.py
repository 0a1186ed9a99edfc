"""The suite that every deployer passes, ours and a plugin author's; docs/writing-a-deployer.md tells how.

    from deployers.conformance import DeployerConformance, Subject

    class TestMine(DeployerConformance):
        @pytest.fixture
        def subject(self, tmp_path):
            return MySubject(tmp_path)

Needs pytest, and no plugin of it. Knows no deployer: all that it asks for is in `Subject`, all that it expects in
`deployers.base`.
"""

import pytest

pytest.register_assert_rewrite(
    "deployers.conformance.coming_back",
    "deployers.conformance.going_live",
    "deployers.conformance.interruptions",
    "deployers.conformance.leaving",
    "deployers.conformance.remembering",
)

from deployers.conformance.coming_back import ComingBack  # noqa: E402 - after the registration
from deployers.conformance.going_live import GoingLive  # noqa: E402
from deployers.conformance.interruptions import Interruptions  # noqa: E402
from deployers.conformance.leaving import Leaving  # noqa: E402
from deployers.conformance.remembering import Remembering  # noqa: E402
from deployers.conformance.subject import Subject  # noqa: E402

__all__ = ["DeployerConformance", "Subject"]


class DeployerConformance(GoingLive, ComingBack, Interruptions, Leaving, Remembering):
    """Every promise. Subclass it and give it a fixture ``subject``: a `Subject` over an empty target."""
