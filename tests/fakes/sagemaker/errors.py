"""How AWS says no: a code, a status and a text; and the texts that more than one place gives."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An answer that is an error. ``more``: further members of its body."""

    def __init__(self, code: str, message: str, status: int = 400, **more: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.more = code, message, status, more


def invalid(message: str) -> Refusal:
    """SageMaker answers nearly everything so, also what is not there or is there already."""
    return Refusal("ValidationException", message)


def not_found(what: str, arn: str) -> Refusal:
    """Something that a call names is not there, or is not to be seen yet."""
    return invalid(f'Could not find {what} "{arn}".')


def exists(what: str, arn: str) -> Refusal:
    """A name is taken."""
    return invalid(f'Cannot create already existing {what} "{arn}".')


def in_progress(what: str, arn: str) -> Refusal:
    """Nothing can be changed while something changes."""
    return invalid(f'Cannot update in-progress {what} "{arn}".')


def throttled() -> Refusal:
    """Too many calls in a second."""
    return Refusal("ThrottlingException", "Rate exceeded")


def denied(action: str, user: str) -> Refusal:
    """A call that no policy of the caller allows."""
    message = f"User: {user} is not authorized to perform: {action} because no identity-based policy allows the {action} action"
    return Refusal("AccessDeniedException", message)
