"""How users' own scripts run on hosts, and how it is remembered there that they did."""

from __future__ import annotations

import shlex

from installer.core import layout
from installer.engine.events import StepReport
from installer.engine.plan import Target
from installer.engine.user_steps import Script
from installer.workflows.session import Session

_RAN = f"{layout.STATE}/ran"


class Scripts:
    """Runs a script as root; its digest, kept on the host, tells that this very text has run."""

    def ran(self, session: Session, target: Target, script: Script) -> bool:
        if target.name not in session.hosts:
            return False
        mark = shlex.quote(_mark(script))
        return session.connection(target.name).run(f"[ -e {mark} ]", check=False).status == 0

    def run(self, session: Session, target: Target, script: Script, report: StepReport) -> None:
        mark = shlex.quote(_mark(script))
        session.connection(target.name).run(
            f"set -eu\n(\n{script.text}\n)\nmkdir -p {_RAN}\n: >{mark}\n", on_line=report.progress, step=script.name
        )
        session.forget(target.name)


def _mark(script: Script) -> str:
    return f"{_RAN}/{script.name.replace('/', '_')}-{script.digest[:16]}"
