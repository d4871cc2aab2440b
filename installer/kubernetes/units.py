"""systemd units for rendered processes."""

from __future__ import annotations

import shlex

from installer.kubernetes.rendering import Process


def unit_name(process: Process) -> str:
    """The unit's file name."""
    return f"{process.name}.service"


def unit_text(process: Process) -> str:
    """The unit: restarts for ever, at once at first; started without waiting for what it is ordered after.

    Components of a cluster find each other by trying, so ordering only spares them the first failures.
    """
    after = "".join(f"After={name}.service\n" for name in process.after)
    part_of = f"PartOf={process.part_of}.service\n" if process.part_of else ""
    environment = "".join(f"Environment={shlex.quote(f'{k}={v}')}\n" for k, v in sorted(process.env.items()))
    if process.environment:
        environment += f"EnvironmentFile={process.environment}\n"
    # Containers outlive a restart of containerd and the kubelet.
    delegation = "Delegate=yes\nKillMode=process\n" if process.delegates_cgroups else ""
    command = " \\\n  ".join(_escaped(word) for word in process.argv)
    restart = "RemainAfterExit=yes\nRestart=on-failure\n" if process.once else "Restart=always\n"
    return f"""# Made by Moorage; changes are undone by the next `moorage up`.
[Unit]
Description={process.description}
Wants=network-online.target
After=network-online.target
{after}{part_of}StartLimitIntervalSec=0

[Service]
Type={_type(process)}
{environment}ExecStart={command}
{delegation}{restart}RestartSec=1
TimeoutStartSec=10min
TimeoutStopSec={process.stops_within_s}s
LimitNOFILE=infinity
LimitNPROC=infinity
TasksMax=infinity
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
"""


def _type(process: Process) -> str:
    if process.once:
        return "oneshot"
    return "notify" if process.notifies else "simple"


def _escaped(word: str) -> str:
    """A word as systemd reads it: https://www.freedesktop.org/software/systemd/man/systemd.service.html#Command%20lines"""
    return shlex.quote(word.replace("%", "%%").replace("$", "$$"))
