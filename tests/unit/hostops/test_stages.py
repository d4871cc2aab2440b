"""In which order a host that serves is changed."""

from __future__ import annotations

import pytest

from installer.hostops import stages
from installer.hostops.diff import Act, HostChange

_FILES = (HostChange(Act.WRITE, "/etc/x"), HostChange(Act.LINK, "/opt/moorage/current"))
_GONE = HostChange(Act.STOP, "old.service")


def _restart(*names: str) -> tuple[HostChange, ...]:
    return tuple(HostChange(Act.RESTART, f"{name}.service") for name in names)


CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "etcd comes first, alone": (
        ("kubelet", "kube-apiserver", "etcd", "kube-scheduler"),
        ("etcd",),
        ("kubelet", "kube-apiserver", "kube-scheduler"),
    ),
    "then the API server": (
        ("kubelet", "kube-scheduler", "kube-apiserver"),
        ("kube-apiserver",),
        ("kubelet", "kube-scheduler"),
    ),
    "then what drives the cluster": (
        ("kubelet", "kube-scheduler", "kube-controller-manager"),
        ("kube-scheduler", "kube-controller-manager"),
        ("kubelet",),
    ),
    "the node's own parts at once": (("kubelet", "containerd", "flannel"), ("kubelet", "containerd", "flannel"), ()),
    "nothing to start": ((), (), ()),
}


@pytest.mark.parametrize(("units", "now", "later"), CASES.values(), ids=CASES)
def test_first_stage(units: tuple[str, ...], now: tuple[str, ...], later: tuple[str, ...]) -> None:
    """Files, links and what is to stop come with the first stage, whichever that is."""
    stage = stages.first((_GONE, *_FILES, *_restart(*units)))
    assert stage.units == now
    assert stage.now == (_GONE, *_FILES, *_restart(*now))
    assert stage.later == _restart(*later)
