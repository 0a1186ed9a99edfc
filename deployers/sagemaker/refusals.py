"""What an answer of AWS other than success means, as one of our errors.

    TagboatError
    ├── ConfigurationError
    │   ├── InvalidError       what was asked for is not valid, or beyond a quota of the account
    │   └── DeniedError        credentials, or an action that IAM does not allow
    ├── UnreachableError       network, throttling and failures of AWS that outlasted every attempt
    ├── NotFoundError          there is no such thing (not yet, perhaps: reads are eventually consistent)
    ├── ConflictError          it is there already, was changed by somebody else, or is busy
    │   ├── ExistsError
    │   └── BusyError
    └── AnswerError            the model's container answered an invocation with an error of its own

SageMaker says most of this in the words of a ValidationException only, so the words are read.
"""

from __future__ import annotations

import re
from typing import Any

from deployers.errors import ConfigurationError, TagboatError, UnreachableError
from deployers.sagemaker import actions

WORDS = 500
"""Characters that are shown of a message of AWS's."""


class InvalidError(ConfigurationError):
    """AWS does not accept what was asked of it."""


class DeniedError(ConfigurationError):
    """The credentials do not allow it. ``action``: what IAM calls it, or None where no credentials were accepted."""

    action: str | None = None


class NotFoundError(TagboatError):
    """There is no such thing."""


class ConflictError(TagboatError):
    """Something else is in the way; a conditional write whose condition does not hold."""


class ExistsError(ConflictError):
    """A thing of that name is there already."""


class BusyError(ConflictError):
    """It cannot be changed now: it is being changed, or used."""


class AnswerError(TagboatError):
    """The container's own answer. ``status``: what it sent (0 where it sent none); ``body``: its beginning."""

    status: int = 0
    body: str = ""


THROTTLED = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
    "TooManyRequestsException", "TooManyRequests", "RequestLimitExceeded", "BandwidthLimitExceeded",
    "PriorRequestNotComplete", "SlowDown", "EC2ThrottledException", "ProvisionedThroughputExceededException",
})  # fmt: skip
TRANSIENT = frozenset({
    "InternalFailure", "InternalServerException", "InternalServerError", "InternalError", "InternalServiceError",
    "InternalServiceException", "InternalServiceFault", "ServerException", "ServiceUnavailable",
    "ServiceUnavailableException", "RequestTimeout", "RequestTimeoutException", "ConcurrentUpdateException",
    "ConditionalRequestConflict", "OperationAborted", "InternalDependencyException",
})  # fmt: skip
CREDENTIALS = frozenset({
    "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId",
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature",
    "MissingAuthenticationToken", "MissingAuthenticationTokenException", "NotAuthorized", "TokenRefreshRequired",
    "RequestExpired", "AuthFailure", "InvalidIdentityToken", "IDPRejectedClaim",
})  # fmt: skip
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden"})
ABSENT = frozenset({
    "404", "NoSuchKey", "NoSuchUpload", "NotFound", "ResourceNotFound", "ResourceNotFoundException",
    "RepositoryNotFoundException", "ImageNotFoundException", "ObjectNotFoundException", "NoSuchEntity",
    "LifecyclePolicyNotFoundException",
})  # fmt: skip
THERE = frozenset({
    "RepositoryAlreadyExistsException", "BucketAlreadyOwnedByYou", "ResourceAlreadyExistsException",
    "PolicyAlreadyExistsException", "EntityAlreadyExists",
})  # fmt: skip
BUSY = frozenset({"ResourceInUse", "ResourceInUseException"})
CHANGED = frozenset({"PreconditionFailed", "412", "ConflictException"})
QUOTA = frozenset({"ResourceLimitExceeded", "LimitExceededException", "ServiceQuotaExceededException"})

