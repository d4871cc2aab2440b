"""Every preflight check: what it finds, and what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from installer.core.errors import SshError
from installer.hostops import preflight
from installer.hostops.facts import Disk, Manifest
from installer.hostops.peers import Reached
from installer.hostops.preflight import HOSTS, Machine, Report, Severity, regions, require_ignorable
from tests.conftest import Golden
from tests.unit.hostops.hosts import GIB, facts, machine, other


def run_checks(hosts: tuple[Machine, ...], ignore: frozenset[str] = frozenset()) -> Report:
    """All checks of hosts."""
    return Report(HOSTS.run(hosts, ignore))


def away(ms: float | None, *, role: str = "manager", region: str = "south", **changed: object) -> Machine:
    """The host called two in another region than one's, which it reaches in so many milliseconds and back."""
    found = replace(other(), role=role, region=region, peers={"one": Reached(round_trip_ms=ms)})
    return replace(found, **changed)  # type: ignore[arg-type]


NORTH = replace(machine(), region="north")
PUBLIC = {"address": "1.1.1.1", "facts": other(addresses=(("eth0", "1.1.1.1/24"),)).facts}
OURS = Manifest(units={"kubelet.service": "x"})

# Check -> hosts that it finds something on.
BAD: Mapping[str, tuple[Machine, ...]] = {
    "reach": (replace(machine(), facts=SshError("no route to host", hint="is it up?")),),
    "root": (machine(uid=1000),),
    "os": (machine(os_id="plan9", os_name="Plan 9"),),
    "arch": (machine(arch="riscv64"),),
    "systemd": (machine(init="openrc-init"),),
    "kernel": (machine(kernel="5.4.0-216-generic"),),
    "cgroups": (machine(cgroup_controllers=frozenset({"cpu", "pids"})),),
    "cgroup-v1": (machine(cgroup_version=1),),
    "filesystems": (machine(container="podman", filesystems=frozenset({"ext4"})),),
    "inotify": (machine(container="podman", sysctls={"fs.inotify.max_user_instances": "128"}),),
    "tools": (machine(tools=frozenset({"ip", "mount", "umount", "tar", "sha256sum", "systemctl", "sysctl"})),),
    "swap": (machine(swap=2 * GIB),),
    "leftovers": (machine(leftovers=("/etc/kubernetes/kubelet.conf",), leftover_units=("k3s.service",)),),
    "cpu": (machine(cpus=1),),
    "memory": (machine(memory=GIB),),
    "disk": (machine(disks={"/": Disk(20 * GIB, 2 * GIB)}),),
    "ports": (machine(ports=frozenset({22, 6443}), listeners={6443: "haproxy"}),),
    "forwarding": (machine(container="podman", sysctls={"net.ipv4.ip_forward": "0"}),),
    "mtu": (machine(), other(mtus={"eth0": 1450})),
    "address": (machine(addresses=(("eth0", "192.0.2.99/24"),)),),
    "unique": (machine(), other(machine_id="1" * 32)),
    "clock": (machine(), other(), replace(other(clock_offset_s=7.0, hostname="three"), name="three")),
    "peers": (replace(machine(), peers={"two": Reached(problem="port 22: no answer within 3 s")}), other()),
    "wireguard": (replace(machine(), encrypted=True), replace(other(container="podman"), encrypted=True)),
    "cleartext": (NORTH, away(10, **PUBLIC)),
    "packet-size": (NORTH, replace(away(10), peers={"one": Reached(carries=1400)})),
    "etcd-round-trip": (NORTH, away(130)),
    "etcd-round-trip-pace": (NORTH, away(100)),
    "distance": (NORTH, away(301, role="worker")),
}
# Hosts that look bad and are not.
GOOD: Mapping[str, tuple[Machine, ...]] = {
    "nothing is wrong": (machine(), other()),
    "a worker is small": (other(cpus=1, memory=int(1.1 * GIB)),),
    "what listens is ours": (machine(ports=frozenset({6443}), manifest=OURS),),
    "what is left over is ours": (machine(leftovers=("/etc/cni/net.d",), etcd_data=True, manifest=OURS),),
    "the disk is full of ours": (machine(disks={"/": Disk(20 * GIB, 2 * GIB)}, manifest=OURS),),
    "a worker does not need the managers' ports": (other(ports=frozenset({2379}), listeners={2379: "other"}),),
    "a container has its machine's cgroups": (machine(cgroup_version=1, container="podman"),),
    "the kernel has WireGuard": (replace(machine(wireguard=True), encrypted=True),),
    "one region has public addresses": (replace(machine(), region="south"), away(10, **PUBLIC)),
    "what goes over public addresses is encrypted": (
        replace(machine(wireguard=True), region="north", encrypted=True),
        away(
            10, **{**PUBLIC, "facts": other(addresses=(("eth0", "1.1.1.1/24"),), wireguard=True).facts}, encrypted=True
        ),
    ),
    "managers of two regions are near": (NORTH, away(50)),
    "managers of one region": (NORTH, away(400, region="north")),
    "a worker is further away than a manager may be": (NORTH, away(120, role="worker")),
    "packets pass whole": (NORTH, replace(away(10), peers={"one": Reached(carries=1500)})),
    "nothing was measured": (NORTH, away(None)),
    "clocks differ less than the round trip tells": (machine(), other(clock_offset_s=2.4, round_trip_s=1.0)),
}


