"""Check the hosts, and the platform that they carry, without changing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from installer.core.errors import InfrastructureError, InstallerError, SpecError
from installer.hostops import facts, peers
from installer.hostops import preflight as checks
from installer.hostops.facts import HostFacts
from installer.hostops.preflight import Machine, Report
from installer.spec.contract import HostOutput
from installer.spec.platform import Platform
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
    if session.hosts:
        machines = _machines(
            dedicated_hosts.in_use(session),
            lambda host: session.connection(host.name),
            lambda host: session.facts(host.name),
            session.platform,
        )
    elif given := session.given():
        connection = session.given_connection
        machines = _machines(given, connection, lambda h: facts.gather(connection(h)), session.platform)
    else:
        raise InfrastructureError(
            "there are no hosts to check yet",
            hint="`moorage up` provides them, and checks them all before it changes anything on one",
        )
    results = checks.HOSTS.run(machines, ignore)
    if of_platform and any(seen.manifest.release for _, seen in checks.known(machines)):
        results += platform_checks.PLATFORM.run(platform_checks.look(session, machines), ignore)
    return Report(results)


def _require_ignorable(ignore: frozenset[str]) -> None:
    try:
        checks.require_ignorable(ignore, (*checks.HOSTS.registered, *platform_checks.PLATFORM.registered))
    except ValueError as exc:
        raise SpecError(str(exc)) from exc


def _machines(
    hosts: Mapping[str, HostOutput],
    connection: Callable[[HostOutput], Connection],
    look: Callable[[HostOutput], HostFacts],
    platform: Platform,
) -> tuple[Machine, ...]:
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
        return Machine(
            name=name,
            role=host.role,
            address=str(host.cluster_address),
            arch=platform.spec.arch,
            vip=platform.vips.get(host.region, "") if host.role == "manager" else "",
            facts=seen,
            peers=found,
        )

    return tuple(m for m in fan_out(tuple(hosts), machine).values() if isinstance(m, Machine))
