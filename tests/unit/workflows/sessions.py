"""Sessions on platforms whose hosts and facts are made up."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path

from installer.core.errors import InstallerError
from installer.engine.events import Silent
from installer.hostops.facts import HostFacts
from installer.kubernetes.roots import Roots
from installer.spec import specification
from installer.spec.contract import HostOutput, RegionOutputs
from installer.spec.hosts import wanted_hosts
from installer.spec.specification import Specification
from installer.workflows.infrastructure import Access, Provided
from installer.workflows.remembered import Remembered
from installer.workflows.session import Session
from installer.workflows.state_location import StateLocation

_ROOTS = Roots(authorities={}, service_account_key=None, encryption_key=None)  # type: ignore[arg-type]  # not used


def session(spec: Specification, folder: Path) -> Session:
    """A session before the first `up`."""
    assert spec.platform is not None
    state = StateLocation.parse(str(folder))
    return Session(spec, spec.platform, state=state, reporter=Silent(), ignore=frozenset())


def provided(
    before: Specification, now: Specification, folder: Path, seen: Mapping[str, HostFacts | InstallerError]
) -> Session:
    """A session of `now` on the hosts that `before` was provided with; `seen`: what is found on each."""
    assert before.platform is not None
    hosts = [
        HostOutput(
            name=host.name,
            role=host.role,
            region=host.region,
            zone=host.zone,
            address=f"192.0.2.{number}",
            cluster_address=IPv4Address(f"192.0.2.{number}"),
            host_key=f"ssh-ed25519 {host.name}",
        )
        for number, host in enumerate(wanted_hosts(before.platform), start=1)
    ]
    regions = tuple(
        RegionOutputs(
            region=region.name, provider=region.provider.kind, hosts=tuple(h for h in hosts if h.region == region.name)
        )
        for region in before.platform.spec.regions
    )

    def facts(name: str) -> HostFacts:
        found = seen[name]
        if isinstance(found, InstallerError):
            raise found
        return found

    made = session(now, folder)
    access = {region.region: Access(None) for region in regions}
    made.provide(Provided(regions, _ROOTS, access, specification.to_text(before)))
    made.facts = Remembered(facts)
    return made
