"""The commands that bring a platform from release to release, on workflows that do nothing."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from installer.core.errors import ExitCode
from installer.engine.events import Outcome
from installer.engine.journal import Run
from installer.engine.pause import Pause
from installer.engine.plan import Plan, StepId
from installer.engine.runner import RunResult
from installer.workflows import runs
from tests.unit.cli.conftest import FakeSessions, Moorage

DONE = RunResult(changed=True, seconds=72.4)


class Runs:
    """Stands for the platform's runs: each is noted, with the release of its session."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.made: list[tuple[str, str]] = []
        self.last: Run | None = None
        self.pause = Pause(folder / "pause")
        monkeypatch.setattr("installer.workflows.up.up", self._up)
        monkeypatch.setattr("installer.workflows.rollback.rollback", self._rollback)
        monkeypatch.setattr(runs, "last", lambda session: self.last)
        monkeypatch.setattr(runs, "pause", lambda session: self.pause)

    def _up(self, session: Any, plan: object, *, command: str) -> RunResult:
        self.made.append((command, session.platform.spec.release))
        return DONE

    def _rollback(self, session: Any) -> RunResult:
        self.made.append(("moorage rollback", session.platform.spec.release))
        return DONE

    def ended(self, command: str, outcome: Outcome | None, **arguments: Any) -> None:
        """What the journal says of the last run."""
        step = StepId("managers", "manager-2", "change-host")
        self.last = Run(
            run_id="1",
            command=command,
            started=datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
            outcome=outcome,
            begun=() if outcome else (step,),
            failed=(step,) if outcome is Outcome.FAILED else (),
            done=(StepId("managers", "manager-1", "change-host"),),
            arguments=arguments,
        )


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, sessions: FakeSessions, tmp_path: Path) -> Runs:
    """Runs of a platform whose specification says 2026.10."""
    text = Path("platform.yaml").read_text()
    Path("platform.yaml").write_text(text.replace("2026.11", "2026.10"))
    return Runs(monkeypatch, tmp_path)


def _release() -> str:
    lines = Path("platform.yaml").read_text().splitlines()
    return next(line.split('"')[1] for line in lines if line.strip().startswith("release:"))


def test_an_upgrade_writes_the_release_and_goes_there(
    moorage: Moorage, made: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The specification stays what the platform is to be."""
    monkeypatch.setattr("installer.workflows.way.steps", lambda session: ("2026.11",))
    result = moorage("upgrade", "--to", "2026.11", "--yes")
    assert (result.code, result.out) == (0, "Done in 1m12s.\n")
    assert "spec.release is 2026.11 now" in result.err
    assert made.made == [("moorage upgrade", "2026.11")]
    assert _release() == "2026.11"


def test_releases_on_the_way_come_one_after_the_other(
    moorage: Moorage, made: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a run of its own."""
    monkeypatch.setattr("installer.workflows.way.steps", lambda session: ("2026.10", "2026.11"))
    assert moorage("upgrade", "--to", "2026.11", "--yes").code == 0
    assert made.made == [("moorage upgrade", "2026.10"), ("moorage upgrade", "2026.11")]


def test_an_upgrade_without_a_release_goes_where_the_specification_says(
    moorage: Moorage, made: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written."""
    monkeypatch.setattr("installer.workflows.way.steps", lambda session: ())
    assert moorage("upgrade", "--yes").code == 0
    assert made.made == [("moorage upgrade", "2026.10")]


def test_a_release_that_is_not_known_is_refused_before_anything(moorage: Moorage, made: Runs) -> None:
    """By name, with those that are."""
    result = moorage("upgrade", "--to", "2027.1", "--yes")
    assert result.code == ExitCode.BUNDLE
    assert "2026.10, 2026.11" in result.err
    assert (made.made, _release()) == ([], "2026.10")


def test_a_rollback_says_what_stays_and_writes_where_all_are(
    moorage: Moorage, made: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that `up` does not go forward again."""
    empty = Plan(name="rollback", title="Back", phases=())
    monkeypatch.setattr("installer.workflows.rollback.preview", lambda session: empty)
    monkeypatch.setattr("installer.workflows.way.staying", lambda session: {"manager-1": "it has its reasons"})
    monkeypatch.setattr("installer.workflows.rollback.common_release", lambda session: "2026.11")
    result = moorage("rollback", "--yes")
    assert "manager-1 stays: it has its reasons" in result.err
    assert made.made == [("moorage rollback", "2026.10")]
    assert _release() == "2026.11"


def test_pause_and_resume(moorage: Moorage, made: Runs) -> None:
    """What was under way is repeated; what had come to its end is not."""
    made.ended("moorage up", Outcome.INTERRUPTED)
    assert moorage("plan", "pause").code == 0
    assert made.pause.on
    assert "PAUSED by" in moorage("plan", "show").out
    assert moorage("plan", "resume", "--yes").code == 0
    assert not made.pause.on
    assert made.made == [("moorage up", "2026.10")]
    made.ended("moorage up", Outcome.DONE)
    assert "Nothing to go on with" in moorage("plan", "resume", "--yes").out


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.INTERRUPTED, None])
def test_retry_does_again_what_did_not_end(
    moorage: Moorage, made: Runs, monkeypatch: pytest.MonkeyPatch, outcome: Outcome | None
) -> None:
    """Whether it failed, was stopped, or was killed."""
    monkeypatch.setattr("installer.workflows.way.steps", lambda session: ())
    made.ended("moorage upgrade", outcome)
    assert moorage("plan", "retry", "--yes").code == 0
    assert made.made == [("moorage upgrade", "2026.10")]


