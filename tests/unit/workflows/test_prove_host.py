"""The first host on a new release proves itself, or goes back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from installer.core.errors import HostError, SpecError
from installer.engine.events import StepReport
from installer.engine.plan import StepId, Target
from installer.spec.specification import load
from installer.workflows import changing, host_drain, preview, proven, runs
from installer.workflows.session import Session
from installer.workflows.steps import prove_host
from tests.unit.spec.documents import platform
from tests.unit.workflows import sessions
from tests.unit.workflows.test_change_host import on
from tests.unit.workflows.test_releases import NEW, OLD

_NAMES = ("manager-1", "manager-2", "manager-3", "worker-1", "worker-2")
_REPORT = StepReport(StepId("workers", "worker-1", "prove-host"), lambda event: None)


@pytest.fixture(autouse=True)
def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that the manager knows to have proven themselves."""
    found: list[str] = []
    monkeypatch.setattr(proven, "is_noted", lambda session, name: name in found)
    monkeypatch.setattr(proven, "note", lambda session, name: found.append(name))
    return found


def _session(folder: Path, *new: str, canary: str = "{bake: 0s, check: ./check}") -> Session:
    path = folder / "platform.yaml"
    path.write_text(platform(spec=f"  upgrades: {{maxUnavailable: 2, canary: {canary}}}\n"))
    spec = load(path)
    seen = {name: on(NEW.digest, previous=OLD.digest) if name in new else on(OLD.digest) for name in _NAMES}
    session = sessions.provided(spec, spec, folder, seen)
    session.bundle = NEW  # type: ignore[assignment]  # as far as it is used
    return session


@pytest.mark.parametrize(
    ("name", "new", "proves"),
    [
        ("manager-1", (), True),  # as a preview has it
        ("manager-2", (), False),
        ("manager-1", ("manager-1",), True),
        ("manager-2", ("manager-2",), True),  # it was the first, whatever the order is now
        ("manager-2", ("manager-1", "manager-2"), False),
        ("worker-1", ("manager-1", "manager-2", "manager-3", "worker-1"), True),
        ("worker-2", ("manager-1", "manager-2", "manager-3", "worker-1"), False),
        ("worker-1", _NAMES, False),
    ],
)
def test_only_the_first_of_each_role(tmp_path: Path, name: str, new: tuple[str, ...], proves: bool) -> None:
    """While all others are as they were."""
    _check(tmp_path, "")
    planned = prove_host.ProveHost().plan(_session(tmp_path, *new), Target("host", name))
    assert bool(planned) is proves


def test_nobody_has_to_where_nothing_says_so(tmp_path: Path) -> None:
    """By default hosts follow at once, in batches from the first."""
    session = _session(tmp_path, canary="null")
    assert prove_host.ProveHost().plan(session, Target("host", "manager-1")) == ()
    assert not any(phase.first_alone for phase in preview.up_playbook(session).phases)


def test_the_first_is_alone_whatever_the_batches_are(tmp_path: Path) -> None:
    """Or two workers would prove themselves at once."""
    alone = [phase.name for phase in preview.up_playbook(_session(tmp_path)).phases if phase.first_alone]
    assert alone == ["managers", "workers"]


def _check(folder: Path, script: str) -> None:
    path = folder / "check"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def _run(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing, "require_whole", lambda *_: None)
    prove_host.ProveHost().run(session, Target("host", "worker-1"), _REPORT)


def test_a_check_is_told_what_it_is_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs beside the specification."""
    _check(tmp_path, 'echo "$MOORAGE_PLATFORM $MOORAGE_HOST $MOORAGE_ADDRESS $MOORAGE_RELEASE" > told')
    _run(_session(tmp_path, "worker-1"), monkeypatch)
    assert (tmp_path / "told").read_text() == "harbor worker-1 192.0.2.4 2026.11\n"


def test_a_check_that_says_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last words are in the error."""
    _check(tmp_path, "echo errors went up; exit 3")
    with pytest.raises(HostError, match="check says that it is not well on 2026") as caught:
        _run(_session(tmp_path, "worker-1"), monkeypatch)
    assert (caught.value.status, caught.value.last_lines) == (3, ("errors went up",))


def test_a_check_that_cannot_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not taken for one that says no; one that is not there is told before anything is done."""
    session = _session(tmp_path, "worker-1")
    with pytest.raises(SpecError, match="is not there, or may not be run"):
        prove_host.ProveHost().plan(session, Target("host", "worker-1"))
    _check(tmp_path, "")
    (tmp_path / "check").write_text("#!/no/such/shell\n")
    with pytest.raises(SpecError, match="cannot be run: No such file"):
        _run(session, monkeypatch)


def test_a_specification_may_be_given_by_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As most are."""
    _check(tmp_path, "pwd > told")
    session = _session(tmp_path, "worker-1")
    monkeypatch.chdir(tmp_path)
    session.spec = replace(session.spec, directory=Path())
    _run(session, monkeypatch)
    assert (tmp_path / "told").read_text().strip() == str(tmp_path)


@pytest.mark.parametrize(
    ("name", "done"), [("worker-1", ["empty", "back to 2026.10", "open"]), ("manager-1", ["back to 2026.10", "open"])]
)
def test_it_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, done: list[str]) -> None:
    """To the release before; a worker is emptied for that."""
    acts: list[str] = []

    def put_back(session: Session, name: str, digest: str, report: StepReport) -> Any:
        acts.append(f"back to {OLD.release if digest == OLD.digest else digest}")
        return OLD

    monkeypatch.setattr(changing, "put_back", put_back)
    monkeypatch.setattr(host_drain, "begin", lambda session, name: acts.append("empty"))
    monkeypatch.setattr(host_drain, "await_empty", lambda session, name, report: None)
    monkeypatch.setattr(host_drain, "end", lambda session, name: acts.append("open"))
    prove_host.ProveHost().undo(_session(tmp_path, name), Target("host", name), _REPORT)
    assert acts == done


def test_who_has_proven_itself_need_not_again(tmp_path: Path, noted: list[str]) -> None:
    """Whoever goes on from there, from any machine."""
    _check(tmp_path, "")
    noted.append("manager-1")
    session = _session(tmp_path, "manager-1")
    assert prove_host.ProveHost().plan(session, Target("host", "manager-1")) == ()
    assert prove_host.ProveHost().plan(session, Target("host", "worker-1")) != ()


@pytest.mark.parametrize("confirm", [True, False])
def test_a_person_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted: list[str], *, confirm: bool) -> None:
    """Once the host is well: the platform is held, and nothing more begins."""
    session = _session(tmp_path, "worker-1", canary=f"{{bake: 0s, confirm: {str(confirm).lower()}}}")
    (planned,) = prove_host.ProveHost().plan(session, Target("host", "manager-1"))
    assert ("then wait for `moorage plan resume`" in planned.summary) is confirm
    _run(session, monkeypatch)
    assert noted == ["worker-1"]
    assert runs.pause(session).on is confirm


def test_one_that_is_not_well_has_proven_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted: list[str]
) -> None:
    """And nobody is asked about it."""
    _check(tmp_path, "exit 1")
    session = _session(tmp_path, "worker-1", canary="{bake: 0s, check: ./check, confirm: true}")
    with pytest.raises(HostError):
        _run(session, monkeypatch)
    assert noted == []
    assert not runs.pause(session).on
