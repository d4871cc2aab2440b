"""Certificates of nodes and administrators are renewed past two thirds of their life, and only then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from installer.core.secret import Secret
from installer.kubernetes import documents, hosted, kubeconfig, node_pod, rotation
from installer.kubernetes.roots import Roots
from tests.unit.kubernetes import fixed
from tests.unit.kubernetes.test_rendering import PLACE

CLUSTER = fixed.cluster()
ROOTS = Roots.generate("team-a")
OTHERS = Roots.generate("team-b")
NODE: dict[str, Any] = {"address": "10.127.0.9", "settings": fixed.settings()}


def made() -> dict[str, Any]:
    pool = CLUSTER.spec.pools[0]
    return documents.entries(node_pod.secret_document(CLUSTER, pool, "general-1", roots=ROOTS, **NODE)["data"])


@pytest.mark.parametrize(
    ("days", "roots", "renewed"), [(0, ROOTS, False), (240, ROOTS, False), (250, ROOTS, True), (0, OTHERS, True)]
)
def test_a_node_gets_new_certificates_in_place(days: int, roots: Roots, *, renewed: bool) -> None:
    """All of them together, by the clock or by another authority, which then is trusted; whatever else is in its Secret
    stays."""
    before = made() | {"made-by": Secret("an earlier release")}
    now = datetime.now(UTC) + timedelta(days=days)
    wanted = node_pod.renewed(CLUSTER, CLUSTER.spec.pools[0], "general-1", before, roots=roots, now=now, **NODE)
    assert (wanted is not None) == renewed
    if wanted is not None:
        after = documents.entries(wanted["data"])
        changed = {name for name in before if after[name] != before[name]}
        stems = ("kubelet", "kube-proxy", "flannel", "egress-proxy")
        trusted = {"ca.crt", "front-proxy-ca.crt", "authorities"} if roots is OTHERS else set()
        assert changed == {f"{stem}.{end}" for stem in stems for end in ("crt", "key")} | trusted
        assert after.keys() == before.keys()


def test_a_certificate_without_its_key_is_made_anew() -> None:
    """Somebody took an entry out of the Secret."""
    before = made()
    del before["kubelet.key"]
    wanted = node_pod.renewed(CLUSTER, CLUSTER.spec.pools[0], "general-1", before, roots=ROOTS, **NODE)
    assert wanted is not None
    assert "kubelet.key" in wanted["data"]


@pytest.mark.parametrize(
    ("days", "roots", "renewed"), [(0, ROOTS, False), (240, ROOTS, False), (250, ROOTS, True), (0, OTHERS, True)]
)
def test_the_administrators_kubeconfig_is_renewed(days: int, roots: Roots, *, renewed: bool) -> None:
    """The one before it goes on working until its end: nothing revokes it."""
    first = hosted.admin_kubeconfig("team-a", PLACE, fixed.settings(), ROOTS, seen={})
    assert first is not None
    seen, now = documents.entries(first["data"]), datetime.now(UTC) + timedelta(days=days)
    wanted = hosted.admin_kubeconfig("team-a", PLACE, fixed.settings(), roots, seen=seen, now=now)
    assert (wanted is not None) == renewed


@pytest.mark.parametrize("text", ["", "{}", '{"users": []}', '{"users": [{"user": {"client-certificate-data": "%"}}]}'])
def test_what_is_no_kubeconfig_of_ours_is_made_anew(text: str) -> None:
    """Whatever somebody wrote into the Secret."""
    seen = {"kubeconfig": Secret(text)}
    assert kubeconfig.certificate_of(seen["kubeconfig"]) == ""
    assert hosted.admin_kubeconfig("team-a", PLACE, fixed.settings(), ROOTS, seen=seen) is not None


def test_a_node_that_trusts_another_authority_besides_keeps_its_certificates() -> None:
    """They are of the one that issues still; its processes are told to start anew."""
    before, roots = made(), rotation.advanced(ROOTS)
    wanted = node_pod.renewed(CLUSTER, CLUSTER.spec.pools[0], "general-1", before, roots=roots, **NODE)
    assert wanted is not None
    after = documents.entries(wanted["data"])
    assert {name for name in after if after[name] != before.get(name)} == {
        "ca.crt",
        "front-proxy-ca.crt",
        "authorities",
    }
    assert node_pod.renewed(CLUSTER, CLUSTER.spec.pools[0], "general-1", after, roots=roots, **NODE) is None


def test_the_administrator_is_told_of_all_that_are_trusted() -> None:
    """With the certificate that there was, were it not for the authority beside the one that issues."""
    roots = rotation.advanced(ROOTS)
    first = hosted.admin_kubeconfig("team-a", PLACE, fixed.settings(), ROOTS, seen={})
    assert first is not None
    second = hosted.admin_kubeconfig("team-a", PLACE, fixed.settings(), roots, seen=documents.entries(first["data"]))
    assert second is not None
    seen = documents.entries(second["data"])
    assert kubeconfig.authority_of(seen["kubeconfig"]) == roots.authorities["kubernetes"].trusted
    assert hosted.admin_kubeconfig("team-a", PLACE, fixed.settings(), roots, seen=seen) is None
