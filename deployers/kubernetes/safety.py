"""What no template may give to a pod: the node's files and namespaces, other rights, the cluster's own identity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deployers.errors import RefusedError
from deployers.kubernetes.wire import Document

HOST = ("hostNetwork", "hostPID", "hostIPC", "hostUsers")


def check_pods(document: Document, *, where: str) -> None:
    """Raise `RefusedError` for a pod specification, wherever it stands, that asks for more than a model needs.

    After the "baseline" level of Kubernetes' pod security standards.
    """
    for path, specification in _pod_specifications(document, ""):
        for problem in _problems(specification):
            raise RefusedError(
                f"{document['kind']} {document['metadata']['name']}: {problem}", where=f"{where}: {path}"
            )


def _problems(specification: Document) -> Iterator[str]:
    yield from (f"{name} is not allowed" for name in HOST if specification.get(name))
    for volume in specification.get("volumes") or []:
        if isinstance(volume, dict) and "hostPath" in volume:
            yield "hostPath volumes are not allowed"
    yield from _confinement(specification.get("securityContext") or {})
    for group in ("containers", "initContainers", "ephemeralContainers"):
        for container in specification.get(group) or []:
            if not isinstance(container, dict):
                continue
            context = container.get("securityContext") or {}
            yield from _confinement(context)
            if context.get("privileged"):
                yield "privileged containers are not allowed"
            if context.get("allowPrivilegeEscalation"):
                yield "allowPrivilegeEscalation is not allowed"
            if (context.get("capabilities") or {}).get("add"):
                yield "added capabilities are not allowed"
            if context.get("procMount") not in {None, "Default"}:
                yield "procMount is not allowed"
            for port in container.get("ports") or []:
                if isinstance(port, dict) and port.get("hostPort"):
                    yield "hostPort is not allowed"


def _confinement(context: Document) -> Iterator[str]:
    """What loosens the node's own hold on a pod or a container."""
    for profile in ("seccompProfile", "appArmorProfile"):
        if (context.get(profile) or {}).get("type") == "Unconfined":
            yield f"{profile} Unconfined is not allowed"
    if context.get("sysctls"):
        yield "sysctls are not allowed"
    if context.get("seLinuxOptions"):
        yield "seLinuxOptions are not allowed"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "hostProcess is not allowed"


def _pod_specifications(node: Any, path: str) -> Iterator[tuple[str, Document]]:
    """Everything that has containers."""
    if isinstance(node, dict):
        if isinstance(node.get("containers"), list) or isinstance(node.get("initContainers"), list):
            yield path or ".", node
        for key, inner in node.items():
            yield from _pod_specifications(inner, f"{path}.{key}")
    elif isinstance(node, list):
        for place, inner in enumerate(node):
            yield from _pod_specifications(inner, f"{path}[{place}]")
