"""How hosts are reached over SSH: from what the stacks say of them, and how a region's hosts are logged in to."""

from __future__ import annotations

from installer.spec.contract import HostOutput
from installer.transport.proxy import Proxy
from installer.transport.target import Target, through
from installer.workflows.infrastructure import Access


def target(output: HostOutput, access: Access) -> Target:
    """A host."""
    before = _bastion(output, access)
    return Target(
        name=output.name,
        address=output.address,
        port=output.port,
        user=output.user,
        host_key=output.host_key or None,
        key=access.key,
        sudo_password=access.sudo_password,
        bastion=before,
        proxy=None if before else _proxy(access),
    )


def passage(output: HostOutput, access: Access) -> tuple[Target, str] | None:
    """Who lets connections pass to a host's ports, and the host's address there; None: they are reached directly.

    A proxy takes connections to SSH servers on, so there the host itself does, where there is no bastion.
    """
    if before := _bastion(output, access):
        return before, output.address
    return (target(output, access), str(output.cluster_address)) if access.proxy else None


def _bastion(output: HostOutput, access: Access) -> Target | None:
    return through(output.bastion, of=output.name, key=access.key, proxy=_proxy(access))


def _proxy(access: Access) -> Proxy | None:
    return Proxy.parse(access.proxy) if access.proxy else None
