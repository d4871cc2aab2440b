"""Check the hosts without changing them."""

from __future__ import annotations

from installer.core.errors import InfrastructureError, InstallerError, SpecError
from installer.hostops import peers
from installer.hostops import preflight as checks
from installer.hostops.preflight import Machine, Report
from installer.transport.fleet import fan_out
from installer.workflows.session import Session


def preflight(session: Session, ignore: frozenset[str]) -> Report:
    """All checks on all provided hosts, in one report; raises SpecError for a name that cannot be ignored.

    Raises InfrastructureError when there are no hosts yet: none is not the same as all well.
    """
    if not session.hosts:
        raise InfrastructureError(
            "there are no hosts to check yet",
            hint="`moorage up` provides them, and checks them all before it changes anything on one",
        )
    names = tuple(session.hosts)
    machines = tuple(fan_out(names, lambda name: _machine(session, name)).values())
    try:
        return checks.run_checks(tuple(m for m in machines if isinstance(m, Machine)), ignore=ignore)
    except ValueError as exc:
        raise SpecError(str(exc)) from exc


def _machine(session: Session, name: str) -> Machine:
    host = session.hosts[name]
    others = {h.name: (str(h.cluster_address), h.port) for h in session.hosts.values() if h.name != name}
    try:
        facts = session.facts(name)
        found = peers.reachable(session.connection(name), others)
    except InstallerError as exc:
        return Machine(name=name, role=host.role, address=str(host.cluster_address), facts=exc)
    return Machine(name=name, role=host.role, address=str(host.cluster_address), facts=facts, peers=found)
