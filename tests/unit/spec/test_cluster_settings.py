"""What may be set of a cluster's components, and how what may not is told."""

from __future__ import annotations

import pytest

from installer.spec.quantity import seconds
from tests.unit.spec.conftest import FaultsOf
from tests.unit.spec.documents import cluster


def pool(more: str) -> str:
    return cluster(pools=f"{{name: general, kind: shared, {more}}}").removeprefix("---\n")


@pytest.mark.parametrize(
    "text",
    [
        "{auditLog: true, admissionPlugins: [PodNodeSelector], eventTtl: 1h30m}",
        "{extraNames: [api.example.org, '*.example.org', 192.0.2.4]}",
        "{maxRequestsInflight: 800, maxMutatingRequestsInflight: 400, notReadyTolerationSeconds: 0}",
    ],
)
def test_settings_of_the_api_server(faults_of: FaultsOf, text: str) -> None:
    """Those that owners of clusters set elsewhere."""
    assert faults_of(cluster(spec=f"  controlPlane: {{apiServer: {text}}}").removeprefix("---\n")) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{auditLogs: true}", "unknown key; did you mean auditLog?"),
        ("{admissionPlugins: [AlwaysPullImages]}", "must be 'DenyServiceExternalIPs', "),
        ("{extraNames: [not_a_name]}", "must be a DNS name or an IPv4 address"),
        ("{eventTtl: 1d}", "must be a time, such as 90s, 5m or 1h30m"),
        ("{maxRequestsInflight: 1}", "must be greater than or equal to 50"),
        ("{authorizationMode: AlwaysAllow}", "unknown key"),
    ],
)
def test_what_may_not_be_set_of_the_api_server(faults_of: FaultsOf, text: str, fault: str) -> None:
    """Least of all what keeps clusters apart."""
    (found,) = faults_of(cluster(spec=f"  controlPlane: {{apiServer: {text}}}").removeprefix("---\n"))
    assert fault in found


@pytest.mark.parametrize(
    "text",
    [
        "taints: [{key: gpu, effect: NoSchedule}, {key: gpu, effect: NoExecute}], drainTimeout: 0s",
        "labels: {example.org/disk: fast, node-role.kubernetes.io/worker: ''}",
        "kubelet: {maxPods: 200, evictionHard: {memory.available: 5%, nodefs.available: 1Gi}}",
        "kubelet: {serializeImagePulls: false, maxParallelImagePulls: 4, registryPullQPS: 0, containerLogMaxSize: 5Mi}",
        "kubelet: {imageGCHighThresholdPercent: 70, imageGCLowThresholdPercent: 60}",
    ],
)
def test_what_may_be_set_of_a_pool(faults_of: FaultsOf, text: str) -> None:
    """By the kubelet's own names."""
    assert faults_of(pool(text)) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("taints: [{key: gpu, effect: Never}]", "taints[0].effect: must be 'NoSchedule', "),
        ("taints: [{key: gpu, effect: NoExecute}, {key: gpu, effect: NoExecute}]", "two taints have the same key"),
        ("taints: [{key: moorage.dev/x, effect: NoExecute}]", "labels and taints may not begin with moorage.dev/"),
        ("labels: {kubernetes.io/hostname: a}", "labels and taints may not begin with moorage.dev/"),
        ("drainTimeout: forever", "drainTimeout: must be a time"),
        ("kubelet: {maxPods: 300}", "kubelet.maxPods: must be less than or equal to 250"),
        ("kubelet: {imageGCHighThresholdPercent: 80}", "imageGCHighThresholdPercent must be above"),
        ("kubelet: {imageGCLowThresholdPercent: 85}", "imageGCHighThresholdPercent must be above"),
        ("kubelet: {maxParallelImagePulls: 4}", "needs serializeImagePulls: false"),
        ("kubelet: {evictionHard: {memory.available: lots}}", "must be a share such as 5%, or an amount"),
        ("kubelet: {evictionHard: {cpu.available: 5%}}", "unknown key"),
        ("kubelet: {evictionHard: {memory.available: 2Gi}}", "leaves nothing of memory"),
        ("kubelet: {anonymousAuth: true}", "unknown key"),
    ],
)
def test_what_may_not_be_set_of_a_pool(faults_of: FaultsOf, text: str, fault: str) -> None:
    """A node that would not start, or not be ours, is refused before it is made."""
    (found,) = faults_of(pool(text))
    assert fault in found


@pytest.mark.parametrize(("text", "found"), [("0s", 0), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1h1m1s", 3661)])
def test_times(text: str, found: int) -> None:
    """As Kubernetes writes them."""
    assert seconds(text) == found


@pytest.mark.parametrize("text", ["", "5", "5 m", "1m1h", "-1s"])
def test_what_is_no_time(text: str) -> None:
    """It is refused, not guessed."""
    with pytest.raises(ValueError, match="not a time"):
        seconds(text)
