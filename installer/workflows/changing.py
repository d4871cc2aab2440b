"""A host that serves, brought to another state: stage by stage, each seen to run before the next, and back again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lightkube.resources.core_v1 import Node

from installer.bundle.bundle import Bundle
from installer.core import layout
from installer.core.clock import SystemClock, wait_until
from installer.core.errors import HostError, InstallerError, RetryableError
from installer.core.version import Version
from installer.engine.events import Note, StepReport
from installer.hostops import apply, diff, stages, units
from installer.kubernetes import client, etcd, members, node_pod
from installer.transport.connection import Event
from installer.workflows import etcd_members, releases
from installer.workflows.session import Session

_RUNS_S: Final = 180  # of a stage, until all of it runs
_STREAK: Final = 3  # looks in a row
_EVERY_S: Final = 0.5
_NAMED: Final = 5  # as many units does a message name
_ETCD: Final = "etcd"
_COPY: Final = f"{layout.ETCD_COPY}/data"
_API_SERVER: Final = "kube-apiserver"
_HINT: Final = "mend the cause and repeat `moorage up`: it goes on from what it finds"


def bring(
    session: Session,
    name: str,
    bundle: Bundle,
    report: StepReport,
    *,
    etcd_digest: str = "",
    peers: Mapping[str, str] | None = None,
) -> None:
    """Make a host what it is to be with a bundle, and return once it is.

    `etcd_digest`, `peers`: see `Session.wanted_with`.

    Goes on from whatever it finds. Raises HostError for a unit that does not come up, WaitTimeoutError for what does
    not become whole in time.
    """
    done: set[tuple[str, ...]] = set()
    while True:
        seen = session.seen_with(name, bundle)
        wanted = session.wanted_with(name, bundle, seen, etcd_digest=etcd_digest, peers=peers)
        todo = diff.changes(wanted, seen)
        if not todo:
            break
        stage = stages.first(todo)
        if stage.units in done:
            raise HostError(f"does not stay as it was made: {todo[0]}", hint="is something else changing this host?")
        done.add(stage.units)
        if _ETCD in stage.units:
            if peers is None:
                etcd_members.hand_over(session, name)
            if releases.is_newer_etcd(seen, bundle):
                _keep_etcd(session, name, report)
        apply.apply(
            session.connection(name),
            wanted,
            seen,
            stage.now,
            later=stage.later,
            on_event=lambda event: _tell(event, report),
        )
        await_units(session, name, stage.units, report)
    await_units(session, name, tuple(stages.unit_name(unit.name) for unit in wanted.units), report)
    await_node(session, name, bundle, report)


def settle(session: Session, name: str, bundle: Bundle) -> None:
    """Note on a host that it is whole with a bundle; from then on the copy of etcd's data would only do harm."""
    connection = session.connection(name)
    connection.run(f"rm -rf {layout.ETCD_COPY}", step="remove the copy of etcd's data")
    apply.settle(connection, session.seen_with(name, bundle), bundle.digest)
    session.forget(name)


def put_back(session: Session, name: str, digest: str, report: StepReport) -> Bundle:
    """Bring a host back to the bundle with this digest, and note so; returns it.

    Raises HostError when it is not there any more. The host's etcd goes back only while another member is as old:
    once all others are newer, what they hold is, too.
    """
    seen = session.seen_with(name, session.bundle)
    if digest not in seen.releases:
        raise HostError(f"{name} has no other release to go back to", hint=_HINT)
    bundle = session.installed(name, digest)
    runs = releases.etcd_link(seen)
    stays = _etcd_stays(session, name, releases.etcd_of(seen, runs), bundle.info.components.etcd)
    if stays:
        report.emit(Note(f"{name}: etcd stays on {releases.etcd_of(seen, runs)}: {stays}"))
    etcd_digest = runs if stays else digest
    try:
        bring(session, name, bundle, report, etcd_digest=etcd_digest)
    except InstallerError as exc:
        if stays or not _restore_etcd(session, name, report, exc):
            raise
        bring(session, name, bundle, report, etcd_digest=etcd_digest)
    settle(session, name, bundle)
    return bundle


def await_units(session: Session, name: str, names: tuple[str, ...], report: StepReport) -> None:
    """Return once these units of a host run, several looks in a row, and answer where they serve others."""
    if not names:
        return
    connection = session.connection(name)
    short = ", ".join(names) if len(names) <= _NAMED else "all units"

    def unready() -> str | None:
        seen = units.look(connection, names)
        units.require_hope(connection, seen)
        reason = units.not_up(seen)
        if reason is None and _ETCD in names:
            etcd_members.promote(session, name)
            reason = members.behind(name, etcd_members.look(session, name))
        if reason is None and _API_SERVER in names:
            reason = client.not_ready(session.api_server(name), session.roots.authorities["kubernetes"].trusted)
        return reason

    _wait(unready, f"{short} on {name} run", report)


