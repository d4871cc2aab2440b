"""The example pipelines: each job's steps as the file has them, in a clean checkout, on a moorage that only listens."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import typer

from installer.cli import main
from tests.fakes import pipelines
from tests.fakes.pipelines import Repository

_ENV = {"MOORAGE_STATE": "s3://states", "MOORAGE_PASSPHRASE": "correct-horse"}
# Writes the plan it is asked to save, and ends as it is told.
_MOORAGE = """case "$1" in
preview) while [ "$1" != --save ]; do shift; done; echo '{}' >"$2"; exit "${PREVIEWED:-2}" ;;
plan) echo "**Moorage: 1 to create.**" ;;
upgrade) sed -i s/2026.10/2026.11/ platform.yaml ;;
esac
exit "${ENDS:-0}"
"""
_FILES = {"github": pipelines.github(), "gitlab": pipelines.gitlab()}


@pytest.fixture(params=_FILES)
def jobs(request: pytest.FixtureRequest) -> Mapping[str, Sequence[str]]:
    return _FILES[request.param]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path, 'spec: {release: "2026.10"}\n', _MOORAGE, _ENV)


def _moorage(repository: Repository) -> list[str]:
    return [line.removeprefix("moorage ") for line in repository.asked if line.startswith("moorage ")]


def test_the_plan_that_was_read_is_the_one_that_is_carried_out(
    repository: Repository, jobs: Mapping[str, Sequence[str]]
) -> None:
    """Two runners: the second has of the first only what the CI keeps."""
    first, second = repository.checkout("first"), repository.checkout("second")
    done = repository.run(jobs["check"], first)
    assert done.status == 0, done.log
    assert (first / "plan.md").read_text() == "**Moorage: 1 to create.**\n"
    repository.keep(first)
    if "gh run download" not in "".join(jobs["deploy"]):  # GitLab puts artefacts in place by itself
        (second / "plan.json").write_bytes((first / "plan.json").read_bytes())
    done = repository.run(jobs["deploy"], second)
    assert done.status == 0, done.log
    assert _moorage(repository)[-1] == "up -f . --plan plan.json --yes"


def test_every_command_is_one_that_moorage_knows(repository: Repository, jobs: Mapping[str, Sequence[str]]) -> None:
    """With its options, read by the command line itself."""
    for name, steps in jobs.items():
        folder = repository.checkout(name)
        (folder / "plan.json").write_text("{}")
        repository.keep(folder)
        repository.run(steps, folder, RELEASE="2026.11", PREVIEWED="0")
    asked = _moorage(repository)
    assert {line.split()[0] for line in asked} == {"preview", "plan", "up", "upgrade"}
    for line in asked:
        _parse(shlex.split(line))
    with pytest.raises(typer.TyperException):
        _parse(["up", "--plam", "plan.json"])


def _parse(arguments: Sequence[str]) -> None:
    command = typer.main.get_command(main.app())
    context = command.make_context("moorage", list(arguments))
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None, name
        context = command.make_context(name, list(rest), parent=context)


@pytest.mark.parametrize(
    ("job", "env", "status"),
    [
        ("check", {"PREVIEWED": "0"}, 0),
        ("check", {"PREVIEWED": "2"}, 0),  # changes are what a change is for
        ("check", {"PREVIEWED": "15"}, 15),
        ("drift", {"PREVIEWED": "0"}, 0),
        ("drift", {"PREVIEWED": "2"}, 2),
        ("drift", {"PREVIEWED": "12"}, 12),
        ("drift", {"PREVIEWED": "0", "ENDS": "1"}, 1),  # the plan cannot be shown
        ("upgrade", {"ENDS": "13", "RELEASE": "2026.11"}, 13),
    ],
)
def test_a_job_ends_as_what_it_ran(
    repository: Repository, jobs: Mapping[str, Sequence[str]], job: str, env: dict[str, str], status: int
) -> None:
    """A failure is one, with its own code; what was to be expected is none."""
    done = repository.run(jobs[job], repository.checkout("one"), **env)
    assert done.status == status, done.log


def test_a_release_that_was_reached_is_kept(repository: Repository, jobs: Mapping[str, Sequence[str]]) -> None:
    """On a branch of its own: a person merges it."""
    done = repository.run(jobs["upgrade"], repository.checkout("one"), RELEASE="2026.11")
    assert done.status == 0, done.log
    text = subprocess.run(
        ["git", "show", "release-2026.11:platform.yaml"],
        cwd=repository.folder / "origin",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "2026.11" in text


def test_no_secret_is_said_or_handed_on(repository: Repository, jobs: Mapping[str, Sequence[str]]) -> None:
    """Neither in a log nor in the arguments of any program; what is missing is told by its name."""
    logs = ""
    for name, steps in jobs.items():
        folder = repository.checkout(name)
        (folder / "plan.json").write_text("{}")
        repository.keep(folder)
        logs += repository.run(steps, folder, RELEASE="2026.11").log
    for secret in ("correct-horse", "token-of-the-runner", "token-for-comments"):
        assert secret not in logs
        assert secret not in "\n".join(repository.asked)
    done = repository.run(jobs["check"], repository.checkout("without"), MOORAGE_PASSPHRASE="")
    assert done.status != 0
    assert "MOORAGE_PASSPHRASE: what the secrets" in done.log


def test_no_expression_stands_in_a_command() -> None:
    """GitHub puts its text there before bash reads it: a secret into a log, or a branch's name into a shell."""
    for steps in pipelines.github().values():
        assert not any("${{" in step for step in steps)


@pytest.mark.parametrize("arguments", ["", "chek", "upgrade"])
def test_the_script_says_what_it_can_do(repository: Repository, arguments: str) -> None:
    """To whoever asks for something else; nothing is run."""
    done = repository.run([f"ci/moorage-ci.sh {arguments}"], repository.checkout("one"))
    assert done.status == 64
    assert "check | deploy | drift | upgrade RELEASE" in done.log
    assert _moorage(repository) == []
