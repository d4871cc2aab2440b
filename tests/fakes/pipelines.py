"""A runner of CI jobs: the steps of the example pipelines, in a clean checkout, with a CI's own tools made up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

EXAMPLES: Final = Path(__file__).parents[2] / "examples" / "ci"
# Each says what it was asked, and knows nothing else. `gh` gives the artefact of an earlier run.
_TOOLS: Final = {
    "pip": '[ "$1" = install ] || exit 97',
    "curl": 'grep -q "^PRIVATE-TOKEN: ." && [ -s plan.md ] || exit 97',
    "gh": """case "$1 $2" in
"api repos/"*) echo 0123abcd ;;
"run list") echo 42 ;;
"run download") cp "$ARTEFACTS/plan.json" plan.json ;;
"pr comment") [ -s plan.md ] || exit 97 ;;
"pr create") ;;
*) exit 97 ;;
esac""",
}


def github() -> Mapping[str, Sequence[str]]:
    """The `run:` steps of each job."""
    jobs = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text())["jobs"]
    return {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}


def gitlab() -> Mapping[str, Sequence[str]]:
    """The `script:` lines of each job, with what comes before every one."""
    data: dict[str, Any] = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())
    before = data["default"]["before_script"]
    return {name: [*before, *job["script"]] for name, job in data.items() if "script" in job}


@dataclass
class Done:
    """How a job ended, and its log."""

    status: int
    log: str


@dataclass
class Repository:
    """A repository with a platform and the script, and the runners that check it out."""

    folder: Path
    specification: str
    moorage: str  # text of the program on the runners' PATH
    env: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        origin, work = self.folder / "origin", self.folder / "work"
        (work / "ci").mkdir(parents=True)
        (work / "platform.yaml").write_text(self.specification)
        (work / "ci" / "moorage-ci.sh").write_bytes((EXAMPLES / "moorage-ci.sh").read_bytes())
        (work / "ci" / "moorage-ci.sh").chmod(0o755)
        _git(work, "init", "--quiet", "--initial-branch", "main")
        _git(work, "add", ".")
        _git(work, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--message", "A platform")
        _git(self.folder, "clone", "--quiet", "--bare", str(work), str(origin))
        _git(origin, "config", "receive.advertisePushOptions", "true")
        (self.folder / "artefacts").mkdir()
        tools = self.folder / "bin"
        tools.mkdir()
        for name, text in {**_TOOLS, "moorage": self.moorage}.items():
            asked = f'#!/bin/bash\necho "{name} $*" >>"$ASKED"\n'
            (tools / name).write_text(f"{asked}{text}\n")
            (tools / name).chmod(0o755)

    @property
    def asked(self) -> list[str]:
        """What the tools were asked, in order."""
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []

    def checkout(self, name: str) -> Path:
        """A new runner's: what is in the repository, and nothing else."""
        _git(self.folder, "clone", "--quiet", str(self.folder / "origin"), name)
        return self.folder / name

    def start(self, steps: Sequence[str], folder: Path, **env: str) -> subprocess.Popen[str]:
        """Start a job in a checkout, in a session of its own: as GitHub's and GitLab's runners call bash."""
        return subprocess.Popen(
            ["bash", "-e", "-o", "pipefail", "-c", "\n".join(steps)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={
                "PATH": os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]]),
                "HOME": str(folder),
                "ASKED": str(self.folder / "asked"),
                "ARTEFACTS": str(self.folder / "artefacts"),
                "PULL": "7",
                "GITHUB_REPOSITORY": "us/platform",
                "GITHUB_SHA": "0123abcd",
                "AWS_ID_TOKEN": "token-of-the-runner",
                "AWS_WEB_IDENTITY_TOKEN_FILE": str(folder / ".aws-token"),
                "GITLAB_TOKEN": "token-for-comments",
                "CI_API_V4_URL": "https://gitlab.invalid/api/v4",
                **self.env,
                **env,
            },
        )

    def run(self, steps: Sequence[str], folder: Path, **env: str) -> Done:
        """The same, to its end."""
        with self.start(steps, folder, **env) as process:
            log, _ = process.communicate(timeout=300)
        return Done(process.returncode, log)

    def keep(self, folder: Path) -> None:
        """What the CI does with the plan of a checkout: it is there for a later job."""
        (self.folder / "artefacts" / "plan.json").write_bytes((folder / "plan.json").read_bytes())


def _git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, timeout=30)
