"""Every call of AWS: what is tried again and how long, what its refusals mean, and which permissions it needs.

botocore's own attempts are switched off, so that one rule holds for all and a test waits for none of it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from deployers.errors import ConfigurationError, UnreachableError
from deployers.sagemaker import actions, refusals
from deployers.sagemaker.refusals import DeniedError, InvalidError, NotFoundError

if TYPE_CHECKING:
    from botocore.session import Session

JSON = Any
Document = dict[str, JSON]

ATTEMPTS = 8
SILENCES = 3
"""So often is something asked that takes the call and says nothing, each time for the same seconds."""

LONGEST_PAUSE = 20.0
"""Seconds."""

PACE = 4.0
"""The most seconds that we wait before each call while AWS asks for fewer."""

CONNECT, READ = 10.0, 75.0
"""Seconds. A container has 60 s for an answer."""

FIRST_LOOK = 0.5
"""Seconds until a thing that was just made is looked for once more; then ever longer."""


class Amazon:
    """AWS as one target sees it; `login.login` makes it.

    ``session``: botocore's, logged in. ``endpoint``: the address of a service, or None for AWS's own. ``where``: the
    target, for errors. ``silence``: seconds that an answer may take. ``called``: the IAM actions that were
    needed so far.
    """

    def __init__(
        self,
        session: Session,
        *,
        region: str,
        endpoint: Callable[[str], str | None] = lambda _: None,
        where: str = "sagemaker",
        verify: str | None = None,
        silence: float = READ,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.session = session
        self.region = region
        self.endpoint = endpoint
        self.where = where
        self.verify = verify
        self.silence = silence
        self.sleep = sleep
        self.chance = chance
        self.called: set[str] = set()
        self._pace = 0.0
        self._clients: dict[str, Any] = {}
        self._identity: Mapping[str, str] | None = None
        session.get_component("event_emitter").register("before-parameter-build", self._note)

    @property
    def sagemaker(self) -> Any:
        """Models, endpoint configurations, endpoints."""
        return self._client("sagemaker")

    @property
    def runtime(self) -> Any:
        """Invocations."""
        return self._client("sagemaker-runtime")

    @property
    def s3(self) -> Any:
        """Models' archives, records, leases."""
        return self._client("s3")

    @property
    def ecr(self) -> Any:
        """Repositories of images."""
        return self._client("ecr")

    @property
    def logs(self) -> Any:
        """What containers wrote."""
        return self._client("logs")

    @property
    def cloudwatch(self) -> Any:
        """Alarms and metrics."""
        return self._client("cloudwatch")

    @property
    def scaling(self) -> Any:
        """Application Auto Scaling."""
        return self._client("application-autoscaling")

    @property
    def sts(self) -> Any:
        """Who we are."""
        return self._client("sts")

    @property
    def account(self) -> str:
        """The twelve digits of the account."""
        return self._who()["Account"]

    @property
    def partition(self) -> str:
        """``aws``, ``aws-cn``, …: the second part of every ARN."""
        return self._who()["Arn"].split(":")[1]

    def arn(self, service: str, resource: str) -> str:
        """The ARN of something of ours in this region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def call(self, function: Callable[..., Any], /, *, patience: float = 0.0, **arguments: Any) -> Document:
        """Call a client's method; its answer.

        Throttling, failures of AWS's and of the network are tried again with growing pauses. ``patience``: seconds for
        which "there is no such thing" is not believed yet, since what was just made is not seen everywhere at once.
        A write whose answer was lost is made again, so the caller takes `refusals.ExistsError` for what it may mean.

        Raises the errors of `refusals`, and `UnreachableError`.
        """
        waited = 0.0
        looks = attempts = 0
        while True:
            try:
                answer: Document = self._attempt(function, arguments, attempts)
                return answer
            except _AgainError as again:
                attempts += 1
                self.sleep(again.pause)
            except NotFoundError:
                pause = min(LONGEST_PAUSE, FIRST_LOOK * 2**looks)
                if waited + pause > patience:
                    raise
                looks += 1
                waited += pause
                self.sleep(pause)

    def pages(self, function: Callable[..., Any], items: str, /, **arguments: Any) -> list[Document]:
        """Every item of a listing, page after page. ``items``: the key of an answer that holds them."""
        found: list[Document] = []
        while True:
            answer = self.call(function, **arguments)
            found += answer.get(items) or []
            after = {name: answer[name] for name in ("NextToken", "nextToken") if answer.get(name)}
            if answer.get("NextContinuationToken"):
                after = {"ContinuationToken": answer["NextContinuationToken"]}
            if not after:
                return found
            arguments.update(after)

    def note(self, *needed: str) -> None:
        """Remember actions that are needed without a client of ours, such as those of pushing an image."""
        self.called.update(needed)

    def _attempt(self, function: Callable[..., Any], arguments: Mapping[str, Any], attempt: int) -> Any:
        from botocore import exceptions

        if self._pace:
            self.sleep(self._pace)
        try:
            answer = function(**arguments)
        except exceptions.ClientError as error:
            throttled = refusals.is_throttled(error)
            if throttled:
                self._pace = min(PACE, max(0.25, self._pace * 2))
            if refusals.is_transient(error) and attempt + 1 < ATTEMPTS:
                raise _AgainError(self._pause(attempt, _retry_after(error))) from error
            service = function.__self__.meta.service_model.service_name  # type: ignore[attr-defined]
            raise refusals.refusal(error, service, _subject(arguments)) from error
        except (exceptions.ParamValidationError, exceptions.UnknownParameterError) as error:
            raise InvalidError(" ".join(str(error).split())[: refusals.WORDS], where=_name(function)) from error
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
            raise DeniedError(
                "there are no credentials for AWS",
                where=self.where,
                hint="Log in first, or set `login` on the target: docs/sagemaker.md shows each way.",
            ) from error
        except exceptions.CredentialRetrievalError as error:
            raise DeniedError(f"no credentials for AWS: {_line(error)}", where=self.where) from error
        except (exceptions.HTTPClientError, exceptions.ConnectionError, exceptions.IncompleteReadError) as error:
            most = SILENCES if isinstance(error, exceptions.ReadTimeoutError) else ATTEMPTS
            if attempt + 1 < most:
                raise _AgainError(self._pause(attempt, None)) from error
            raise UnreachableError(
                f"AWS does not answer: {_line(error)}",
                where=f"{self.where}: {_name(function)}",
                hint="Check the region and the network, then run the same command again.",
            ) from error
        except exceptions.BotoCoreError as error:
            raise ConfigurationError(_line(error), where=self.where) from error
        self._pace = self._pace / 2 if self._pace > 0.1 else 0.0
        return answer

    def _pause(self, attempt: int, asked: float | None) -> float:
        """Seconds: what AWS asks for, else a random part of an ever longer time, so that many runs spread out."""
        return asked if asked is not None else min(LONGEST_PAUSE, 0.5 * 2**attempt) * (0.5 + self.chance() / 2)

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            from botocore.config import Config

            address = self.endpoint(service)
            config = Config(
                retries={"mode": "standard", "total_max_attempts": 1},
                connect_timeout=CONNECT,
                read_timeout=self.silence,
                max_pool_connections=16,
                ignore_configured_endpoint_urls=True,
                user_agent_extra="tagboat",
                s3={"addressing_style": "path"} if address else None,
            )
            self._clients[service] = self.session.create_client(
                service, region_name=self.region, endpoint_url=address, config=config, verify=self.verify
            )
        return self._clients[service]

    def _who(self) -> Mapping[str, str]:
        if self._identity is None:
            self._identity = self.call(self.sts.get_caller_identity)
        return self._identity

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        self.called |= actions.actions_of(model.service_model.service_name, model.name, params)


class _AgainError(Exception):
    """Try once more, after ``pause`` seconds."""

    def __init__(self, pause: float) -> None:
        super().__init__()
        self.pause = pause


def _retry_after(error: Any) -> float | None:
    asked = (error.response.get("ResponseMetadata", {}).get("HTTPHeaders") or {}).get("retry-after", "")
    return min(60.0, float(asked)) if asked.isdecimal() else None


def _subject(arguments: Mapping[str, Any]) -> str:
    """What a call was about, by the first of its names."""
    named = (value for name, value in arguments.items() if name.endswith(("Name", "Key", "Bucket")))
    return next((value for value in named if isinstance(value, str)), "")


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", function))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
