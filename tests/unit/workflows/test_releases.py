"""What follows from the releases that a host has and runs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from installer.bundle.release import Release, load_release
from installer.core import layout
from installer.hostops.facts import HostFacts, Manifest
from installer.workflows import releases
from tests.unit.hostops.hosts import facts

_HAS = {"a" * 64: "2026.10", "b" * 64: "2026.11"}


@dataclass(frozen=True)
class _Bundle:
    digest: str
    name: str

    @property
    def info(self) -> Release:
        return load_release(self.name)


_OLD, _NEW = _Bundle("a" * 64, "2026.10"), _Bundle("b" * 64, "2026.11")


def _host(release: str = "", etcd: str = "") -> HostFacts:
    links = {layout.ETCD: f"{layout.RELEASES}/{etcd}"} if etcd else {}
    return facts(releases=_HAS, links=links, manifest=Manifest(units={"x": ""}, release=release))


@pytest.mark.parametrize(
    ("etcd", "bundle", "expected"),
    [
        ("", _OLD, _OLD),
        (_OLD.digest, _OLD, _OLD),
        (_OLD.digest, _NEW, _NEW),
        (_NEW.digest, _NEW, _NEW),
        (_NEW.digest, _OLD, _NEW),  # a host that went back, but for its etcd
        ("c" * 64, _OLD, _OLD),  # a bundle that is not there any more
    ],
)
def test_etcd_never_goes_back_by_itself(etcd: str, bundle: _Bundle, expected: _Bundle) -> None:
    """Its data is not read by an older one."""
    assert releases.etcd_digest(_host(etcd=etcd), bundle) == expected.digest  # type: ignore[arg-type]  # as far as used


@pytest.mark.parametrize(
    ("release", "bundle", "empty"),
    [
        (_OLD.digest, _NEW, True),
        (_NEW.digest, _NEW, False),
        (_OLD.digest, _Bundle("d" * 64, "2026.10"), False),  # another build of the same versions
        ("c" * 64, _NEW, True),  # nobody knows what it ran
    ],
)
def test_a_host_is_emptied_for_another_line(release: str, bundle: _Bundle, empty: bool) -> None:
    """Of the kubelet or of what runs containers; patches go in place."""
    assert releases.needs_empty_host(_host(release), bundle) is empty  # type: ignore[arg-type]  # as far as used


def test_names() -> None:
    """By the release where it is known, by the start of the digest where not."""
    assert releases.name_of(_host(_OLD.digest)) == "2026.10"
    assert releases.name_of(_host("c" * 64)) == "cccccccccccc"
    assert releases.name_of(_host()) == ""
