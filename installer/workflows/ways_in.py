"""How hosts are reached over SSH: from what the stacks say of them, and how a region's hosts are logged in to."""

from __future__ import annotations

from installer.spec.contract import HostOutput
from installer.transport.target import Target
from installer.workflows.infrastructure import Access


def target(output: HostOutput, access: Access) -> Target:
    """A host."""
    return Target(
        name=output.name,
        address=output.address,
        port=output.port,
        user=output.user,
        host_key=output.host_key or None,
        key=access.key,
        sudo_password=access.sudo_password,
        bastion=bastion(output, access),
    )


def bastion(output: HostOutput, access: Access) -> Target | None:
    """The host that a host is reached through, if there is one."""
    if output.bastion is None:
        return None
    return Target(
        name=f"bastion of {output.name}",
        address=output.bastion.address,
        port=output.bastion.port,
        user=output.bastion.user,
        host_key=output.bastion.host_key or None,
        key=access.key,
    )
