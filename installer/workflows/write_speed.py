"""How quick the managers' disks confirm a write, and when etcd was last kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from installer.core import layout
from installer.core.errors import InstallerError
from installer.kubernetes import etcd
from installer.transport.fleet import fan_out
from installer.workflows.session import Session

# As large as entries of etcd's log usually are: https://etcd.io/docs/v3.6/faq/#what-does-the-etcd-warning-failed-to-send-out-heartbeat-on-time-mean
_SCRIPT: Final = f"""set -eu
file={etcd.DATA}/.moorage-write-test
trap 'rm -f "$file"' EXIT
i=0
while [ $i -lt 100 ]; do
  before=$(date +%s%N)
  dd if=/dev/zero of="$file" bs=2300 count=1 conv=notrunc,fdatasync 2>/dev/null
  echo $(( ($(date +%s%N) - before) / 1000 ))
  i=$(( i + 1 ))
done
"""
_NEWEST: Final = f"ls -1 {layout.SNAPSHOTS} 2>/dev/null | grep '\\.db$' | sort | tail -n 1"
_NAME: Final = "%Y%m%dT%H%M%SZ.db"


def slowest_ms(session: Session) -> Mapping[str, float]:
    """The 99th percentile of a hundred writes on each manager that can be asked, each confirmed by its disk.

    With what it takes to start a process, one or two milliseconds.
    """

    def one(name: str) -> float:
        lines: list[str] = []
        session.connection(name).run(_SCRIPT, on_line=lines.append, timeout_s=60, step="time writes")
        return sorted(int(line) for line in lines)[-2] / 1000

    return {
        name: slowest
        for name, slowest in fan_out(tuple(session.managers), one).items()
        if not isinstance(slowest, InstallerError)
    }


def newest_snapshots(session: Session) -> Mapping[str, datetime]:
    """When each manager that has any was last asked for a snapshot."""

    def one(name: str) -> datetime | None:
        lines: list[str] = []
        session.connection(name).run(_NEWEST, on_line=lines.append, check=False, step="look for snapshots")
        return datetime.strptime(lines[0], _NAME).replace(tzinfo=UTC) if lines else None

    return {name: when for name, when in fan_out(tuple(session.managers), one).items() if isinstance(when, datetime)}
