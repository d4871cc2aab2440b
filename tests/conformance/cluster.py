"""A cluster that is judged: its nodes have the suite's images, and its pods are let in by every node."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from installer.bundle.bundle import Bundle
from tests.conformance import suite
from tests.conformance.run import Results, Target, run
from tests.conformance.suite import Suite
from tests.e2e.platform_under_test import PlatformUnderTest

_CTR = ("/opt/moorage/current/bin/ctr", "-n", "k8s.io", "images", "import", "-")


def bring(platform: PlatformUnderTest, cluster: str, images: Path) -> None:
    """Put the images into the containerd of every node."""
    where = ("-n", f"cluster-{cluster}")
    pods = platform.kubectl("manager", *where, "get", "pods", "-l", "moorage.dev/part=node", "-o", "name")
    content = images.read_bytes()
    for pod in pods.stdout.decode().split():
        platform.kubectl("manager", *where, "exec", "-i", pod, "--", *_CTR, stdin=content)


def judge(
    platform: PlatformUnderTest, cluster: str, built: Suite, wanted: Collection[str], report: Path, *, at_once: int
) -> Results:
    """Run these tests as the cluster's administrator."""
    report.mkdir(parents=True, exist_ok=True)
    kubeconfig = report / "kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(platform.must("cluster", "kubeconfig", cluster).stdout)
    kubectl = report / "kubectl"  # its name is looked at
    kubectl.unlink(missing_ok=True)
    kubectl.symlink_to(Bundle.load("2026.11").path(f"kubernetes/{suite.VERSION}/kubectl"))
    try:
        return run(built, Target(kubeconfig, kubectl, report), wanted, at_once=at_once)
    finally:
        kubeconfig.unlink()
