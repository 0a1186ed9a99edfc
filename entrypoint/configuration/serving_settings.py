"""``server:`` and ``smoke:``: how a model is served, and what it must answer before it counts as live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from deployers.settings import Duration, Settings, Size
from entrypoint.configuration.remotes import Port
from entrypoint.configuration.words import (
    JSON,
    ContentType,
    Count,
    MethodName,
    RepositoryPath,
    UrlPath,
)

MEGABYTE = 1_000_000


class Approximate(Settings, frozen=True, kw_only=True):
    """Numbers near these, as numpy.isclose reckons: |answer - value| <= atol + rtol * |value|."""

    value: Annotated[JSON, Meta(description="The expected answer; its numbers are compared within the tolerances.")]
    rtol: Annotated[float, Meta(ge=0, description="Relative tolerance.")] = 1e-6
    atol: Annotated[float, Meta(ge=0, description="Absolute tolerance.")] = 1e-9


class Expect(Settings, frozen=True, kw_only=True):
    """What an answer must be; all that is given must hold. Of a method's answer its `predictions` are looked at, of a
    path's answer the whole."""

    status: Annotated[int, Meta(ge=100, le=599, description="The HTTP status.")] = 200
    equal: Annotated[JSON | UnsetType, Meta(description="The JSON answer, exactly.")] = UNSET
    approximate: Annotated[
        Approximate | UnsetType, Meta(description="The JSON answer, its numbers within a tolerance.")
    ] = UNSET
    schema: Annotated[
        Mapping[str, JSON] | bool | UnsetType, Meta(description="A JSON Schema (draft 2020-12) that the answer meets.")
    ] = UNSET


class Smoke(Settings, frozen=True, kw_only=True):
    """One request that a release must answer before it counts as live."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.path is not None and self.method != "predict":
            raise ValueError("method and path exclude each other", "A method has its own path: keep one of them.")
        if self.input is not UNSET and self.input_file is not None:
            raise ValueError("input and input-file exclude each other", "Keep one of them.")

    method: Annotated[MethodName, Meta(description="The model's method, served at `/methods/<method>`.")] = "predict"
    path: Annotated[
        UrlPath | None,
        Meta(
            description="Another path of the server, instead of `method`; without an input it is a GET.",
        ),
    ] = None
    input: Annotated[JSON | UnsetType, Meta(description="The request's body, as JSON.")] = UNSET
    input_file: Annotated[
        RepositoryPath | None,
        Meta(description="A file beside tagboat.yaml that holds the body, instead of `input`."),
    ] = None
    content_type: Annotated[ContentType, Meta(description="What the body is.")] = "application/json"
    expect: Annotated[Expect, Meta(description="What the answer must be; without it: status 200.")] = Expect()
    timeout: Annotated[Duration, Meta(description="How long the answer may take.")] = 60.0


class Server(Settings, frozen=True, kw_only=True, omit_defaults=True):
    """Settings of the model's server. An absent key leaves the server's own default, which is told here."""

    max_body: Annotated[
        Size | UnsetType, Meta(description="The largest request body; more is answered with 413. Default 16MiB.")
    ] = UNSET
    max_header: Annotated[
        Size | UnsetType, Meta(description="The largest request line and headers together. Default 32KiB.")
    ] = UNSET
    drain: Annotated[
        Duration | UnsetType,
        Meta(description="How long open connections may finish when a release is replaced. Default 30s."),
    ] = UNSET
    drain_delay: Annotated[
        Duration | UnsetType,
        Meta(description="How long the server says not ready, and still accepts, before it drains. Default 0s."),
    ] = UNSET
    concurrency: Annotated[
        Count | UnsetType,
        Meta(description="Requests in work or waiting at once; more are answered with 503. Default 1024."),
    ] = UNSET
    workers: Annotated[
        Count | Literal["auto"] | UnsetType,
        Meta(description="Processes that serve side by side; `auto`: as many as processors allow. Default 1."),
    ] = UNSET
    threads: Annotated[Count | UnsetType, Meta(description="Calls of the model that run side by side. Default 1.")] = (
        UNSET
    )
    batching: Annotated[
        Literal["auto", "on", "off"] | UnsetType,
        Meta(
            description="Whether requests that arrive together are answered by one call of the model: where that keeps "
            "every bit, always, never. Default auto."
        ),
    ] = UNSET
    blas_threads: Annotated[
        Count | UnsetType, Meta(description="Threads of one call of the model inside BLAS and OpenMP. Default 1.")
    ] = UNSET
    request_timeout: Annotated[
        Duration | UnsetType, Meta(description="How long a request may wait for the model and its answer. Default 60s.")
    ] = UNSET
    header_timeout: Annotated[
        Duration | UnsetType, Meta(description="From a request's first byte to the end of its headers. Default 10s.")
    ] = UNSET
    body_timeout: Annotated[
        Duration | UnsetType, Meta(description="From the end of the headers to the end of the body. Default 60s.")
    ] = UNSET
    keep_alive: Annotated[Duration | UnsetType, Meta(description="How long a connection may be idle. Default 75s.")] = (
        UNSET
    )
    max_connections: Annotated[Count | UnsetType, Meta(description="Open connections at once. Default 2048.")] = UNSET
    mlem_standardize: Annotated[
        bool | UnsetType,
        Meta(
            description="Whether a MLEM model's methods are `predict` and `predict_proba` with one argument `data`, as "
            "`mlem serve` shows them, or have their own names. Default true."
        ),
    ] = UNSET
    default_accept: Annotated[
        Literal[
            "auto",
            "application/json",
            "application/jsonlines",
            "text/csv",
            "application/x-npy",
            "application/vnd.apache.arrow.stream",
            "application/x-parquet",
        ]
        | UnsetType,
        Meta(
            description="What `/invocations` answers where a request asks for no type; `auto` is JSON, and JSON lines "
            "to JSON lines. Default auto."
        ),
    ] = UNSET
    grpc_port: Annotated[
        Port | UnsetType | None,
        Meta(description="A TCP port for gRPC beside HTTP's, on the same host; brings grpcio along. Default null."),
    ] = UNSET
    access_log: Annotated[bool | UnsetType, Meta(description="A line of JSON for each request. Default true.")] = UNSET

    def __post_init__(self) -> None:
        """Refuse what would serve nobody, as the server itself does."""
        for name in ("max_body", "max_header", "request_timeout", "header_timeout", "body_timeout", "keep_alive"):
            if getattr(self, name) == 0:
                raise ValueError(f"{name.replace('_', '-')} must be more than 0")
