"""The table of ports: the reference has it, and it knows the ports that programs are told to use."""

from __future__ import annotations

from pathlib import Path

from installer.bundle import distribute
from installer.kubernetes import egress, etcd, host, node
from installer.spec.platform import ManagerNetwork
from installer.spec.ports import Port, Source, ports

_PAGE = Path(__file__).parents[3] / "docs" / "reference" / "hosts.md"
_ON = {
    ("manager", "worker", "dedicated"): "all",
    ("manager", "worker"): "managers, workers",
    ("manager",): "managers",
    ("dedicated",): "dedicated hosts",
}
_HEAD = "| port | what | on | from |\n| --- | --- | --- | --- |\n"


def _rows(found: list[Port]) -> str:
    return "".join(
        f"| {one.range} {one.protocol.upper()} | {one.what} | {_on(one)} | {', '.join(one.sources)} |\n"
        for one in found
    )


def _on(port: Port) -> str:
    return _ON[port.on]


def test_the_reference_has_the_table() -> None:
    """Row by row, as firewalls of clouds are made from it; what is missing there is in the error."""
    assert _HEAD + _rows(list(ports(ManagerNetwork()))) in _PAGE.read_text()


def test_programs_listen_where_the_table_says() -> None:
    """Each port of a program of ours that others connect to is in it."""
    known = {number for one in ports(ManagerNetwork()) for number in (one.first, one.last)}
    assert known >= {host.API_PORT, etcd.CLIENT_PORT, etcd.PEER_PORT, node.KUBELET_PORT, distribute.PORT}
    assert known >= {node.VXLAN_PORT, node.NETWORK_READY_PORT, egress.PORT}


def test_wireguard_takes_the_place_of_vxlan() -> None:
    """Between hosts of the manager nothing else carries pods' packets then."""
    usual, encrypted = (set(ports(ManagerNetwork(between=way))) for way in ("existing", "wireguard"))
    assert [one.first for one in usual - encrypted] == [node.VXLAN_PORT]
    found = {(one.first, one.protocol, one.on) for one in encrypted - usual}
    assert found == {
        (node.WIREGUARD_PORT, "udp", ("manager", "worker")),
        (node.VXLAN_PORT, "udp", ("dedicated",)),  # of a cluster's own nodes, from each other alone
    }


def test_ports_of_clusters_are_the_platforms_choice() -> None:
    """As `spec.manager.network.ports` has them."""
    *_, last = ports(ManagerNetwork(ports=(31000, 31999)))
    assert (last.range, last.sources) == ("31000-31999", (Source.YOU, Source.DEDICATED, Source.USERS))


def test_behind_a_balancer_users_are_let_to_managers_alone() -> None:
    """Those that it leads to; whoever runs moorage, and dedicated hosts, reach all as before."""
    *_, managers, workers = ports(ManagerNetwork(), balanced=True)
    assert (managers.on, Source.USERS in managers.sources) == (("manager",), True)
    assert (workers.on, workers.sources) == (("worker",), (Source.YOU, Source.DEDICATED))
    assert managers.range == workers.range == "30000-32767"
