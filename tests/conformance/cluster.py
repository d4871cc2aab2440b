"""A cluster that is judged: its nodes have the suite's images, and its pods are let in by every node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from installer.bundle.bundle import Bundle
from tests.conformance import suite
from tests.conformance.run import Target
from tests.e2e.platform_under_test import PlatformUnderTest

_CTR = ("/opt/moorage/current/bin/ctr", "-n", "k8s.io", "images", "import", "-")


def bring(platform: PlatformUnderTest, cluster: str, images: Path) -> None:
    """Put the images into the containerd of every node."""
    where = ("-n", f"cluster-{cluster}")
    pods = platform.kubectl("manager", *where, "get", "pods", "-l", "moorage.dev/part=node", "-o", "name")
    content = images.read_bytes()
    for pod in pods.stdout.decode().split():
        platform.kubectl("manager", *where, "exec", "-i", pod, "--", *_CTR, stdin=content)


@contextmanager
def judged(platform: PlatformUnderTest, cluster: str, report: Path) -> Iterator[Target]:
    """The cluster as its administrator sees it; from here on the manager is not asked any more."""
    report.mkdir(parents=True, exist_ok=True)
    kubeconfig = report / "kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(platform.must("cluster", "kubeconfig", cluster).stdout)
    kubectl = report / "kubectl"  # its name is looked at
    kubectl.unlink(missing_ok=True)
    kubectl.symlink_to(Bundle.load("2026.11").path(f"kubernetes/{suite.VERSION}/kubectl"))
    try:
        yield Target(kubeconfig, kubectl, report)
    finally:
        kubeconfig.unlink()
