"""Check the hosts without changing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from installer.core.errors import InfrastructureError, InstallerError, SpecError
from installer.hostops import facts, peers
from installer.hostops import preflight as checks
from installer.hostops.facts import HostFacts
from installer.hostops.preflight import Machine, Report
from installer.spec.contract import HostOutput
from installer.transport.connection import Connection
from installer.transport.fleet import fan_out
from installer.workflows.session import Session


def preflight(session: Session, ignore: frozenset[str]) -> Report:
    """All checks on all hosts there are, in one report; raises SpecError for a name that cannot be ignored.

    Before the first `up` these are the hosts that the specification gives by address. Raises InfrastructureError when
    there are none: none is not the same as all well.
    """
    if session.hosts:
        return _report(
            session.hosts, lambda host: session.connection(host.name), lambda h: session.facts(h.name), ignore
        )
    if given := session.given():
        return _report(given, session.given_connection, lambda h: facts.gather(session.given_connection(h)), ignore)
    raise InfrastructureError(
        "there are no hosts to check yet",
        hint="`moorage up` provides them, and checks them all before it changes anything on one",
    )


def _report(
    hosts: Mapping[str, HostOutput],
    connection: Callable[[HostOutput], Connection],
    look: Callable[[HostOutput], HostFacts],
    ignore: frozenset[str],
) -> Report:
    addresses = {host.name: (str(host.cluster_address), host.port) for host in hosts.values()}

    def machine(name: str) -> Machine:
        host = hosts[name]
        others = {other: where for other, where in addresses.items() if other != name}
        found: Mapping[str, str] = {}
        seen: HostFacts | InstallerError
        try:
            seen = look(host)
            found = peers.reachable(connection(host), others)
        except InstallerError as exc:
            seen = exc
        return Machine(name=name, role=host.role, address=str(host.cluster_address), facts=seen, peers=found)

    machines = tuple(fan_out(tuple(hosts), machine).values())
    try:
        return checks.run_checks(tuple(m for m in machines if isinstance(m, Machine)), ignore=ignore)
    except ValueError as exc:
        raise SpecError(str(exc)) from exc
