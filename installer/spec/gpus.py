"""Which machines of clouds have GPUs."""

from __future__ import annotations

import re

from installer.spec.aws import AwsHosts
from installer.spec.azure import AzureHosts
from installer.spec.cloud import CloudHosts
from installer.spec.gcp import GcpHosts


def has_gpus(group: CloudHosts) -> bool:
    """By what clouds call types of machines that come with some.

    https://docs.aws.amazon.com/ec2/latest/instancetypes/ac.html, https://cloud.google.com/compute/docs/gpus,
    https://learn.microsoft.com/azure/virtual-machines/sizes/overview
    """
    match group:
        case AwsHosts():
            return re.match(r"[pg]\d", group.instance_type) is not None
        case AzureHosts():
            return re.match(r"Standard_N[CDGV]", group.size) is not None
        case GcpHosts():
            return group.gpu is not None or re.match(r"[ag]\d", group.machine_type) is not None
        case _:
            raise TypeError(f"a cloud with hosts of type {type(group).__name__}")
