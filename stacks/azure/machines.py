"""Virtual machines on Azure: hosts, and the bastion through which they are reached."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi_azure_native.authorization.management_lock_by_scope import ManagementLockByScope
from pulumi_azure_native.compute.virtual_machine import VirtualMachine
from pulumi_azure_native.network.network_interface import NetworkInterface
from pulumi_azure_native.network.public_ip_address import PublicIPAddress

from installer.spec.azure import AzureDisk, AzureHosts, AzureImage, AzureVolume
from installer.spec.hosts import WantedHost
from installer.spec.quantity import memory_bytes
from stacks.azure.place import ADDRESS, Place
from stacks.common.cloud_init import user_data
from stacks.common.resources import HostKey

# Publisher, offer and SKU: https://wiki.debian.org/Cloud/MicrosoftAzure,
# https://documentation.ubuntu.com/azure/azure-how-to/instances/find-ubuntu-images/
FAMILIES: Final = {
    "debian-12": ("Debian", "debian-12", "12-gen2"),
    "debian-13": ("Debian", "debian-13", "13-gen2"),
    "ubuntu-22.04": ("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2"),
    "ubuntu-24.04": ("Canonical", "ubuntu-24_04-lts", "server"),
}
# A host is never changed under what it carries: others are added, and these emptied and taken out.
_KEPT: Final = ["osProfile", "storageProfile"]
_BASTION_DISK: Final = AzureDisk(size="32Gi", type="StandardSSD_LRS")
# Azure wants the name of an account and a key for it; cloud-init is told to make no account but root's.
_ACCOUNT: Final = "moorage"
# Whoever asks these addresses gets tokens of the host's identity, or what Azure's agent is told: no pod is to.
_METADATA: Final = (
    "nft 'table inet moorage-metadata { chain forward { type filter hook forward priority filter;"
    " ip daddr 169.254.169.254 drop; ip daddr 168.63.129.16 tcp dport { 80, 32526 } drop; }; }'"
)


@dataclass(frozen=True, kw_only=True)
class MachineArgs:
    """What all virtual machines of a region have in common."""

    place: Place
    image: AzureImage
    public_key: str  # the platform's own
    more_keys: Sequence[str]  # who else may log in


@dataclass(frozen=True, kw_only=True)
class PortArgs:
    """Where a virtual machine is plugged in: ids of a subnet, of its rules, of groups and pools that it is in."""

    subnet: pulumi.Input[str]
    rules: pulumi.Input[str]
    group: pulumi.Input[str]
    pools: Sequence[pulumi.Input[str]] = ()
    public: bool


@dataclass(frozen=True, kw_only=True)
class HostArgs:
    """One host and the group that it is of."""

    common: MachineArgs
    wanted: WantedHost
    group: AzureHosts
    port: PortArgs
    locked: bool
    after: Sequence[pulumi.Resource]  # what must be there first
    identity: pulumi.Input[str] | None  # as what it may use Azure; None: as nobody


@dataclass(frozen=True, kw_only=True)
class BastionArgs:
    """One bastion."""

    common: MachineArgs
    size: str
    port: PortArgs


class Host(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`output`: its part of the contract, but for the bastion."""

    def __init__(self, name: str, args: HostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:azure:Host", name, None, opts)
        child, wanted, group = pulumi.ResourceOptions(parent=self), args.wanted, args.group
        key = HostKey(name, child)
        card, private, public = _card(name, args.common.place, args.port, child)
        machine = VirtualMachine(
            name,
            **_machine(name, args.common, key, card, group.disk, volumes=group.volumes),
            hardware_profile={"vm_size": group.size},
            zones=[wanted.zone],
            identity={"type": "UserAssigned", "user_assigned_identities": [args.identity]} if args.identity else None,
            security_profile={"encryption_at_host": True} if group.encryption_at_host else None,
            priority="Spot" if group.spot else None,
            eviction_policy="Deallocate" if group.spot else None,
            billing_profile={"max_price": -1} if group.spot else None,  # up to what it costs without being spot
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=_KEPT, depends_on=list(args.after)),
        )
        if args.locked:
            ManagementLockByScope(
                name,
                scope=machine.id,
                lock_name="holds-data",
                level="CanNotDelete",
                notes="Holds data of a manager; `moorage destroy` takes this off.",
                opts=child,
            )
        self.output = pulumi.Output.all(
            name=wanted.name,
            role=wanted.role,
            region=wanted.region,
            zone=wanted.zone,
            labels=wanted.labels,
            address=public if args.port.public else private,
            cluster_address=private,
            host_key=key.publicKey,
            machine=machine.id,  # it is there
        ).apply(lambda found: {key: value for key, value in found.items() if key != "machine"})
        self.register_outputs({"machineId": machine.id})


