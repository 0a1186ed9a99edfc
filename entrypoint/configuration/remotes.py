"""A DVC remote, in DVC's own keys (dvc 3.67, ``dvc remote modify``): those that cannot run anything.

``configpath`` and its like are missing on purpose: an AWS file that they name may hold ``credential_process``, which
runs a shell (FACTS, C1).
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from deployers.settings import Connection, Secret

Seconds = Annotated[float, Meta(ge=0)]
Port = Annotated[int, Meta(ge=1, le=65535)]


class Remote(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Keys that are absent come from .dvc/config where it has a remote of the same name."""

    url: Annotated[
        Connection | None,
        Meta(description="Where it is: `s3://…`, `https://…`, `gs://…`, `azure://…`, `ssh://…`, a folder."),
    ] = None
    # s3
    endpointurl: Annotated[Connection | None, Meta(description="S3: the address of a service that is not AWS.")] = None
    region: Annotated[Connection | None, Meta(description="S3: the region.")] = None
    profile: Annotated[Connection | None, Meta(description="S3: a profile of the runner's own AWS configuration.")] = (
        None
    )
    access_key_id: Annotated[Secret | None, Meta(description="S3: access key.")] = None
    secret_access_key: Annotated[Secret | None, Meta(description="S3: secret key.")] = None
    session_token: Annotated[Secret | None, Meta(description="S3: session token.")] = None
    allow_anonymous_login: Annotated[bool | None, Meta(description="S3, Azure: no credentials at all.")] = None
    use_ssl: Annotated[bool | None, Meta(description="S3: false for plain HTTP to `endpointurl`.")] = None
    # http
    auth: Annotated[str | None, Meta(description="HTTP: `basic` or `custom`.")] = None
    user: Annotated[Connection | None, Meta(description="HTTP, SSH: the user.")] = None
    password: Annotated[Secret | None, Meta(description="HTTP, SSH: the password.")] = None
    custom_auth_header: Annotated[str | None, Meta(description="HTTP: the header for `auth: custom`.")] = None
    read_timeout: Annotated[Seconds | None, Meta(description="S3, HTTP: seconds until an answer.")] = None
    connect_timeout: Annotated[Seconds | None, Meta(description="S3, HTTP: seconds until a connection.")] = None
    ssl_verify: Annotated[
        bool | Connection | None, Meta(description="S3, HTTP: false for no check, or a CA bundle on the runner.")
    ] = None
    # gs
    projectname: Annotated[Connection | None, Meta(description="GCS: the project.")] = None
    credentialpath: Annotated[
        Connection | None, Meta(description="GCS: a service account's file on the runner; an absolute path.")
    ] = None
    # azure
    account_name: Annotated[Connection | None, Meta(description="Azure: the storage account.")] = None
    account_key: Annotated[Secret | None, Meta(description="Azure: its key.")] = None
    sas_token: Annotated[Secret | None, Meta(description="Azure: a shared access signature.")] = None
    connection_string: Annotated[Secret | None, Meta(description="Azure: a connection string.")] = None
    tenant_id: Annotated[Connection | None, Meta(description="Azure: the service principal's tenant.")] = None
    client_id: Annotated[Connection | None, Meta(description="Azure: the service principal.")] = None
    client_secret: Annotated[Secret | None, Meta(description="Azure: its secret.")] = None
    connection_timeout: Annotated[Seconds | None, Meta(description="Azure: seconds until a connection.")] = None
    # ssh
    port: Annotated[Port | None, Meta(description="SSH: the port.")] = None
    keyfile: Annotated[
        Connection | None, Meta(description="SSH: a private key's file on the runner; an absolute path.")
    ] = None
    passphrase: Annotated[Secret | None, Meta(description="SSH: that key's passphrase.")] = None
    timeout: Annotated[Seconds | None, Meta(description="SSH, Azure: seconds until an answer.")] = None
    allow_agent: Annotated[bool | None, Meta(description="SSH: whether the runner's SSH agent may be asked.")] = None
    gss_auth: Annotated[bool | None, Meta(description="SSH: log in by Kerberos.")] = None
