"""Hosts that a specification gives by address: how they are reached before any stack has recorded them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from installer.spec.contract import BastionOutput, HostOutput, JumpOutput
from installer.spec.hosts import hosts_of
from installer.spec.platform import Bastion, Jump, OnPremRegion, Platform


def given_hosts(platform: Platform) -> tuple[HostOutput, ...]:
    """All hosts that exist already, in the order in which they are written; a key that is not known yet is empty."""
    return tuple(
        host for region in platform.spec.regions if isinstance(region, OnPremRegion) for host in _of_region(region)
    )


def _of_region(region: OnPremRegion) -> Iterator[HostOutput]:
    ssh = region.provider.ssh
    for wanted, host in zip(hosts_of(region), region.hosts, strict=True):
        if wanted.address is None or wanted.cluster_address is None:
            continue  # the cross-checks ask for it before anything runs
        yield HostOutput(
            name=wanted.name,
            role=wanted.role,
            region=wanted.region,
            zone=wanted.zone,
            labels=wanted.labels,
            address=wanted.address,
            cluster_address=wanted.cluster_address,
            port=wanted.port,
            user=host.user or ssh.user,
            host_key=host.host_key or "",
            bastion=bastion_output(ssh.bastion),
        )


def bastion_output(given: Bastion | None) -> BastionOutput | None:
    """A bastion of the specification as hosts are told it."""
    if given is None:
        return None
    return BastionOutput(**_jump(given), through=tuple(JumpOutput(**_jump(one)) for one in given.through))


def _jump(given: Jump) -> dict[str, Any]:
    return {**given.model_dump(include={"address", "port", "user"}), "host_key": given.host_key or ""}