def test_a_fleet_is_gone_on_with_as_it_was_begun(moorage: Moorage, made: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same clusters, the same version, as many at once."""
    done: list[Any] = []

    def chosen(session: Any, *, names: Any, labels: Any, version: str) -> Any:
        done.append((names, labels, version))
        return SimpleNamespace(versions=dict.fromkeys(names, version))

    def upgrade(fleet: Any, *, at_once: int, tolerates: int) -> RunResult:
        done.append((at_once, tolerates))
        return DONE

    empty = Plan(name="upgrade-clusters", title="Up", phases=())
    monkeypatch.setattr("installer.workflows.cluster_upgrade.chosen", chosen)
    monkeypatch.setattr("installer.workflows.cluster_upgrade.preview", lambda fleet, **_: empty)
    monkeypatch.setattr("installer.workflows.cluster_upgrade.upgrade", upgrade)
    versions = {"team-a": "1.37.2", "team-b": "1.37.2"}
    made.ended("moorage cluster upgrade", None, versions=versions, at_once=3, tolerates=1)
    assert moorage("plan", "resume", "--yes").code == 0
    assert done == [(["team-a", "team-b"], {}, "1.37.2"), (3, 1)]


def test_a_move_is_gone_on_with(moorage: Moorage, made: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """To where it was begun."""
    moves: list[Any] = []
    empty = Plan(name="move", title="Move", phases=())
    monkeypatch.setattr("installer.workflows.cluster_move.to", lambda session, *wanted: wanted)
    monkeypatch.setattr("installer.workflows.cluster_move.preview", lambda wanted: empty)
    monkeypatch.setattr("installer.workflows.cluster_move.run", lambda wanted: moves.append(wanted) or DONE)
    made.ended("moorage cluster move", Outcome.INTERRUPTED, cluster="team-z", region="plant")
    assert moorage("plan", "retry", "--yes").code == 0
    assert moves == [("team-z", "plant")]


def test_certificates_are_gone_on_with(moorage: Moorage, made: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation knows its own stage."""
    done: list[str] = []
    session = SimpleNamespace(roots=SimpleNamespace(stage="settled"))
    for name in ("rotation.rotate", "certificates.renew"):
        monkeypatch.setattr(f"installer.workflows.{name}", lambda *_, name=name, **__: done.append(name) or DONE)
    monkeypatch.setattr("installer.workflows.rotation.told", lambda stage: "settled")
    monkeypatch.setattr("installer.cli.sessions.opened", lambda *_, **__: nullcontext(session))
    for command in ("moorage certs rotate", "moorage certs renew"):
        made.ended(command, None)
        assert moorage("plan", "retry", "--yes").code == 0
    assert done == ["rotation.rotate", "certificates.renew"]


def test_what_takes_away_is_never_repeated_by_itself(moorage: Moorage, made: Runs) -> None:
    """It is named, to be said again."""
    made.ended("moorage destroy", Outcome.FAILED)
    result = moorage("plan", "retry", "--yes")
    assert result.code == ExitCode.FAILED
    assert "`moorage destroy` is not repeated by itself" in result.err
    assert moorage("plan", "show").out.endswith("`moorage destroy` goes on from there.\n")


def test_how_far_the_last_plan_came(moorage: Moorage, made: Runs) -> None:
    """What failed, what was cut off, what is next."""
    assert moorage("plan", "show").out == "No plan has changed anything yet.\n"
    made.ended("moorage upgrade", Outcome.FAILED)
    assert moorage("plan", "show").out == (
        "`moorage upgrade`, begun 2026-11-23 12:00:00 UTC: failed\n"
        "  steps done: 1\n"
        "  failed: managers/manager-2/change-host\n"
        "`moorage plan retry` goes on from there.\n"
    )
    made.ended("moorage upgrade", None)
    assert "cut off: managers/manager-2/change-host" in moorage("plan", "show").out


@pytest.mark.parametrize("arguments", [[], ["team-a", "--all"], ["--all", "-l", "a=b"], ["-l", "nonsense"]])
def test_clusters_are_named_in_one_way(moorage: Moorage, made: Runs, arguments: list[str]) -> None:
    """Or the command line is wrong."""
    assert moorage("cluster", "upgrade", "--to", "1.37.2", *arguments).code == ExitCode.USAGE


def test_a_cluster_of_the_specification_gets_its_version_there(
    moorage: Moorage, made: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that `up` does not want it back."""
    fleet = SimpleNamespace(versions={"team-z": "1.37.2", "of-nobody": "1.37.2"})
    done: list[tuple[int, int]] = []

    def upgrade(fleet: Any, *, at_once: int, tolerates: int) -> RunResult:
        done.append((at_once, tolerates))
        return DONE

    empty = Plan(name="upgrade-clusters", title="Up", phases=())
    monkeypatch.setattr("installer.workflows.cluster_upgrade.chosen", lambda session, **_: fleet)
    monkeypatch.setattr("installer.workflows.cluster_upgrade.preview", lambda fleet, **_: empty)
    monkeypatch.setattr("installer.workflows.cluster_upgrade.upgrade", upgrade)
    cluster = "---\napiVersion: moorage.dev/v1\nkind: Cluster\nmetadata: {name: team-z}\nspec: {version: 1.36.3}\n"
    text = Path("platform.yaml").read_text()
    Path("platform.yaml").write_text(text + cluster)
    assert (
        moorage("cluster", "upgrade", "--all", "--to", "1.37.2", "--at-once", "3", "--max-failures", "1", "-y").code
        == 0
    )
    assert done == [(3, 1)]
    assert Path("platform.yaml").read_text().endswith('spec: {version: "1.37.2"}\n')
