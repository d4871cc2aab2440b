"""Snapshots of the manager's etcd on the host they were taken on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from installer.core import layout
from installer.core.errors import HostError
from installer.kubernetes import members
from installer.transport.connection import Connection

KEPT: Final = 5  # the newest
_TIMEOUT_S: Final = 300


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A snapshot that was read again after it was taken."""

    path: str
    keys: int
    size: int  # bytes


def take(connection: Connection) -> Snapshot:
    """Take one of the member on this host, read it again, and keep the newest few; raises HostError."""
    lines: list[str] = []
    connection.run(_SCRIPT, on_line=lines.append, timeout_s=_TIMEOUT_S, step="take a snapshot of etcd")
    try:
        path, status = lines[-2], json.loads(lines[-1])
        return Snapshot(path=path, keys=int(status["totalKey"]), size=int(status["totalSize"]))
    except (IndexError, KeyError, ValueError) as exc:
        raise HostError("the snapshot of etcd cannot be read", last_lines=tuple(lines[-3:])) from exc


# etcdutl opens the file and checks the hash that etcd appended to it.
_SCRIPT: Final = f"""set -eu
{members.CLIENT}
mkdir -p -m 0700 {layout.SNAPSHOTS}
rm -f {layout.SNAPSHOTS}/*.part
file={layout.SNAPSHOTS}/$(date -u +%Y%m%dT%H%M%SZ).db
"$ctl" --command-timeout=120s snapshot save "$file.part" >/dev/null 2>&1 || {{
  "$ctl" --command-timeout=120s snapshot save "$file.part" >&2
}}
status=$("$(dirname "$ctl")/etcdutl" snapshot status "$file.part" -w json)
sync "$file.part"
mv "$file.part" "$file"
ls -1 {layout.SNAPSHOTS}/*.db | sort -r | tail -n +{KEPT + 1} | xargs -r rm -f
echo "$file"
echo "$status"
"""