def test_every_check_has_a_case() -> None:
    """A new check comes with one."""
    assert {result.name for result in run_checks(()).results} == set(BAD)


@pytest.mark.parametrize("name", BAD)
def test_it_finds(name: str) -> None:
    """Only this check finds something, and it names a host and what is wanted."""
    found = [result for result in run_checks(BAD[name]).results if result.findings]
    assert name in {result.name for result in found}
    for finding in next(result for result in found if result.name == name).findings:
        assert finding.host in {"one", "two", "three", "region north"}
        assert finding.seen
        assert finding.wanted


@pytest.mark.parametrize("hosts", GOOD.values(), ids=GOOD)
def test_it_finds_nothing(hosts: tuple[Machine, ...]) -> None:
    """What only looks bad is left alone."""
    assert [result.name for result in run_checks(hosts).results if result.findings] == []


def test_what_it_says(golden: Golden) -> None:
    """Each sentence, as users read it."""
    lines = []
    for name, hosts in BAD.items():
        result = next(result for result in run_checks(hosts).results if result.name == name)
        lines += [f"{name} ({result.severity}): {json.dumps(vars(finding))}" for finding in result.findings]
    golden("hostops/preflight.txt", "\n".join(lines) + "\n")


def test_an_ignored_check_does_not_fail_the_report() -> None:
    """It is still in it."""
    hosts = BAD["disk"]
    assert run_checks(hosts).failed
    report = run_checks(hosts, ignore=frozenset({"disk"}))
    assert not report.failed
    assert [result.name for result in report.results if result.findings] == ["disk"]


def test_a_warning_does_not_fail_the_report() -> None:
    """Swap is a bad idea, not a fault."""
    report = run_checks(BAD["swap"])
    assert not report.failed
    assert next(r for r in report.results if r.name == "swap").severity is Severity.WARNING


@pytest.mark.parametrize(("name", "said"), [("nosuch", "there is no preflight check nosuch"), ("reach", "cannot be")])
def test_what_cannot_be_ignored_is_refused(name: str, said: str) -> None:
    """A misspelt name must not pass for consent."""
    with pytest.raises(ValueError, match=said):
        require_ignorable(frozenset({name}), HOSTS.registered)


def test_hosts_of_which_nothing_is_known_are_only_not_reached() -> None:
    """No other check guesses about them."""
    unreachable = replace(machine(), facts=SshError("timed out"))
    assert [result.name for result in run_checks((unreachable, other())).results if result.findings] == ["reach"]


def test_the_package_registers_all_checks() -> None:
    """Importing it is enough."""
    assert preflight.__doc__
    assert facts().uid == 0


@pytest.mark.parametrize(("address", "role"), [("1.1.1.1", "dedicated"), ("1.1.1.1", "worker")])
def test_whoever_cannot_encrypt_is_not_told_to(address: str, role: str) -> None:
    """A dedicated host has no WireGuard: what its pods send is refused beside hosts that have, too."""
    there = away(10, **{**PUBLIC, "address": address}, role=role)
    encrypted = replace(machine(wireguard=True), region="north", encrypted=True)
    (found,) = [r.findings for r in run_checks((encrypted, there)).results if r.name == "cleartext"]
    assert [("wireguard" in finding.wanted) for finding in found] == [role == "worker"]


def test_round_trips_are_the_shortest_between_two_regions() -> None:
    """Whoever measured it; what is in one region, or was not measured, is none."""
    third = replace(other(), name="three", region="north", peers={"one": Reached(round_trip_ms=1), "two": Reached()})
    one = replace(NORTH, peers={"two": Reached(round_trip_ms=31), "three": Reached(round_trip_ms=2)})
    assert regions.round_trips((one, away(29.5), third)) == {("north", "south"): 29.5}


def test_the_shorter_way_between_two_managers_counts() -> None:
    """The other one waited for something else."""
    one = replace(NORTH, peers={"two": Reached(round_trip_ms=140)})
    found = [r.name for r in run_checks((one, away(60))).results if r.findings]
    assert found == ["etcd-round-trip-pace"]