def require_whole(session: Session, name: str, bundle: Bundle, report: StepReport) -> None:
    """Return when a host that was whole still is; raises like `bring` for what does not get well again by itself."""
    wanted = session.wanted_with(name, bundle, session.seen_with(name, bundle))
    await_units(session, name, tuple(stages.unit_name(unit.name) for unit in wanted.units), report)
    await_node(session, name, bundle, report)


def await_node(session: Session, name: str, bundle: Bundle, report: StepReport) -> None:
    """Return once the host's node is ready, several looks in a row, with the kubelet that it is to have."""
    home = session.homes.of(name) if session.hosts[name].role == "dedicated" else None
    api = session.homes.api(home) if home else session.api
    wanted = f"v{home.cluster.spec.version if home else bundle.info.kubernetes.manager}"

    def unready() -> str | None:
        try:
            with client.translated(f"read node {name}"):
                node = api.get(Node, name)
        except RetryableError as exc:
            return str(exc)
        status = node.status
        conditions = {one.type: one for one in (status.conditions or ())} if status else {}
        version = status.nodeInfo.kubeletVersion if status and status.nodeInfo else ""
        if home and any(
            taint.key == node_pod.STARTING["key"] for taint in (node.spec.taints or () if node.spec else ())
        ):
            return "its cluster lets no pods in yet"
        if version != wanted:
            return f"its kubelet says it is {version}, not {wanted}"
        ready = conditions.get("Ready")
        if ready is None or ready.status != "True":
            return f"its node is not ready: {(ready and ready.message) or 'it says nothing yet'}"
        return None

    _wait(unready, f"node {name} is ready with Kubernetes {wanted}", report)


def _etcd_stays(session: Session, name: str, runs: str, wanted: str) -> str:
    """Why a member that runs one version cannot go back to another; empty when it can."""
    if name not in session.managers or not runs:
        return ""
    old, new = Version.parse(wanted), Version.parse(runs)
    others = members.oldest(etcd_members.look(session), without=name)
    if old.line == new.line or (others is not None and others.line <= old.line):
        return ""
    if others is None and len(session.managers) > 1:
        return "no other member says which version it is"
    return f"all other members are {others} already" if others else "it is the only member, and may have written"


def _keep_etcd(session: Session, name: str, report: StepReport) -> None:
    """Copy the data directory before a newer etcd first opens it; a copy that is there already is the older one."""
    report.progress("copying etcd's data")
    script = f"""set -eu
[ ! -e {_COPY} ] || exit 0
rm -rf {layout.ETCD_COPY}
mkdir -p -m 0700 {layout.ETCD_COPY}
systemctl stop etcd
cp -a --reflink=auto {etcd.DATA} {_COPY}.part
find {_COPY}.part -type f -exec sync -d {{}} +
mv {_COPY}.part {_COPY}
"""
    session.connection(name).run(script, step="copy etcd's data")


def _restore_etcd(session: Session, name: str, report: StepReport, cause: InstallerError) -> bool:
    """Whether the copy of etcd's data was put back: only for an old etcd that does not start on what a new one left.

    The others must be well: then both have what this member confirmed since, and it gets that from them.
    """
    if not cause.command.endswith(f"restart {_ETCD}"):
        return False
    if reason := members.others_unwell(name, etcd_members.look(session)):
        report.emit(Note(f"{name}: its data from before is not put back: {reason}"))
        return False
    report.emit(Note(f"{name}: {cause}; its data from before is put back"))
    failed = f"{layout.ETCD_COPY}/failed"
    script = f"""set -eu
[ -e {_COPY} ] || {{ echo "there is no copy of etcd's data" >&2; exit 1; }}
systemctl stop etcd
mkdir -p {failed}
find {etcd.DATA} -mindepth 1 -maxdepth 1 -exec mv -t {failed} {{}} +
cp -a --reflink=auto {_COPY}/. {etcd.DATA}/
systemctl reset-failed etcd || true
"""
    session.connection(name).run(script, step="put etcd's data back")
    return True


def _tell(event: Event, report: StepReport) -> None:
    report.progress(str(event.get("step", "")))


def _wait(unready: Callable[[], str | None], what: str, report: StepReport) -> None:
    told: str | None = None

    def check() -> str | None:
        nonlocal told
        reason = unready()
        if reason and reason != told:
            report.waiting(reason)
        told = reason
        return reason

    wait_until(check, what=what, timeout_s=_RUNS_S, clock=SystemClock(), every_s=_EVERY_S, streak=_STREAK, hint=_HINT)
