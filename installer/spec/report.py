"""What `moorage report density` compares a platform with: clusters whose every node is a virtual machine."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import StringConstraints

from installer.spec.base import Model, always
from installer.spec.quantity import Cpu, Memory

SizeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class VmSize(Model):
    """A size in which virtual machines are sold."""

    name: SizeName = always(description="What it is called, for instance `m7i.large`.")
    cpu: Cpu = always(description="Its CPU.")
    memory: Memory = always(description="Its memory.")


class ControlPlaneVm(Model):
    """What a control plane asks of a machine of its own; the least that kubeadm takes.

    https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/#before-you-begin
    """

    cpu: Cpu = always("2", description="CPU that a control plane's VM has at least.")
    memory: Memory = always("2Gi", description="Memory that a control plane's VM has at least.")


# Sizes that clouds have in common: one to four GiB of memory for each CPU.
COMMON_SIZES: Final = tuple(
    VmSize(name=f"{cpu}-cpu-{memory}-gib", cpu=str(cpu), memory=f"{memory}Gi")
    for cpu, memory in ((1, 1), (1, 2), (2, 2), (2, 4), (2, 8), (4, 16), (8, 32), (16, 64), (32, 128))
)


class Report(Model):
    """How reports compare."""

    vm_sizes: tuple[VmSize, ...] = always(
        (), description="Sizes of VMs; unset: 1 to 32 CPU with 1 to 4 GiB for each, as clouds have them."
    )
    control_plane_vm: ControlPlaneVm = always(
        default_factory=ControlPlaneVm, description="What a VM with a control plane and its etcd needs."
    )

    @property
    def sizes(self) -> tuple[VmSize, ...]:
        """The sizes to choose from."""
        return self.vm_sizes or COMMON_SIZES
