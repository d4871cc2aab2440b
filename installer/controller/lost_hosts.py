"""Pods on hosts that do not answer: deleted once their host is given up, and let go once somebody waits for that."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from lightkube.resources.core_v1 import Node, Pod

from installer.controller.manager_api import Api, is_ready, meta_of


def leave(api: Api, namespace: str, hosts: Collection[str]) -> str:
    """Have what is in a namespace made elsewhere that is on these hosts; returns those that were left, for people."""
    pods: list[Any] = api.list(Pod, namespace) if hosts else []
    there = [pod for pod in pods if pod.spec.nodeName in hosts and meta_of(pod).deletionTimestamp is None]
    for pod in there:
        api.delete(Pod, pod.metadata.name, namespace)
    return ", ".join(sorted({pod.spec.nodeName for pod in there}))


def release_pods(api: Api, namespace: str) -> str:
    """Let the deleted pods of a namespace go whose host is lost; returns those hosts, for people.

    Only for what may run on for a while where nobody sees it: the kubelet of a host that comes back ends it.
    """
    pods: list[Any] = [pod for pod in api.list(Pod, namespace) if meta_of(pod).deletionTimestamp is not None]
    lost = stranded(pods, api.list(Node)) if pods else []
    for pod in lost:
        api.delete(Pod, pod.metadata.name, namespace, grace_s=0)
    return ", ".join(sorted({pod.spec.nodeName for pod in lost}))


def stranded(pods: Iterable[Any], nodes: Iterable[Any]) -> list[Any]:
    """The pods (lightkube) that are bound to a node which is not ready, or is not there."""
    alive = {meta_of(node).name for node in nodes if is_ready(node)}
    return [pod for pod in pods if pod.spec.nodeName and pod.spec.nodeName not in alive]
