"""Dedicated hosts: joined to the cluster whose pool names them, changed in place, and clean again afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lightkube.resources.core_v1 import Node, Pod

from installer.core.clock import SystemClock, wait_until
from installer.core.errors import HostError
from installer.engine.events import StepReport
from installer.hostops import remove
from installer.kubernetes import client, draining
from installer.spec.contract import HostOutput
from installer.spec.quantity import seconds
from installer.workflows import changing, clusters, releases
from installer.workflows.homes import Place
from installer.workflows.session import Session

_SLACK_S: Final = 120  # after a drain's own time, for pods to end
_GONE_S: Final = 420  # a pool that is gone gives a drain 5 min
_NAMED: Final = 4
_HINT: Final = "mend the cause and repeat `moorage up`: it goes on from what it finds"


def place(session: Session, name: str) -> Place | None:
    """The pool that a host is to be in; for a preview also while the manager does not answer."""
    try:
        return session.homes.places().get(name)
    except client.ApiUnavailableError:
        return session.homes.specified().get(name)


def in_use(session: Session) -> Mapping[str, HostOutput]:
    """All hosts but those that no pool names: they have nothing of ours, and nothing is asked of them."""
    return {
        name: host
        for name, host in session.hosts.items()
        if host.role != "dedicated" or place(session, name) or has_anything(session, name)
    }


def had(session: Session, name: str) -> str:
    """The cluster that a host was made a node of; empty: none, or the host is not there yet."""
    return session.facts(name).manifest.cluster if name in session.hosts or name in session.leaving else ""


def stays(session: Session, name: str) -> bool:
    """Whether a host is a node of the cluster that it is to be a node of."""
    found = place(session, name)
    return found is not None and found.cluster.name == had(session, name)


def has_anything(session: Session, name: str) -> bool:
    """Whether anything of ours is on a host that is there."""
    if name in session.leaving:
        if session.leaving[name].role != "dedicated" or session.gone(name):
            return False
    elif name not in session.hosts:
        return False
    manifest = session.facts(name).manifest
    return bool(manifest.units or manifest.files)


def needs_drain(session: Session, name: str) -> bool:
    """Whether pods must be away while the host becomes what it is to be."""
    home = session.homes.of(name)
    if home is None:
        return False
    wanted = home.cluster.spec.version
    return releases.needs_drain(session.facts(name), session.bundle, kubelet=(runs(session, name) or wanted, wanted))


def runs(session: Session, name: str) -> str:
    """The version of a host's kubelet, as its cluster has it; empty: it has not joined yet."""
    api = session.api_of(name)
    if api is None:
        return ""
    found = client.found_or_none(lambda: api.get(Node, name), f"read node {name}")
    status = found.status if found else None
    return status.nodeInfo.kubeletVersion.removeprefix("v") if status and status.nodeInfo else ""


def await_empty(session: Session, name: str, report: StepReport) -> None:
    """Return once the controller has moved everything away; raises WaitTimeoutError that says what is still there."""
    home, api = session.homes.of(name), session.api_of(name)
    if home is None or api is None:
        return

    def full() -> str | None:
        with client.translated(f"list the pods on {name}"):
            pods: Sequence[Any] = list(api.list(Pod, namespace="*", fields={"spec.nodeName": name}))
        left = [f"{pod.metadata.namespace}/{pod.metadata.name}" for pod in pods if not draining.stays_on_node(pod)]
        if not left:
            return None
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        reason = f"still there: {', '.join(left[:_NAMED])}{more}"
        report.waiting(reason)
        return reason

    wait_until(
        full,
        what=f"{name} is empty",
        timeout_s=seconds(home.pool.drain_timeout) + _SLACK_S,
        clock=SystemClock(),
        every_s=1,
        streak=2,
        hint=f"`moorage cluster describe {home.cluster.name}` says what holds it up",
    )


def join(session: Session, name: str, report: StepReport) -> None:
    """Make a clean host a node of its cluster, and return once it is ready there; goes on from whatever it finds."""
    if session.homes.of(name) is None:
        found = place(session, name)
        raise HostError(
            f"cluster {found.cluster.name if found else '?'} is not there to be joined",
            host=name,
            hint=f"`moorage cluster describe {found.cluster.name}`" if found else _HINT,
        )
    changing.bring(session, name, session.bundle, report)


def keeps(session: Session, name: str) -> Sequence[str]:
    """What is on a host and can be nowhere else, for people."""
    return [f"volumes of cluster {one}" for one in clusters.hosts_with_volumes(session).get(name, ())]


def free(session: Session, name: str, report: StepReport) -> None:
    """Give a host back clean: its old cluster lets it go, then everything of ours is removed from it.

    Raises HostError for data that would be lost, WaitTimeoutError where the cluster keeps it.
    """
    if kept := keeps(session, name):
        raise HostError(
            f"cannot leave: it has {'; '.join(kept)}, which would be lost",
            host=name,
            hint="delete those claims in the cluster, or name the host in its pool again",
        )
    _await_let_go(session, name, report)
    report.progress("removing what was installed")
    remove.remove(session.connection(name))
    session.forget(name)


def _await_let_go(session: Session, name: str, report: StepReport) -> None:
    """Return once the node is out of the cluster that the host was joined to, if that is still there."""
    cluster = had(session, name)
    api = session.homes.api_of(cluster)
    if api is None:
        return

    def kept() -> str | None:
        if client.found_or_none(lambda: api.get(Node, name), f"read node {name} of {cluster}") is None:
            return None
        report.waiting(reason := f"cluster {cluster} still moves away what runs there")
        return reason

    wait_until(
        kept,
        what=f"cluster {cluster} has let {name} go",
        timeout_s=_GONE_S,
        clock=SystemClock(),
        every_s=1,
        hint=f"`moorage cluster describe {cluster}` says what holds it up",
    )