NOT_THERE = re.compile(
    r"could not find|does not exist|cannot find|no scalable target registered|not found", re.IGNORECASE
)
ALREADY = re.compile(r"already exist(s|ing)|already in use", re.IGNORECASE)
AT_WORK = re.compile(
    r"in[- ]progress|is (currently )?being|in use|cannot (update|delete) .* (creating|updating)", re.IGNORECASE
)
MISSING_ACTION = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z0-9*]+)", re.IGNORECASE)


def code_of(error: Any) -> str:
    """The error code of a ClientError."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: Any) -> int:
    """The HTTP status of a ClientError, 0 where there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)


def is_throttled(error: Any) -> bool:
    """Whether AWS asks for fewer calls."""
    return code_of(error) in THROTTLED or (status_of(error) == 429 and code_of(error) != "ModelNotReadyException")


def is_transient(error: Any) -> bool:
    """Whether the same call may succeed in a moment."""
    if code_of(error) in {"ModelError", "ModelNotReadyException"}:
        return False
    return is_throttled(error) or code_of(error) in TRANSIENT or status_of(error) in {500, 502, 503, 504}


def refusal(error: Any, service: str, subject: str) -> TagboatError:
    """The error of ours for a ClientError. ``service``: as botocore names it; ``subject``: what was called for."""
    code, operation = code_of(error), str(error.operation_name)
    said = " ".join(str(error.response.get("Error", {}).get("Message") or code).split())[:WORDS]
    where = f"{operation} {subject}".strip()
    if code in {"ModelError", "ModelNotReadyException"}:
        return _answer(error, said, where)
    if code in CREDENTIALS:
        return DeniedError(
            f"AWS does not accept the credentials: {said}",
            where=where,
            hint="They may have expired: log in again. In GitHub Actions the job needs `permissions: id-token: write`.",
        )
    if code in DENIED or (code == "ValidationException" and MISSING_ACTION.search(said)):
        return _denied(service, operation, said, where)
    if is_transient(error):
        return UnreachableError(
            f"AWS {'asks for fewer calls' if is_throttled(error) else 'fails'}: {said}",
            where=where,
            hint="Run the same command again.",
        )
    if code == "NoSuchBucket":
        return InvalidError(said, where=where, hint="Make the bucket first, or name another: Tagboat makes none.")
    if code in ABSENT or (_is_words(code) and NOT_THERE.search(said)):
        return NotFoundError(said, where=where)
    if code in THERE or (_is_words(code) and ALREADY.search(said)):
        return ExistsError(said, where=where)
    if code in BUSY or (_is_words(code) and AT_WORK.search(said)):
        return BusyError(said, where=where, hint="Wait until that is done, then run the same command again.")
    if code in CHANGED:
        return ConflictError(said, where=where, hint="Somebody else changed it; run the same command again.")
    if code in QUOTA:
        return InvalidError(
            said, where=where, hint="Ask for a higher quota under Service Quotas in the AWS console, or use less."
        )
    return InvalidError(f"{said} ({code})", where=where)


def _is_words(code: str) -> bool:
    """Whether only the words tell one reason from another."""
    return code in {"ValidationException", "ValidationError", "InvalidParameterException"}


def _denied(service: str, operation: str, said: str, where: str) -> DeniedError:
    found = MISSING_ACTION.search(said)
    action = found[1] if found else actions.action_of(service, operation)
    trust = action.startswith("sts:AssumeRole")
    denied = DeniedError(
        f"the credentials do not allow {action}: {said}",
        where=where,
        hint="The role's trust policy must name who asks: docs/sagemaker.md has one for GitHub Actions."
        if trust
        else "`tagboat iam-policy` prints the policy that the role needs.",
    )
    denied.action = action
    return denied


def _answer(error: Any, said: str, where: str) -> AnswerError:
    answer = AnswerError(said, where=where)
    answer.status = int(error.response.get("OriginalStatusCode", status_of(error)))
    answer.body = str(error.response.get("OriginalMessage") or "")[:WORDS]
    return answer
