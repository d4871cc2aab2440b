"""The authorities of a cluster are replaced while it is asked, and nothing of it is made anew that need not be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e import traffic
from tests.e2e.platform_under_test import PlatformUnderTest, eventually

_CLUSTER = "team-a"  # two replicas of its control plane, two nodes


@contextmanager
def _followed(example: PlatformUnderTest, asked: traffic.Asked) -> Iterator[None]:
    """A client that fetches its kubeconfig anew all the time."""
    over = threading.Event()

    def follow() -> None:
        while not over.wait(0.5):
            asked.context = traffic.api(example, _CLUSTER).context

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _dns(example: PlatformUnderTest, *words: str) -> bool:
    """Whether the API server reaches a kubelet for this."""
    return example.kubectl(_CLUSTER, "-n", "kube-system", *words, check=False).returncode == 0


def test_other_authorities_come_and_no_request_is_lost(example: PlatformUnderTest) -> None:
    """Its nodes stay, and kubelets are reached; whoever has a kubeconfig from before is refused."""
    example.reach_anew()
    nodes = example.kubectl(_CLUSTER, "get", "nodes", "-o", "name").stdout
    before = (example.folder / f"{_CLUSTER}.kubeconfig").read_text()
    asked = traffic.api(example, _CLUSTER)
    with traffic.Traffic([asked]) as running, _followed(example, asked):
        example.must("certs", "rotate", "--cluster", _CLUSTER, "--yes")
    assert asked.count > 100, "somebody asked"
    assert not running.lost
    (example.folder / "before.kubeconfig").write_text(before)
    assert example.kubectl("before", "get", "nodes", check=False).returncode != 0
    example.reach_anew()
    assert example.kubectl(_CLUSTER, "get", "nodes", "-o", "name").stdout == nodes
    coredns = "/opt/moorage/current/bin/coredns"
    eventually(
        lambda: (
            _dns(example, "logs", "deploy/coredns")
            and _dns(example, "exec", "deploy/coredns", "--", coredns, "-version")
        ),
        timeout_s=60,
        what="kubelets are reached",
    )
    shown = example.must("certs", "show", "-o", "json").json
    names = {one["name"] for one in shown if one["of"] == f"cluster {_CLUSTER}"}
    assert "authority kubernetes" in names
    assert not any(name.endswith((", next", ", before")) for name in names)
