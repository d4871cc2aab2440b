"""The releases that a platform goes through to what its specification says, and which hosts can go back."""

from __future__ import annotations

from collections.abc import Mapping

from installer.bundle import reach
from installer.bundle.release import releases as known_releases
from installer.hostops import facts
from installer.hostops.facts import HostFacts
from installer.spec import specification
from installer.transport.fleet import fan_out
from installer.workflows import releases
from installer.workflows.session import Session


def on_hosts(session: Session) -> Mapping[str, str]:
    """The release that each host which serves was last whole on; hosts that cannot be asked are left out."""
    looks = fan_out(tuple(session.hosts), lambda name: facts.gather(session.connection(name)))
    seen = {name: look for name, look in looks.items() if isinstance(look, HostFacts)}
    return {name: releases.name_of(look) for name, look in seen.items() if look.manifest.release}


def steps(session: Session) -> tuple[str, ...]:
    """The releases from the oldest that a host runs to the specification's; none: all run that, or there are none.

    Raises BundleError where there is no way, or not from every host.
    """
    target = session.platform.spec.release
    graph = {release.name: release.reached_from for release in known_releases()}
    starts = set(on_hosts(session).values()) or _recorded(session)
    ways = [reach.way(start, target, graph) for start in sorted(starts)]
    return max(ways, key=len, default=())


def _recorded(session: Session) -> set[str]:
    """What was provided last: nothing on a host may say more, as before the first `up` came to its end."""
    if session.provided is None:
        return set()
    before = specification.load_text(session.provided.specification, directory=session.spec.directory)
    return {before.platform.spec.release} if before.platform else set()


def staying(session: Session) -> Mapping[str, str]:
    """The hosts that do not go back, each with the reason."""
    reasons = {name: reason_to_stay(session, name, seen) for name, seen in session.all_facts().items()}
    return {name: reason for name, reason in reasons.items() if reason}


def reason_to_stay(session: Session, name: str, seen: HostFacts) -> str:
    """Why a host stays on what it has; empty: it goes back, or has nothing to go back to."""
    digest = releases.goes_back_to(seen)
    if not digest or digest == seen.manifest.release or name not in session.managers:
        return ""
    old, new = releases.known(seen, digest), releases.known(seen, seen.manifest.release)
    if old is None or new is None:
        return "this Moorage does not know the releases it has"
    looks = {other: session.facts(other) for other in session.managers if other != name}
    others = [releases.known(look, look.manifest.release) for look in looks.values()]
    return releases.must_stay(old, new, [one for one in others if one is not None])
