"""Changes of a specification that a running platform cannot follow: refused by file, line and path before anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from installer.core.errors import BundleError, KubernetesError
from installer.spec import faults, specification
from installer.spec.changes import check_change
from installer.spec.source import Fault
from installer.spec.specification import Specification
from installer.spec.subject import Finding
from installer.workflows import clusters, leaving, way
from installer.workflows.session import Session

_RELEASE: Final = ("spec", "release")
_REGIONS: Final = ("spec", "regions")


def require_allowed(session: Session) -> None:
    """Raise SpecError that lists every field that may not change any more, and every host that may not go."""
    if session.provided is None:
        return
    before = specification.load_text(session.provided.specification, directory=session.spec.directory)
    changed = check_change(_as_it_runs(session, before), session.spec)
    if found := (*changed, *_release(session, before), *_hosts(session)):
        raise faults.spec_error(found)


def _as_it_runs(session: Session, before: Specification) -> Specification:
    """With the versions that control planes run: one that did not come up is no step."""
    wanted = {cluster.name: cluster.spec.version for cluster in session.spec.clusters}
    if all(wanted.get(cluster.name, cluster.spec.version) == cluster.spec.version for cluster in before.clusters):
        return before
    try:
        runs = {cluster.name: cluster.runs for cluster in clusters.list_(session)}
    except KubernetesError:  # it is asked again before the cluster is changed
        return before
    return replace(before, clusters=tuple(one.at(runs.get(one.name) or one.spec.version) for one in before.clusters))


def _release(session: Session, before: Specification) -> Iterator[Fault]:
    """One step at a time, along the way that releases themselves say."""
    if before.platform is None:
        return
    if before.platform.spec.release == session.platform.spec.release:
        return
    try:
        steps = way.steps(session)
    except BundleError as exc:
        yield _fault(session, _RELEASE, f"{exc}: {exc.hint}")
        return
    if len(steps) > 1:
        message = f"is reached by way of {', '.join(steps[:-1])}: `moorage upgrade` walks it"
        yield _fault(session, _RELEASE, message)


def _hosts(session: Session) -> Iterator[Fault]:
    """Hosts may leave, but not with data that is nowhere else, nor all managers that have the platform's own."""
    going = [name for name in session.leaving if session.may_serve(name)]
    managers = [name for name in going if session.leaving[name].role == "manager"]
    if managers and not any(session.may_serve(name) for name in session.managers):
        message = f"no longer has {', '.join(managers)}: one manager that serves must stay until others have joined it"
        yield _fault(session, _REGIONS, message)
        return
    for name in going:
        for kept in _kept(session, name):
            yield _fault(session, _REGIONS, f"no longer has {name}, which has {kept}: put it back")


def _kept(session: Session, name: str) -> Sequence[str]:
    """Of a host that is gone already, nothing can be kept; where the API does not answer, the step asks again."""
    try:
        return () if session.gone(name) else leaving.keeps(session, name)
    except KubernetesError:
        return ()


def _fault(session: Session, loc: tuple[str | int, ...], message: str) -> Fault:
    return session.spec.place(Finding(session.platform, loc, message))
