"""Units of a host while they start: how they are, and what one said that does not come up."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Final

from installer.core.errors import HostError
from installer.hostops.facts import SeenUnit
from installer.transport.connection import Connection

_LINES: Final = 8
# systemd counts from the last start by hand. A component that loses a race for a port or a peer starts a few times
# more; one that cannot run is started every second.
_RESTARTS: Final = 5
_PROPERTIES: Final = "Id,ActiveState,SubState,UnitFileState,NRestarts"


def look(connection: Connection, names: Sequence[str]) -> Mapping[str, SeenUnit]:
    """The units with these names (without suffix), as they are."""
    if not names:
        return {}
    lines: list[str] = []
    services = shlex.join(f"{name}.service" for name in names)
    connection.run(f"systemctl show --property={_PROPERTIES} {services}", on_line=lines.append, step="look at units")
    return parse(lines)


def parse(lines: Sequence[str]) -> dict[str, SeenUnit]:
    """What `systemctl show` says of several units: blocks of key=value with empty lines between."""
    found: dict[str, SeenUnit] = {}
    block: dict[str, str] = {}
    for line in (*lines, ""):
        key, equals, value = line.partition("=")
        if equals:
            block[key] = value
        elif block:
            found[block["Id"].removesuffix(".service")] = SeenUnit(
                block["ActiveState"], block["SubState"], block["UnitFileState"] or "none", int(block["NRestarts"])
            )
            block = {}
    return found


def not_up(seen: Mapping[str, SeenUnit]) -> str | None:
    """Which unit does not run yet; None when all do."""
    waiting = [
        f"{name} is {unit.active} ({unit.sub})" for name, unit in sorted(seen.items()) if unit.active != "active"
    ]
    return "; ".join(waiting) or None


def require_hope(connection: Connection, seen: Mapping[str, SeenUnit]) -> None:
    """Raise HostError with its last words for a unit that was started over and over: waiting would not help."""
    for name, unit in sorted(seen.items()):
        if unit.restarts >= _RESTARTS or unit.active == "failed":
            lines: list[str] = []
            script = (
                f"journalctl --quiet --no-pager --output=cat --unit={shlex.quote(name)} --lines={_LINES} 2>&1 || true"
            )
            connection.run(script, on_line=lines.append, step="read the journal")
            raise HostError(
                f"{name} does not come up: it ended {unit.restarts} times since it was started",
                command=f"systemctl restart {name}",
                last_lines=tuple(lines[-_LINES:]),
                hint=f"on that host: `journalctl -u {name} -n 50`",
            )
