"""Check the hosts, and the platform that they carry, without changing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from installer.core.errors import InfrastructureError, InstallerError, SpecError
from installer.hostops import facts, peers
from installer.hostops import preflight as checks
from installer.hostops.facts import HostFacts
from installer.hostops.preflight import Machine, Report
from installer.spec import ports
from installer.spec.contract import HostOutput
from installer.spec.platform import ManagerNetwork
from installer.transport.connection import Connection
from installer.transport.fleet import fan_out
from installer.workflows import checks as platform_checks
from installer.workflows import dedicated_hosts
from installer.workflows.session import Session


def preflight(session: Session, ignore: frozenset[str], *, of_platform: bool = True) -> Report:
    """All checks on all hosts there are, in one report; raises SpecError for a name that cannot be ignored.

    `of_platform`: with those of the platform, where the hosts carry one.

    Before the first `up` the hosts are those that the specification gives by address. Raises InfrastructureError when
    there are none: none is not the same as all well.
    """
    _require_ignorable(ignore)
    network = session.platform.spec.manager.network
    if session.hosts:
        machines = _machines(
            network,
            dedicated_hosts.in_use(session),
            lambda host: session.connection(host.name),
            lambda host: session.facts(host.name),
        )
    elif given := session.given():
        ways = session.given_connection
        machines = _machines(network, given, ways, lambda host: facts.gather(ways(host)))
    else:
        raise InfrastructureError(
            "there are no hosts to check yet",
            hint="`moorage up` provides them, and checks them all before it changes anything on one",
        )
    results = checks.HOSTS.run(machines, ignore)
    if of_platform and any(seen.manifest.release for _, seen in checks.known(machines)):
        results += platform_checks.PLATFORM.run(platform_checks.look(session, machines), ignore)
    return Report(results, checks.regions.round_trips(machines))


def _require_ignorable(ignore: frozenset[str]) -> None:
    try:
        checks.require_ignorable(ignore, (*checks.HOSTS.registered, *platform_checks.PLATFORM.registered))
    except ValueError as exc:
        raise SpecError(str(exc)) from exc


def _machines(
    network: ManagerNetwork,
    hosts: Mapping[str, HostOutput],
    connection: Callable[[HostOutput], Connection],
    look: Callable[[HostOutput], HostFacts],
) -> tuple[Machine, ...]:
    places = [peers.Place(name=host.name, role=host.role, region=host.region) for host in hosts.values()]
    chosen = peers.chosen(places)

    def machine(name: str) -> Machine:
        host = hosts[name]
        found: Mapping[str, peers.Reached] = {}
        seen: HostFacts | InstallerError
        try:
            seen = look(host)
            size = seen.mtu_of(str(host.cluster_address))
            found = peers.reach(connection(host), {o: _peer(host, hosts[o], network, size) for o in chosen[name]})
        except InstallerError as exc:
            seen = exc
        return Machine(
            name=name,
            role=host.role,
            address=str(host.cluster_address),
            facts=seen,
            region=host.region,
            encrypted=network.between == "wireguard" and host.role != "dedicated",
            peers=found,
        )

    return tuple(m for m in fan_out(tuple(hosts), machine).values() if isinstance(m, Machine))


def _peer(host: HostOutput, other: HostOutput, network: ManagerNetwork, size: int) -> peers.Peer:
    near = peers.Peer(address=str(other.cluster_address), ssh_port=other.port)
    if other.region == host.region:
        return near
    needed = ports.wanted_of_others(other.role, source=host.role, network=network)
    return replace(near, ports=needed, size=size)
