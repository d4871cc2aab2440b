"""From options to an open session, the first argument of every workflow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from installer.cli import loading
from installer.cli.command import Common
from installer.workflows import session as workflow


@contextmanager
def opened(
    common: Common, *, yes: bool = False, ignore: Iterable[str] | None = None, release: str = ""
) -> Iterator[workflow.Session]:
    """A session on the platform that the options name; `release`: in place of its specification's."""
    spec = loading.load(common)
    with workflow.open_session(
        spec.with_release(release) if release else spec,
        state=common.state_url,
        reporter=common.out.reporter(),
        ignore=frozenset(ignore or ()),
        yes=yes,
    ) as session:
        yield session
