"""Cross-checks, in a table each: what contradicts itself is told by line and path, and what does not passes."""

from __future__ import annotations

import pytest

from installer.spec.subject import Offer, ReleaseOffer
from tests.unit.spec.conftest import FaultsOf
from tests.unit.spec.documents import cluster, onprem, platform, pool

MANAGER = "{name: m1, role: manager, address: 192.0.2.1}"


@pytest.mark.parametrize("count", [1, 3, 5])
def test_odd_numbers_of_managers_pass(faults_of: FaultsOf, count: int) -> None:
    """One, three, five."""
    assert faults_of(platform(hosts=f"{{name: manager, role: manager, count: {count}}}")) == []


@pytest.mark.parametrize("count", [0, 2, 4, 6, 7])
def test_other_numbers_of_managers_do_not(faults_of: FaultsOf, count: int) -> None:
    """Even ones add nothing, more than five only slow etcd down."""
    hosts = f"{{name: manager, role: manager, count: {count}}}, {{name: w, role: worker}}"
    assert faults_of(platform(hosts=hosts)) == [
        f"6: spec.regions: {count} hosts have the role manager; 1, 3 or 5 are allowed"
    ]


def test_managers_are_counted_over_all_regions(faults_of: FaultsOf) -> None:
    """Two and one are three."""
    regions = ", ".join(
        f"{{name: {name}, provider: {{kind: local}}, hosts: [{{name: {name}-m, role: manager, count: {count}}}]}}"
        for name, count in (("one", 2), ("two", 1))
    )
    assert faults_of(platform(regions=regions)) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            platform(
                regions="{name: a, provider: {kind: local}, hosts: [{name: m, role: manager}]},"
                "{name: a, provider: {kind: local}, hosts: [{name: w, role: worker}]}"
            ),
            "6: spec.regions[1].name: another region has this name",
        ),
        (
            platform(hosts="{name: m, role: manager}, {name: m, role: worker}"),
            "6: spec.regions[0].hosts[1].name: another host has this name, or gets it when its group is counted out",
        ),
        (
            platform(
                regions="{name: a, provider: {kind: local}, hosts: [{name: m, role: manager}]},"
                "{name: b, provider: {kind: onprem}, hosts: [{name: m-1, role: worker, address: 192.0.2.1}]}"
            ),
            "6: spec.regions[1].hosts[0].name: another host has this name, or gets it when its group is counted out",
        ),
        (
            platform(name="h" * 32, hosts=f"{{name: {'m' * 30}, role: manager}}"),
            "6: spec.regions[0].hosts[0].name: is 65 characters long with the platform's name; 63 are allowed",
        ),
        (
            onprem(f"{MANAGER}, {{name: w, role: worker, address: 192.0.2.1, clusterAddress: 192.0.2.9}}"),
            "6: spec.regions[0].hosts[1].address: another host has this address and port",
        ),
        (
            onprem(f"{MANAGER}, {{name: w, role: worker, address: 192.0.2.2, clusterAddress: 192.0.2.1}}"),
            "6: spec.regions[0].hosts[1].clusterAddress: another host has this address among the hosts",
        ),
        (
            onprem("{name: m, role: manager, address: m.example.org}"),
            "6: spec.regions[0].hosts[0].address: is not an IPv4 address; give clusterAddress, too",
        ),
        (platform() + cluster() + cluster(), "17: metadata.name: another cluster has this name"),
        (platform() + cluster(name="manager"), "10: metadata.name: is reserved for Moorage and Kubernetes themselves"),
        (platform() + cluster(name="kube-x"), "10: metadata.name: is reserved for Moorage and Kubernetes themselves"),
        (
            platform() + cluster(pools=f"{pool()}, {pool()}"),
            "13: spec.pools[1].name: another pool of this cluster has this name",
        ),
    ],
)
def test_names_and_addresses_stand_for_one_thing(faults_of: FaultsOf, text: str, fault: str) -> None:
    """A name or an address that is taken is told where it stands the second time."""
    assert faults_of(text) == [fault]


