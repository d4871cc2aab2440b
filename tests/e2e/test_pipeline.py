"""A pipeline on a local platform: its state in a bucket, each job in a checkout of its own, one of them killed."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from installer.kubernetes.roots import Roots
from installer.spec.specification import load
from installer.workflows.infrastructure import Infrastructure
from installer.workflows.state_location import StateLocation
from tests.e2e.platform_under_test import PlatformUnderTest
from tests.fakes import pipelines
from tests.fakes.pipelines import Done, Repository
from tests.fakes.s3 import ENV, FakeS3, served

_NAME = "t-pipeline"
_PASSPHRASE = "correct-horse-battery-staple"
_SPEC = f"""
apiVersion: moorage.dev/v1
kind: Platform
metadata: {{name: {_NAME}}}
spec:
  release: "2026.11"
  regions:
    - name: home
      provider: {{kind: local}}
      hosts:
        - {{name: manager, role: manager, count: 1}}
"""
_ROOT = Path(__file__).parents[2]
_MOORAGE = (
    f'exec {shlex.quote(sys.executable)} -c "import sys; from installer.cli.main import main; sys.exit(main())" "$@"'
)


@dataclass
class Team:
    """A repository, the bucket with the state, and all that its runners logged."""

    repository: Repository
    bucket: FakeS3
    log: str = ""

    def job(self, steps: list[str], name: str) -> Done:
        """Run one in a new checkout."""
        done = self.repository.run(steps, self.repository.checkout(name))
        self.log += done.log
        return done

    def kill_when(self, text: str, steps: list[str], name: str) -> None:
        """Start one in a new checkout, and kill it with everything it started at the first line with `text`."""
        with self.repository.start(steps, self.repository.checkout(name)) as process:
            assert process.stdout is not None
            for line in process.stdout:
                self.log += line
                if text in line:
                    os.killpg(process.pid, signal.SIGKILL)
                    return
            raise AssertionError(f"it ended before that:\n{self.log}")


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    with served(FakeS3()) as bucket:
        env = {
            **ENV,
            "MOORAGE_STATE": bucket.url,
            "MOORAGE_PASSPHRASE": _PASSPHRASE,
            "MOORAGE_HOSTS": str(tmp_path / "hosts"),
            "MOORAGE_CACHE": os.environ.get("MOORAGE_CACHE") or str(Path.home() / ".cache" / "moorage"),
            "PYTHONPATH": str(_ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        found = Team(Repository(tmp_path, _SPEC, _MOORAGE, env), bucket)
        try:
            yield found
        finally:
            (tmp_path / "log").write_text(found.log)
            (tmp_path / "platform.yaml").write_text(_SPEC)
            PlatformUnderTest(_NAME, tmp_path).take_down()


def test_a_pipeline_from_the_first_plan_to_drift(team: Team) -> None:
    """Its runners share the bucket alone. One is killed while it makes things, one while it installs; others finish."""
    jobs = {name: list(steps) for name, steps in pipelines.github().items()}
    assert team.job(jobs["check"], "check").status == 0
    assert "to create" in (team.repository.folder / "check" / "plan.md").read_text()
    team.repository.keep(team.repository.folder / "check")

    team.kill_when("provide-hosts: create", jobs["deploy"], "killed-early")
    team.kill_when("sending", jobs["deploy"], "killed-late")
    done = team.job(jobs["deploy"], "deploy")  # with the plan that was read, as far as it is left
    assert done.status == 0, done.log
    hosts = PlatformUnderTest(_NAME, team.repository.folder).containers()
    assert list(hosts) == [f"moorage-{_NAME}-manager-1"]

    quiet = team.job(jobs["drift"], "quiet")
    assert quiet.status == 0, quiet.log
    subprocess.run(
        ["podman", "exec", *hosts, "sh", "-c", "echo changed >>/etc/moorage/node/kubelet.json"], check=True, timeout=60
    )
    drift = team.job(jobs["drift"], "drift")
    assert drift.status == 2, drift.log
    assert "manager-1" in (team.repository.folder / "drift" / "plan.md").read_text()
    _says_no_secret(team)


def _says_no_secret(team: Team) -> None:
    """Not in a log, a plan or the store, though all of them had it in their hands."""
    folder = team.repository.folder
    platform = load(folder / "work" / "platform.yaml").platform
    assert platform
    provided = Infrastructure(platform, folder, StateLocation.parse(team.bucket.url)).outputs()
    assert provided
    written = [team.log, *team.repository.asked, *(p.read_text() for p in folder.glob("*/plan.*"))]
    written += [content.decode() for content in team.bucket.objects.values()]
    for secret in (_PASSPHRASE, ENV["AWS_SECRET_ACCESS_KEY"], *_lines(provided.roots)):
        assert not any(secret in text for text in written)


def _lines(roots: Roots) -> Iterator[str]:
    for value in roots.to_mapping().values():
        text = value.reveal()
        if "CERTIFICATE" not in text and "PUBLIC" not in text:
            yield from (line for line in text.splitlines() if len(line) > 20 and "-----" not in line)
