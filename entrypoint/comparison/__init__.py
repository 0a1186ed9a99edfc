"""Two states of the repository side by side: `compare` them, then show the comparison in one of its faces."""

from entrypoint.comparison.compare import Comparing, Comparison
from entrypoint.comparison.files import FileChange
from entrypoint.comparison.requirement_changes import RequirementChange
from entrypoint.comparison.sides import Side, called, find_side

__all__ = ["Comparing", "Comparison", "FileChange", "RequirementChange", "Side", "called", "find_side"]