def test_one_address_with_two_ports_is_two_hosts(faults_of: FaultsOf) -> None:
    """Port forwarding is common in front of machines on a bench."""
    hosts = (
        "{name: m, role: manager, address: 192.0.2.1, port: 2201, clusterAddress: 10.0.0.1},"
        "{name: w, role: worker, address: 192.0.2.1, port: 2202, clusterAddress: 10.0.0.2}"
    )
    assert faults_of(onprem(hosts)) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            platform(spec="  manager: {network: {pods: 10.0.0.0/8}}\n"),
            "7: spec.manager.network.pods: overlaps the manager's services",
        ),
        (
            onprem(MANAGER) + cluster(spec="  network: {loadBalancer: {addresses: [192.0.2.9, 192.0.2.0/30]}}\n"),
            "14: spec.network.loadBalancer.addresses[1]: overlaps the address of host m1",
        ),
        (
            platform() + cluster(spec="  network: {loadBalancer: {addresses: [10.127.255.255]}}\n"),
            "14: spec.network.loadBalancer.addresses[0]: overlaps the manager's services",
        ),
        (
            platform()
            + cluster(spec="  network: {loadBalancer: {addresses: [192.0.2.8/29]}}\n")
            + cluster(name="team-b", spec="  network: {loadBalancer: {addresses: [192.0.2.1-192.0.2.8]}}\n"),
            "22: spec.network.loadBalancer.addresses[0]: overlaps addresses of cluster team-a",
        ),
        (
            platform(spec="  manager: {network: {pods: 198.18.0.0/16}}\n"),
            "7: spec.manager.network.pods: overlaps the network of local hosts (198.18.0.0/15)",
        ),
        (
            platform() + cluster(spec="  network: {pods: 10.96.0.0/12}\n"),
            "14: spec.network.pods: overlaps the cluster's services",
        ),
        (
            platform() + cluster(spec="  network: {pods: 10.128.0.0/16}\n"),
            "14: spec.network.pods: overlaps the manager's pods",
        ),
        (
            platform() + cluster(spec="  network: {services: 10.127.4.0/24}\n"),
            "14: spec.network.services: overlaps the manager's services",
        ),
        (
            platform() + cluster(spec="  network: {services: 198.19.0.0/24}\n"),
            "14: spec.network.services: overlaps the network of local hosts (198.18.0.0/15)",
        ),
        (
            onprem("{name: m, role: manager, address: 10.128.0.7}"),
            "6: spec.regions[0].hosts[0].address: lies in the manager's pods",
        ),
        (
            platform(spec="  manager: {network: {pods: 10.128.0.0/22}}\n"),
            "7: spec.manager.network.pods: has room for 4 hosts (a /24 each), 5 are asked for",
        ),
        (
            platform() + cluster(pools=pool(count=3), spec="  network: {pods: 10.1.0.0/23}\n"),
            "14: spec.network.pods: has room for 2 nodes (a /24 each), 3 are asked for",
        ),
        (
            platform(spec="  manager: {network: {services: 10.127.0.0/29}}\n"),
            "7: spec.manager.network.services: is too small: at least a /28",
        ),
        (
            platform() + cluster(spec="  network: {services: 10.96.0.0/29}\n"),
            "14: spec.network.services: is too small: at least a /28",
        ),
        (
            platform(spec="  manager: {network: {ports: [30001, 30000]}}\n"),
            "7: spec.manager.network.ports: the first port comes after the last",
        ),
        (
            platform(spec="  manager: {network: {ports: [30000, 30000]}}\n") + cluster() + cluster(name="b"),
            "7: spec.manager.network.ports: 1 ports are too few for 2 clusters",
        ),
    ],
)
def test_ranges_are_apart_and_large_enough(faults_of: FaultsOf, text: str, fault: str) -> None:
    """The fault stands at the range that can be changed and names the other."""
    assert faults_of(text) == [fault]


def test_ranges_of_different_clusters_may_be_the_same(faults_of: FaultsOf) -> None:
    """No packet of one cluster enters another."""
    assert faults_of(platform() + cluster() + cluster(name="team-b")) == []


def test_the_network_of_local_hosts_is_free_where_there_are_none(faults_of: FaultsOf) -> None:
    """It is taken only on a machine that carries local hosts."""
    assert faults_of(onprem(MANAGER, spec="  manager: {network: {pods: 198.18.0.0/16}}\n")) == []


LIMITED = "{name: m, role: manager, cpu: 64, memory: 64Gi}, {name: w, role: worker, count: 2, cpu: 4, memory: 8Gi}"
CARRY = "the clusters' pools ask for"


@pytest.mark.parametrize(
    ("hosts", "pools", "faults"),
    [
        (LIMITED, pool(count=8), []),
        (LIMITED, pool(count=9), [f"6: spec.regions: {CARRY} 18 GiB of memory, the hosts that carry them have 16 GiB"]),
        (LIMITED, pool(count=40, cpu="4", memory="100Mi"), []),
        (LIMITED, pool(count=41, cpu="4", memory="100Mi"),
         [f"6: spec.regions: {CARRY} 164 CPU, the hosts that carry them have 8, which may be given away 20 times"]),
        (LIMITED, pool(count=1, cpu="4.5"), ["13: spec.pools[0]: a node of this pool is larger than every host"]),
        (LIMITED, pool(count=1, memory="9Gi"), ["13: spec.pools[0]: a node of this pool is larger than every host"]),
        (LIMITED, pool(count=0, memory="9Gi"), []),
        ("{name: m, role: manager}, {name: w, role: worker, cpu: 1, memory: 1Gi}, {name: x, role: worker}", pool(), []),
        ("{name: m, role: manager, cpu: 1, memory: 3Gi}", pool(),
         [f"6: spec.regions: {CARRY} 4 GiB of memory, the hosts that carry them have 3 GiB"]),
    ],
)  # fmt: skip
def test_pools_fit_as_far_as_limits_are_known(faults_of: FaultsOf, hosts: str, pools: str, faults: list[str]) -> None:
    """Workers carry the nodes, managers where there are none; a host without limits leaves the answer to facts."""
    assert faults_of(platform(hosts=hosts) + cluster(pools=pools)) == faults


