"""Distributions: which is whose, what is too old, and the page that tells them."""

from __future__ import annotations

import pytest

from installer.hostops import distribution
from installer.hostops.preflight import system
from installer.workflows import host_state
from tests.conftest import Golden

# As /etc/os-release has them: ID, ID_LIKE, VERSION_ID.
SEEN = [
    ("debian", "", "13", "Debian", False),
    ("debian", "", "", "Debian", False),  # the next one
    ("debian", "", "11", "Debian", True),
    ("raspbian", "debian", "12", "Debian", False),
    ("ubuntu", "debian", "24.04", "Ubuntu", False),
    ("ubuntu", "debian", "20.04", "Ubuntu", True),
    ("linuxmint", "ubuntu debian", "22", "Ubuntu", False),
    ("rhel", "fedora", "9.6", "RHEL and its kin", False),
    ("rhel", "fedora", "8.10", "RHEL and its kin", True),
    ("rocky", "rhel centos fedora", "10.1", "RHEL and its kin", False),
    ("almalinux", "rhel centos fedora", "9.0", "RHEL and its kin", False),
    ("amzn", "fedora", "2023", "RHEL and its kin", False),
    ("fedora", "", "43", "RHEL and its kin", False),
    ("sles", "suse", "15.7", "SUSE", False),
    ("sles", "suse", "15.3", "SUSE", True),
    ("opensuse-leap", "suse opensuse", "15.6", "SUSE", False),
    ("flatcar", "coreos", "4230.2.3", "Flatcar", False),
]


@pytest.mark.parametrize(("os_id", "like", "version", "title", "too_old"), SEEN)
def test_a_host_is_of_a_family(os_id: str, like: str, version: str, title: str, too_old: bool) -> None:
    """By its own name first, then by what it is built from; its age is told by its own name alone."""
    found = distribution.find(os_id, like.split())
    assert found is not None
    assert (found.title, found.is_too_old(os_id, version)) == (title, too_old)


@pytest.mark.parametrize(("os_id", "like"), [("alpine", ""), ("nixos", ""), ("arch", ""), ("unknown", "plan9")])
def test_others_are_nobodys(os_id: str, like: str) -> None:
    """Nothing is guessed."""
    assert distribution.find(os_id, like.split()) is None


def test_no_two_files_have_the_same_name() -> None:
    """Else the order of files would decide."""
    ids = [one for found in distribution.known() for one in found.ids]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("found", distribution.known(), ids=lambda found: found.title)
def test_every_program_has_a_package(found: distribution.Distribution) -> None:
    """Of those that hosts need, where anything can be installed."""
    assert set(found.packages) == (system.TOOLS if found.install else set())
    assert bool(found.installs(["nft", "ip"])) == bool(found.install)


def test_programs_of_one_package_install_it_once() -> None:
    """In one command."""
    found = distribution.find("rocky")
    assert found
    assert found.installs(["umount", "nft", "mount"]) == "dnf install -y nftables util-linux"


def test_the_modules_that_are_looked_for_are_those_that_are_loaded() -> None:
    """By the host's state and by the check."""
    assert {module.name for module in host_state.kernel().modules} == system.KERNEL_MODULES


def test_the_page_is_written_from_the_files(golden: Golden) -> None:
    """What is known of each, and what was run."""
    rows = [
        f"| {found.title} | {', '.join(f'{one} {oldest}' for one, oldest in found.ids.items())} "
        f"| {_code(found.installs(found.packages))} | {', '.join(map(_code, found.firewalls)) or '-'} |"
        for found in distribution.known()
    ]
    golden("../../docs/reference/distributions.md", _PAGE.format(rows="\n".join(rows)))


def _code(text: str) -> str:
    return f"`{text}`" if text else "nothing: it comes as a whole"


_PAGE = """# Distributions

<!-- Written from installer/hostops/distributions/*.yaml by tests/unit/hostops; GOLDEN=update writes it anew. -->

Hosts need Linux with systemd, a kernel of 5.13 or newer, and a few programs. Everything else is in the bundle,
statically linked, and goes to `/opt`, `/etc` and `/var` ([what is on a host](hosts.md)), also where `/usr` is
read-only. So little differs between distributions: a small file each in `installer/hostops/distributions/`, which
`preflight` reads to say what to do. Moorage installs no packages, and changes no firewall.

| family | names in `/etc/os-release`, from version | what brings what hosts need | firewalls that must let it pass |
| --- | --- | --- | --- |
{rows}

A distribution that is not here and says in `ID_LIKE` what it is built from counts as that; others are refused by the
check `os`, which can be ignored (`--ignore os`): the checks `systemd`, `kernel`, `modules`, `cgroups` and `tools` look
for what is needed itself.

- **Images of RHEL 10 and its kin for clouds lack `br_netfilter`.** The check `modules` says so; the package
  `kernel-modules-extra` has it, for the newest kernel, which may have to be booted.
- **SELinux**: where it is enforcing, the check `selinux` warns.
- **firewalld, ufw**: the check `firewall` refuses hosts on which they filter. Stop them, or let
  [the ports](hosts.md#ports) and the traffic of pods and Services (10.128.0.0/14, 10.127.0.0/16) pass, and
  `--ignore firewall`.
- **Flatcar** boots itself after an update: the check `reboots` warns while `locksmithd` runs.

## What was run

Debian 13 is what the end-to-end tests run on. Of the others, rendering, the choice of the file, and the checks were
tested with what their `os-release` says, and nothing was run on them.
"""
