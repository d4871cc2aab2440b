"""Step build-bundle: the release's bundle is on this machine."""

from __future__ import annotations

from collections.abc import Sequence

from installer.bundle import build
from installer.bundle.bundle import Bundle
from installer.bundle.recipe import BuildEvent
from installer.bundle.release import load_release
from installer.core.errors import BundleError
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.workflows.registry import STEPS
from installer.workflows.session import Session


@STEPS.step("build-bundle")
class BuildBundle:
    """Fetched or built once, then there at once."""

    title = "get the bundle"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        release, arch = session.platform.spec.release, session.platform.spec.arch
        try:
            bundle = Bundle.load(release, arch=arch)
        except BundleError:
            return (Change(target.name, Action.CREATE, f"get or build release {release}"),)
        if build.is_current(bundle):
            return ()
        return (Change(target.name, Action.UPDATE, f"build release {release} with the controller of this Moorage"),)

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        release = load_release(session.platform.spec.release)
        session.bundle = build.build(
            release,
            arch=session.platform.spec.arch,
            on_event=lambda event: report.progress(_line(event), _share(event)),
        )
        for name in session.hosts:
            session.forget(name)  # what is wanted of hosts names the bundle


def _line(event: BuildEvent) -> str:
    what = f"{event.title}: {event.detail}" if event.detail else event.title
    return f"{event.number} of {event.of}, {what}; about {event.remaining_s / 60:.0f} min left"


def _share(event: BuildEvent) -> float:
    return event.elapsed_s / max(event.elapsed_s + event.remaining_s, 1.0)