OFFER = Offer({"2026.10": ReleaseOffer("1.36.3", ("1.36.3",)), "2026.11": ReleaseOffer("1.37.2", ("1.36.3", "1.37.2"))})


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (platform() + cluster(version="1.37.2"), []),
        (
            platform().replace("2026.11", "2027.01"),
            ["5: spec.release: there is no such release; there are 2026.10, 2026.11"],
        ),
        (
            platform() + cluster(version="1.35.1"),
            ["12: spec.version: release 2026.11 does not offer this version; it offers 1.36.3, 1.37.2"],
        ),
        (
            platform().replace("2026.11", "2026.10") + cluster(version="1.37.2"),
            ["12: spec.version: release 2026.10 does not offer this version; it offers 1.36.3"],
        ),
    ],
)
def test_versions_are_those_that_the_release_offers(faults_of: FaultsOf, text: str, faults: list[str]) -> None:
    """What there is instead is told."""
    assert faults_of(text, OFFER) == faults


def test_without_an_offer_versions_are_not_judged(faults_of: FaultsOf) -> None:
    """Releases belong to a higher layer."""
    assert faults_of(platform().replace("2026.11", "2099.01")) == []


_DEDICATED = "{name: m, role: manager}, {name: w, role: worker}, {name: metal, role: dedicated, count: 2}"


@pytest.mark.parametrize(
    ("pools", "told"),
    [
        ("{name: a, kind: dedicated, hosts: [metal-1, metal-2]}", []),
        ("{name: a, kind: dedicated, hosts: []}", []),
        ("{name: a, kind: dedicated, hosts: [metal-3]}", ["spec.pools[0].hosts[0]: is no host of the platform"]),
        (
            "{name: a, kind: dedicated, hosts: [metal-1, w-1]}",
            ["spec.pools[0].hosts[1]: has the role worker; only hosts with the role dedicated can be taken"],
        ),
        (
            "{name: a, kind: dedicated, hosts: [metal-1]}, {name: b, kind: dedicated, hosts: [metal-1]}",
            ["spec.pools[1].hosts[0]: is in pool a of cluster team-a already"],
        ),
        ("{name: a, kind: dedicated, hosts: [metal-1, metal-1]}", ["spec.pools[0]: a host is named twice"]),
        ("{name: a, kind: dedicated, hosts: [metal-1], count: 1}", ["spec.pools[0].count: unknown key"]),
        ("{name: a, kind: dedicated}", ["spec.pools[0].hosts: is required"]),
        ("{name: a, hosts: [metal-1]}", ["spec.pools[0]: kind is required"]),
    ],
)
def test_hosts_of_dedicated_pools(faults_of: FaultsOf, pools: str, told: list[str]) -> None:
    """They are there, for that, and in one pool only."""
    found = faults_of(platform(hosts=_DEDICATED) + cluster(pools=pools))
    assert [line.split(": ", 1)[1] for line in found] == told


@pytest.mark.parametrize(
    ("between", "pools", "faults"),
    [("existing", "both", 0), ("wireguard", "both", 1), ("wireguard", "dedicated", 0), ("wireguard", "shared", 0)],
)
def test_wireguard_does_not_lead_dedicated_hosts_to_node_pods(
    faults_of: FaultsOf, between: str, pools: str, faults: int
) -> None:
    """Their way there is VXLAN; clusters of one kind of nodes have none to go."""
    spec = f"  manager: {{network: {{between: {between}}}}}\n"
    dedicated = "{name: metal, kind: dedicated, hosts: [metal-1]}"
    chosen = {"dedicated": dedicated, "shared": pool(), "both": f"{pool()}, {dedicated}"}[pools]
    found = faults_of(platform(hosts=_DEDICATED, spec=spec) + cluster(pools=chosen))
    assert len([line for line in found if "does not join" in line]) == len(found) == faults


def test_dedicated_hosts_carry_no_node_pods(faults_of: FaultsOf) -> None:
    """What they have does not count for shared pools."""
    hosts = "{name: m, role: manager, cpu: 2, memory: 2Gi}, {name: metal, role: dedicated, cpu: 64, memory: 256Gi}"
    found = faults_of(platform(hosts=hosts) + cluster(pools=pool(memory="4Gi")))
    assert any("larger than every host" in line for line in found)
