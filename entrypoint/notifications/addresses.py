"""Where a notification may go: to a public address, by the name's answer that was looked at and by no later one.

Whoever can change tagboat.yaml could otherwise have the runner post to its own network, or to the address where a
cloud hands out credentials (P5). What is refused is judged by the address, never by how it was written.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from entrypoint.errors import ConfigurationError, RefusedError, UnreachableError

Resolve = Callable[[str, int], Sequence[str]]
"""A host's addresses. Raises `OSError` where there are none."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 behind NAT64 (RFC 6052): a way round every rule for IPv4."""

CLOUD_METADATA = frozenset(map(ipaddress.ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200")))
"""Where clouds hand out credentials; link-local ones are refused as such."""


@dataclass(frozen=True)
class Destination:
    """Where to post. ``host``: for TLS and the Host header; ``address``: what is connected to; ``path``: with its
    query. The whole is a secret, and no part of it is ever printed."""

    tls: bool
    host: str
    port: int
    path: str
    address: str


def destination(url: str, *, allow_private: bool, where: str, resolve: Resolve) -> Destination:
    """The checked destination. Raises `ConfigurationError` for what is no address of the web, `RefusedError` for one
    that must not be posted to, `UnreachableError` for a name that nobody knows."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        raise ConfigurationError("the url is no address of the web", where=where) from None
    if parts.scheme not in {"https", "http"} or not host or parts.username is not None:
        hint = "It must be https://HOST/PATH, without a user name."
        raise ConfigurationError("the url is no address of the web", where=where, hint=hint)
    try:
        addresses = resolve(host, port)
    except OSError:
        raise UnreachableError("the url's host is not known to DNS", where=where) from None
    kinds = {_judge(address) for address in addresses}
    if kinds - ({"public", "private"} if allow_private else {"public"}) or not kinds:
        hint = "" if "never" in kinds else " `allow-private: true` lets it be."
        raise RefusedError(
            "the url's host has an address that is not public", where=where,
            hint=f"Nothing was sent: the runner must not post into its own network.{hint}",
        )  # fmt: skip
    if parts.scheme == "http" and kinds != {"private"}:
        raise RefusedError("the url is not https", where=where, hint="Over the network only TLS keeps it a secret.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(parts.scheme == "https", host, port, path, addresses[0])


def by_dns(host: str, port: int) -> Sequence[str]:
    """The addresses as this machine resolves them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _judge(text: str) -> str:
    """``public``, ``private`` (this machine's, or its network's), or ``never``."""
    try:
        address = _inner(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return "never"
    if address in CLOUD_METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        return "never"
    if address.is_loopback or address.is_private:
        return "private"
    return "public" if address.is_global else "never"


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it stands for one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in TRANSLATED else address
