"""What a workflow works with: the specification, the state, hosts and what is known of them, the manager's API.

Everything is found when it is first asked for, so that a command pays only for what it uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from lightkube import Client

from installer.bundle.bundle import Bundle
from installer.bundle.release import Release, load_release
from installer.bundle.store import Store
from installer.core import cache, layout
from installer.core.errors import BundleError, InfrastructureError, InstallerError, SpecError
from installer.engine.events import Reporter
from installer.engine.plan import Target
from installer.engine.playbook import HostSelector, RoleSelector, Selector
from installer.hostops import facts
from installer.hostops.facts import HostFacts
from installer.hostops.state import HostState
from installer.kubernetes import client, control_plane, crd_guard, host, issue, node, pki
from installer.kubernetes.roots import Roots
from installer.spec.contract import HostOutput, RegionOutputs
from installer.spec.given import given_hosts
from installer.spec.hosts import WantedHost, wanted_hosts
from installer.spec.platform import OnPremRegion, Platform
from installer.spec.specification import Specification
from installer.transport.fleet import Fleet, fan_out
from installer.workflows import host_state, releases, rendered, ways_in
from installer.workflows.claim import Claim
from installer.workflows.homes import Homes
from installer.workflows.infrastructure import Infrastructure, Provided
from installer.workflows.remembered import Remembered
from installer.workflows.rendered import Part
from installer.workflows.state_location import StateLocation

if TYPE_CHECKING:  # paramiko is slow to load; many a command asks only the manager's API
    from installer.transport.connection import Connection

ADMIN = pki.Subject(crd_guard.INSTALLER, (control_plane.ADMIN_GROUP,))
# Before `bootstrap_rbac` has bound our own group, only Kubernetes' built-in one can do anything.
BOOTSTRAP_ADMIN = pki.Subject(crd_guard.INSTALLER, ("system:masters",))
_ADMIN_DAYS = 1  # made anew for every run


class Session:
    """One run of one command on one platform; also the context of the engine's steps."""

    def __init__(
        self,
        spec: Specification,
        platform: Platform,
        *,
        state: StateLocation,
        reporter: Reporter,
        ignore: frozenset[str],
    ) -> None:
        self.spec = spec
        self.platform = platform
        self.state = state
        self.reporter = reporter
        self.ignore = ignore
        self.claim: Claim | None = None  # of this run on the platform, while it may change anything
        self.renew_before: datetime | None = None  # certificates that begin before are made anew
        self.fleet = Fleet()
        self.facts = Remembered(self._facts)
        self.wanted = Remembered(self._wanted)
        self.homes = Homes(self)  # of dedicated hosts
        self.gone = Remembered(self._gone)  # whether a host cannot be reached any more
        self._provided: Provided | None = None
        self._provided_known = False

    def targets(self, selector: Selector) -> Sequence[Target]:
        """Whom a playbook's selector means; hosts that are not provided yet are taken from the specification."""
        match selector:
            case "platform":
                return (Target("platform", self.platform.name),)
            case "regions":
                return tuple(Target("region", region.name) for region in self.platform.spec.regions)
            case "clusters":
                return tuple(Target("cluster", cluster.name) for cluster in self.spec.clusters)
            case "leaving":
                return tuple(map(_host_target, self.leaving.values()))
            case _:
                wanted = wanted_hosts(self.platform)
                return tuple(_host_target(host) for host in wanted if _selected(selector, host.name, host.role))

    # --- infrastructure -------------------------------------------------------------------------------------------

    @cached_property
    def infrastructure(self) -> Infrastructure:
        """The Pulumi stacks of this platform."""
        return Infrastructure(self.platform, self.spec.directory, self.state)

    @property
    def provided(self) -> Provided | None:
        """What the stacks gave when they last ran; None before that."""
        if not self._provided_known:
            self._provided, self._provided_known = self.infrastructure.outputs(), True
        return self._provided

    def provide(self, provided: Provided | None) -> None:
        """Take note of new outputs of the stacks, and forget what was found out with other root secrets."""
        if self._provided and provided and self._provided.roots != provided.roots:
            self.__dict__.pop("api", None)
            for name in self.hosts:
                self.forget(name)
        self._provided, self._provided_known = provided, True

    @property
    def hosts(self) -> Mapping[str, HostOutput]:
        """The provided hosts by name, but for those that leave; their labels are what the specification says now."""
        return {
            name: host.model_copy(update={"labels": self._wanted_hosts[name].labels})
            for name, host in self._provided_hosts.items()
            if name in self._wanted_hosts
        }

    @property
    def nodes(self) -> Mapping[str, HostOutput]:
        """Those of them that are nodes of the manager: dedicated hosts are nodes of other clusters, or of none."""
        return {name: host for name, host in self.hosts.items() if host.role != "dedicated"}

    @property
    def leaving(self) -> Mapping[str, HostOutput]:
        """Provided hosts that the specification no longer has, by name: workers first."""
        gone = [host for name, host in self._provided_hosts.items() if name not in self._wanted_hosts]
        return {host.name: host for host in sorted(gone, key=lambda host: host.role == "manager")}

    @property
    def gone_for_good(self) -> tuple[str, ...]:
        """Those that leave and cannot be reached any more."""
        return tuple(name for name in self.leaving if self.gone(name))

    @property
    def _provided_hosts(self) -> Mapping[str, HostOutput]:
        return {host.name: host for region in self._regions for host in region.hosts}

    @cached_property
    def _wanted_hosts(self) -> Mapping[str, WantedHost]:
        return {host.name: host for host in wanted_hosts(self.platform)}

    @property
    def roots(self) -> Roots:
        """The manager's root secrets; raises InfrastructureError before there are any."""
        return self._required.roots.issuing(self.platform.spec.certificates.days)

    @property
    def _required(self) -> Provided:
        if self.provided is None:
            raise InfrastructureError(
                f"platform {self.platform.name} does not exist yet",
                cause=f"there is no state of it in {self.state.url}",
                hint="`moorage up`, or name another state with --state",
            )
        return self.provided

    @property
    def _regions(self) -> tuple[RegionOutputs, ...]:
        return self.provided.regions if self.provided else ()

    # --- the manager's API ---------------------------------------------------------------------------------------

    @cached_property
    def api(self) -> Client:
        """A client of the manager's API, as its administrator; raises ApiUnavailableError."""
        return self.api_as(ADMIN)

    def api_as(self, subject: pki.Subject) -> Client:
        """A client under a certificate made for this run."""
        authority = self.roots.authorities["kubernetes"]
        return client.connect(
            self.api_servers, ca_pem=authority.trusted, credential=authority.issue(subject, days=_ADMIN_DAYS)
        )

    @property
    def api_servers(self) -> tuple[str, ...]:
        """URLs of the manager's API servers, as this machine reaches them."""
        return tuple(map(self.api_server, self.managers))

    def api_server(self, name: str) -> str:
        """The URL of one of them, by its host; where there is a bastion or a proxy, by way of SSH."""
        # Its certificate is for the loopback, too: hosts reach it there by their own balancer.
        return self._way_to(self.hosts[name], host.API_PORT)

    def api_of(self, name: str) -> Client | None:
        """The API of the cluster that a host is, or is to be, a node of; None: of none."""
        if name not in self.hosts or self.hosts[name].role != "dedicated":
            return self.api
        home = self.homes.of(name)
        return self.homes.api(home) if home else None

    def port_url(self, server: str) -> str:
        """The URL of what listens at `server`, an address among the hosts and a port, as this machine reaches it."""
        address, _, port = server.rpartition(":")
        return self._way_to(next(one for one in self.nodes.values() if str(one.cluster_address) == address), int(port))

    def _way_to(self, output: HostOutput, port: int) -> str:
        """The URL of a port of a host, as this machine reaches it."""
        passage = ways_in.passage(output, self._required.access[output.region])
        if passage is None:
            return f"https://{output.address}:{port}"
        return f"https://127.0.0.1:{self.fleet.forward(passage[0], passage[1], port)}"

    def api_address(self, name: str) -> str:
        """Its URL as whoever is in the hosts' network knows it."""
        return f"https://{self.hosts[name].address}:{host.API_PORT}"

    @property
    def manager_urls(self) -> tuple[str, ...]:
        """URLs of the manager's API for others than this run: load balancers first, then every manager's own."""
        balanced = [f"https://{address}:{host.API_PORT}" for address in self.balancers]
        return (*balanced, *map(self.api_address, self.managers))

    @property
    def balancers(self) -> tuple[str, ...]:
        """Addresses for the manager's API: those that managers share, and the regions' load balancers of it."""
        made = (region.endpoint for region in self._regions if region.endpoint)
        return (*self.platform.vips.values(), *made)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Addresses at which users reach ports of clusters: shared ones and load balancers, then every host's own."""
        balanced = [region.cluster_endpoint for region in self._regions if region.cluster_endpoint]
        shared = self.platform.vips.values()
        return tuple(dict.fromkeys((*shared, *balanced, *(host.address for host in self.nodes.values()))))

    # --- hosts ----------------------------------------------------------------------------------------------------

    def connection(self, name: str) -> Connection:
        """A live connection to a provided host."""
        host = self._provided_hosts[name]
        return self.fleet.connection(ways_in.target(host, self._required.access[host.region]))

    def bytes_per_s(self, region: str) -> float | None:
        """What the link to a region may be used for; None: all that it is."""
        return self._required.access[region].bytes_per_s

    def given(self) -> Mapping[str, HostOutput]:
        """Hosts that exist already, whether `up` ever ran or not, by name."""
        return {host.name: host for host in given_hosts(self.platform)}

    def given_connection(self, host: HostOutput) -> Connection:
        """A live connection to a host that exists already; one whose key is not known is shown and refused."""
        (region,) = (r for r in self.platform.spec.regions if r.name == host.region and isinstance(r, OnPremRegion))
        return self.fleet.connection(ways_in.target(host, self.infrastructure.given_access(region)))

    def all_facts(self) -> Mapping[str, HostFacts]:
        """Facts of every host, gathered side by side; raises the error of the first that cannot be looked at."""
        found = fan_out(tuple(self.hosts), self.facts)
        for seen in found.values():
            if isinstance(seen, InstallerError):
                raise seen
        return {name: seen for name, seen in found.items() if not isinstance(seen, InstallerError)}

    def forget(self, name: str) -> None:
        """A host was changed: look again before the next decision."""
        self.facts.forget(name)
        self.wanted.forget(name)

    def installed(self, name: str, digest: str) -> Bundle:
        """A bundle as a host has it, whatever there is on this machine; raises BundleError, or the host's error."""
        lines: list[str] = []
        path = f"{layout.RELEASES}/{digest}/{layout.BUNDLE_MANIFEST}"
        self.connection(name).run(f"cat {path}", on_line=lines.append, step="read which bundle it has")
        return Bundle.from_json("\n".join(lines), Store(cache.root()))

    def seen_with(self, name: str, bundle: Bundle) -> HostFacts:
        """A new look that answers everything: what may be wanted of a host depends on facts only in its content."""
        part = self._part(name, node.Traits(), bundle, sure=False)
        if part is None:
            return facts.gather(self.connection(name))
        nothing_new = issue.Issued(new={}, kept=tuple(part.rendered.certificates))
        about = host_state.host_state(part.rendered, nothing_new, bundle_digest=bundle.digest, traits=node.Traits())
        certificates = [f"{stem}.crt" for stem in part.rendered.certificates]
        return facts.gather(self.connection(name), certificates=certificates, wanted=about)

    def wanted_with(
        self,
        name: str,
        bundle: Bundle,
        seen: HostFacts,
        *,
        etcd_digest: str = "",
        peers: Mapping[str, str] | None = None,
    ) -> HostState:
        """What a host is to be with a bundle; `etcd_digest`: the one for its etcd, which else never goes back.

        `peers`: the members (name -> address), itself included, that a manager joins.
        """
        traits = host_state.traits_of(seen, address=str(self.hosts[name].cluster_address))
        part = self._part(name, traits, bundle, peers)
        if part is None:
            return HostState()
        kept = host_state.seen_certificates(seen, since=self.renew_before)
        wanted = host_state.host_state(
            part.rendered,
            issue.issue(part.rendered.certificates, part.roots.authorities, kept),
            bundle_digest=bundle.digest,
            traits=traits,
            etcd_digest=etcd_digest or releases.etcd_digest(seen, bundle),
        )
        return replace(wanted, cluster=part.cluster)

    def _part(
        self,
        name: str,
        traits: node.Traits,
        bundle: Bundle,
        peers: Mapping[str, str] | None = None,
        *,
        sure: bool = True,
    ) -> Part | None:
        """What runs on a host; None: nothing is wanted of it, or, unless it must be `sure`, nobody can tell."""
        if name in self.nodes:
            return rendered.of_manager(self, name, traits, bundle, peers)
        home = self.homes.of(name) if sure else self.homes.known(name)
        return rendered.of_cluster(self, name, traits, bundle, home) if home else None

    def _facts(self, name: str) -> HostFacts:
        if name in self.leaving:  # nothing is wanted of it any more
            return facts.gather(self.connection(name))
        try:
            bundle = self.bundle
        except BundleError:  # being built beside the first checks, which need nothing of it; then they are forgotten
            return facts.gather(self.connection(name))
        return self.seen_with(name, bundle)

    def _gone(self, name: str) -> bool:
        try:
            self.facts(name)
        except InstallerError:
            return True
        return False

    def _wanted(self, name: str) -> HostState:
        return self.wanted_with(name, self.bundle, self.facts(name))

    @cached_property
    def bundle(self) -> Bundle:
        """The bundle of the specification's release; raises BundleError when it was not built here."""
        return Bundle.load(self.platform.spec.release, arch=self.platform.spec.arch)

    @property
    def target(self) -> Release:
        """The release of the specification, whether its bundle is here or not."""
        return load_release(self.platform.spec.release)

    @property
    def managers(self) -> Mapping[str, str]:
        """The manager hosts: name -> address among the hosts."""
        return {h.name: str(h.cluster_address) for h in self.hosts.values() if h.role == "manager"}

    @property
    def serving_managers(self) -> tuple[str, ...]:
        """The managers that have taken part already, and those that leave.

        Of the latter, one that is gone takes no part: it is out of etcd before that is changed.
        """
        leaving = [name for name, host in self.leaving.items() if host.role == "manager" and not self.gone(name)]
        return tuple(name for name in (*self.managers, *leaving) if self.may_serve(name))

    def may_serve(self, name: str) -> bool:
        """Whether Moorage installed anything on a host; one that cannot be asked may carry everything."""
        try:
            return self.facts(name).manifest.serves
        except InstallerError:
            return True


def _host_target(host: WantedHost | HostOutput) -> Target:
    return Target("host", host.name, group=f"{host.region}/{host.zone}")


def _selected(selector: Selector, name: str, role: str) -> bool:
    match selector:
        case RoleSelector():
            return role == selector.role
        case HostSelector():
            return name in selector.hosts
        case _:
            return True


@contextmanager
def open_session(
    spec: Specification, *, state: str, reporter: Reporter, ignore: frozenset[str] = frozenset(), yes: bool = False
) -> Iterator[Session]:
    """A session for the length of a `with` block; its connections are closed afterwards."""
    if spec.platform is None:
        raise SpecError("the specification holds no Platform", hint="`moorage init` writes one")
    session = Session(spec, spec.platform, state=StateLocation.parse(state), reporter=reporter, ignore=ignore)
    try:
        yield session
    finally:
        session.fleet.close()
