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
    """A bundle as far as decisions ask for it."""

    digest: str
    name: str

    @property
    def release(self) -> str:
        return self.name

    @property
    def info(self) -> Release:
        return load_release(self.name)


OLD, NEW = _Bundle("a" * 64, "2026.10"), _Bundle("b" * 64, "2026.11")


def links(digest: str) -> dict[str, str]:
    """The links of a host that runs a bundle."""
    return {layout.CURRENT: f"{layout.RELEASES}/{digest}", layout.ETCD: f"{layout.RELEASES}/{digest}"}


def _host(release: str = "", etcd: str = "") -> HostFacts:
    links = {layout.ETCD: f"{layout.RELEASES}/{etcd}"} if etcd else {}
    return facts(releases=_HAS, links=links, manifest=Manifest(units={"x": ""}, release=release))


@pytest.mark.parametrize(
    ("etcd", "bundle", "expected"),
    [
        ("", OLD, OLD),
        (OLD.digest, OLD, OLD),
        (OLD.digest, NEW, NEW),
        (NEW.digest, NEW, NEW),
        (NEW.digest, OLD, NEW),  # a host that went back, but for its etcd
        ("c" * 64, OLD, OLD),  # a bundle that is not there any more
    ],
)
def test_etcd_never_goes_back_by_itself(etcd: str, bundle: _Bundle, expected: _Bundle) -> None:
    """Its data is not read by an older one."""
    assert releases.etcd_digest(_host(etcd=etcd), bundle) == expected.digest  # type: ignore[arg-type]  # as far as used


@pytest.mark.parametrize(
    ("release", "bundle", "empty"),
    [
        (OLD.digest, NEW, True),
        (NEW.digest, NEW, False),
        (OLD.digest, _Bundle("d" * 64, "2026.10"), False),  # another build of the same versions
        ("c" * 64, NEW, True),  # nobody knows what it ran
    ],
)
def test_a_host_is_emptied_for_another_line(release: str, bundle: _Bundle, empty: bool) -> None:
    """Of the kubelet or of what runs containers; patches go in place."""
    assert releases.needs_drain(_host(release), bundle) is empty  # type: ignore[arg-type]  # as far as used


def test_data_is_copied_only_on_the_way_forward() -> None:
    """A copy of what a newer etcd has written is of no use to an older one."""
    assert releases.is_newer_etcd(_host(OLD.digest), NEW)  # type: ignore[arg-type]  # as far as used
    assert not releases.is_newer_etcd(_host(NEW.digest), OLD)  # type: ignore[arg-type]
    assert not releases.is_newer_etcd(_host(NEW.digest), NEW)  # type: ignore[arg-type]
    assert not releases.is_newer_etcd(_host("c" * 64), NEW)  # type: ignore[arg-type]


def test_names() -> None:
    """By the release where it is known, by the start of the digest where not."""
    assert releases.name_of(_host(OLD.digest)) == "2026.10"
    assert releases.name_of(_host("c" * 64)) == "cccccccccccc"
    assert releases.name_of(_host()) == ""