class Bastion(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """A small machine with an address that stays; `output` is what the contract says of it."""

    def __init__(self, name: str, args: BastionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:azure:Bastion", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        key = HostKey(name, child)
        card, _, public = _card(name, args.common.place, args.port, child)
        machine = VirtualMachine(
            name,
            **_machine(name, args.common, key, card, _BASTION_DISK),
            hardware_profile={"vm_size": args.size},
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=_KEPT),
        )
        self.output = pulumi.Output.all(address=public, host_key=key.publicKey)
        self.register_outputs({"machineId": machine.id})


def _card(
    name: str, place: Place, port: PortArgs, opts: pulumi.ResourceOptions
) -> tuple[NetworkInterface, pulumi.Output[str], pulumi.Output[str] | None]:
    """A network interface, its private address, and its public one if it is to have one."""
    address = None
    if port.public:
        address = PublicIPAddress(name, **place.of(name), public_ip_address_name=name, **ADDRESS, opts=opts)
    card = NetworkInterface(
        name,
        **place.of(name),
        network_interface_name=name,
        network_security_group={"id": port.rules},
        ip_configurations=[
            {
                "name": name,
                "primary": True,
                "subnet": {"id": port.subnet},
                "private_ip_allocation_method": "Dynamic",
                "application_security_groups": [{"id": port.group}],
                "load_balancer_backend_address_pools": [{"id": pool} for pool in port.pools] or None,
                "public_ip_address": {"id": address.id} if address else None,
            }
        ],
        opts=opts,
    )
    private = card.ip_configurations.apply(lambda found: found[0].private_ip_address)
    return card, private, address.ip_address if address else None


def _machine(
    name: str,
    common: MachineArgs,
    key: HostKey,
    card: NetworkInterface,
    disk: AzureDisk,
    *,
    volumes: Sequence[AzureVolume] = (),
) -> dict[str, Any]:
    told = user_data(
        name=name,
        key=key,
        public_keys=[common.public_key, *common.more_keys],
        each_boot=[_METADATA],
        disks={volume.mount: _device_names(lun) for lun, volume in enumerate(volumes)},
    )
    return {
        **common.place.of(name),
        "vm_name": name,
        "network_profile": {"network_interfaces": [{"id": card.id, "primary": True}]},
        "os_profile": {
            "computer_name": name,
            "admin_username": _ACCOUNT,
            "custom_data": told.apply(lambda text: base64.b64encode(text.encode()).decode()),
            "linux_configuration": {
                "disable_password_authentication": True,
                "ssh": {
                    "public_keys": [
                        {"path": f"/home/{_ACCOUNT}/.ssh/authorized_keys", "key_data": common.public_key},
                    ]
                },
            },
        },
        "storage_profile": {
            "image_reference": _image(common.image),
            "os_disk": {
                "create_option": "FromImage",
                "delete_option": "Delete",
                **_disk(disk),
                "caching": "ReadOnly",  # what is written is on the disk: etcd counts on it
            },
            "data_disks": [
                {"lun": lun, "create_option": "Empty", "delete_option": "Delete", **_disk(volume), "caching": "None"}
                for lun, volume in enumerate(volumes)
            ]
            or None,
        },
        "diagnostics_profile": {"boot_diagnostics": {"enabled": True}},  # the console, in storage of Azure's own
    }


def _disk(disk: AzureDisk) -> dict[str, Any]:
    """Size, and a kind that is managed by Azure: that is encrypted."""
    return {
        "disk_size_gb": -(-memory_bytes(disk.size) // 2**30),
        "managed_disk": {"storage_account_type": disk.type},
    }


def _device_names(lun: int) -> list[str]:
    """As udev rules of Azure's agent name it, and those of newer images, for NVMe as well.

    https://learn.microsoft.com/troubleshoot/azure/virtual-machines/linux/troubleshoot-device-names-problems,
    https://github.com/Azure/azure-vm-utils
    """
    return [f"/dev/disk/azure/data/by-lun/{lun}", f"/dev/disk/azure/scsi1/lun{lun}"]


def _image(image: AzureImage) -> dict[str, str]:
    """What new machines are made from."""
    if image.id:
        return {"id": image.id}
    publisher, offer, sku = FAMILIES[image.family]
    return {"publisher": publisher, "offer": offer, "sku": sku, "version": "latest"}
