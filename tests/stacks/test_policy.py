"""The checks of policy find what they are for: each on a planned resource that breaks it, and on one that does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stacks.policy import breaches

_TAGS = {"moorage.dev/platform": "harbor", "moorage.dev/region": "home", "Name": "x"}
_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_INSTANCE = {
    "type": "aws:ec2/instance:Instance",
    "rootBlockDevice": {"encrypted": True},
    "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
    "tags": _TAGS,
}
_BLOCKED = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True)
_BUCKET = [
    {"type": "aws:s3/bucket:Bucket", "tags": _TAGS},
    {"type": "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", **_BLOCKED},
    {"type": "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"},
]


def _rule(cidr: str, first: int, last: int) -> dict[str, Any]:
    return {"type": _RULE, "cidrIpv4": cidr, "fromPort": first, "toPort": last, "tags": _TAGS}


RIGHT: list[dict[str, Any]] = [_INSTANCE, *_BUCKET, _rule("198.51.100.0/24", 22, 22), _rule("0.0.0.0/0", 30000, 32767)]
WRONG: dict[str, list[dict[str, Any]]] = {
    "open to": [_rule("0.0.0.0/0", 22, 22)],
    "open to 0.0.0.0/1": [_rule("0.0.0.0/1", 29999, 32767)],
    "not encrypted": [{**_INSTANCE, "rootBlockDevice": {"volumeSize": 50}}],
    "a disk": [{**_INSTANCE, "ebsBlockDevices": [{"encrypted": False}]}],
    "without a token": [{**_INSTANCE, "metadataOptions": {"httpPutResponseHopLimit": 1}}],
    "reach pods": [{**_INSTANCE, "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 2}}],
    "no tag": [{**_INSTANCE, "tags": {"Name": "x"}}],
    "lives until": [{"type": "aws:iam/accessKey:AccessKey", "user": "x"}],
    "everything": [
        {"type": "aws:iam/rolePolicy:RolePolicy", "policy": '{"Statement": [{"Action": "s3:*", "Resource": "x"}]}'}
    ],
    "has no aws:s3/bucketPublic": [_BUCKET[0], _BUCKET[2]],
    "has no aws:s3/bucketServer": _BUCKET[:2],
    "can be made public": [_BUCKET[0], {**_BUCKET[1], "blockPublicPolicy": False}, _BUCKET[2]],
    "is shared": [{**_BUCKET[0], "acl": "public-read"}, *_BUCKET[1:]],
}

_LABELS = {"moorage-platform": "harbor", "moorage-region": "home", "name": "x"}
_VM: dict[str, Any] = {
    "type": "gcp:compute/instance:Instance",
    "labels": _LABELS,
    "metadata": {
        "user-data": "ip daddr 169.254.169.254 drop",
        "block-project-ssh-keys": "TRUE",
        "enable-oslogin": "FALSE",
        "serial-port-enable": "FALSE",
    },
    "shieldedInstanceConfig": dict.fromkeys(("enableSecureBoot", "enableVtpm", "enableIntegrityMonitoring"), True),
    "tags": ["harbor-manager"],
    "serviceAccount": {"email": "x", "scopes": ["https://www.googleapis.com/auth/devstorage.read_write"]},
}
_STORE = {
    "type": "gcp:storage/bucket:Bucket",
    "publicAccessPrevention": "enforced",
    "uniformBucketLevelAccess": True,
    "versioning": {"enabled": True},
    "labels": _LABELS,
}
_RIGHT = {"type": "gcp:storage/bucketIAMMember:BucketIAMMember", "role": "roles/storage.objectUser", "member": "x"}


def _firewall(source: str, *ports: str, **more: Any) -> dict[str, Any]:
    allows = [{"protocol": "tcp", "ports": list(ports)}]
    rule = {"type": "gcp:compute/firewall:Firewall", "sourceRanges": [source], "targetTags": ["x"], "allows": allows}
    return {**rule, **more}


RIGHT += [_VM, _STORE, _RIGHT, _firewall("198.51.100.0/24", "22"), _firewall("0.0.0.0/0", "30000-32767")]
WRONG |= {
    "ports 22-22 are open to": [_firewall("0.0.0.0/0", "22")],
    "open to 128.0.0.0/1": [_firewall("128.0.0.0/1", "30000-32768")],
    "all instances": [_firewall("198.51.100.0/24", "22", targetTags=None)],
    "lets in all ports": [_firewall("198.51.100.0/24", allows=[{"protocol": "all"}])],
    "has no tag moorage-platform": [{**_VM, "labels": {"name": "x", "moorage-region": "y"}}],
    "block-project-ssh-keys": [{**_VM, "metadata": {**_VM["metadata"], "block-project-ssh-keys": "FALSE"}}],
    "serial-port": [{**_VM, "metadata": {k: v for k, v in _VM["metadata"].items() if k != "serial-port-enable"}}],
    "metadata reach pods": [{**_VM, "metadata": {**_VM["metadata"], "user-data": "#cloud-config"}}],
    "not shielded": [{**_VM, "shieldedInstanceConfig": {"enableVtpm": True, "enableIntegrityMonitoring": True}}],
    "all that its": [{**_VM, "serviceAccount": {"scopes": ["https://www.googleapis.com/auth/cloud-platform"]}}],
    "of several roles": [_VM, {**_VM, "tags": ["harbor-worker"]}],
    "in all regions": [{"type": "gcp:compute/network:Network", "name": "x"}],
    "bucket can be made": [{**_STORE, "publicAccessPrevention": "inherited"}],
    "one by one": [{**_STORE, "uniformBucketLevelAccess": False}],
    "forgets": [{**_STORE, "versioning": {"enabled": False}}],
    "until somebody": [{"type": "gcp:serviceaccount/key:Key", "serviceAccountId": "x"}],
    "of everybody": [{**_RIGHT, "member": "allUsers"}],
    "everything of something": [{**_RIGHT, "role": "roles/storage.admin"}],
}


_DASHED = {"moorage-platform": "harbor", "moorage-region": "home", "name": "x"}
_VM = {
    "type": "azure-native:compute:VirtualMachine",
    "storageProfile": {"osDisk": {"managedDisk": {"storageAccountType": "Premium_LRS"}}},
    "osProfile": {"linuxConfiguration": {"disablePasswordAuthentication": True}},
    "tags": _DASHED,
}
_CARD = {"type": "azure-native:network:NetworkInterface", "networkSecurityGroup": {"id": "x"}, "tags": _DASHED}
_STORE = {
    "type": "azure-native:storage:StorageAccount",
    "allowBlobPublicAccess": False,
    "allowSharedKeyAccess": False,
    "enableHttpsTrafficOnly": True,
    "minimumTlsVersion": "TLS1_2",
    "tags": _DASHED,
}
_CONTAINER = {"type": "azure-native:storage:BlobContainer", "publicAccess": "None"}
_RIGHT_TO_BLOBS = {
    "type": "azure-native:authorization:RoleAssignment",
    "scope": "/x/containers/backups",
    "roleDefinitionId": "/x/ba92f5b4-2d11-453d-a403-e96b0029c9fe",
}
_NOTHING_ELSE = {"access": "Deny", "protocol": "*", "sourceAddressPrefix": "*", "destinationPortRange": "*"}


def _rules(ports: str, *last: dict[str, Any], **source: Any) -> dict[str, Any]:
    rule = {"direction": "Inbound", "access": "Allow", "protocol": "Tcp", "destinationPortRange": ports, **source}
    rules = [rule, *({"direction": "Inbound", **one} for one in last or (_NOTHING_ELSE,))]
    return {"type": "azure-native:network:NetworkSecurityGroup", "securityRules": rules, "tags": _DASHED}


RIGHT += [
    _VM,
    _CARD,
    _STORE,
    _CONTAINER,
    _RIGHT_TO_BLOBS,
    _rules("22", sourceAddressPrefixes=["198.51.100.0/24"]),
    _rules("30000-32767", sourceAddressPrefixes=["0.0.0.0/0"]),
    _rules("6443", sourceAddressPrefix="VirtualNetwork"),
]
WRONG |= {
    "ports 22-22 are open to 0.0.0.0/0": [_rules("22", sourceAddressPrefix="Internet")],
    "ports 0-65535 are open to 0.0.0.0/0": [_rules("*", sourceAddressPrefix="*")],
    "are open to 0.0.0.0/2": [_rules("6443", sourceAddressPrefixes=["0.0.0.0/2"])],
    "that nothing else": [_rules("22", {**_NOTHING_ELSE, "protocol": "Udp"}, sourceAddressPrefix="VirtualNetwork")],
    "has no rules": [{**_CARD, "networkSecurityGroup": None}],
    "not managed": [{**_VM, "storageProfile": {"osDisk": {"vhd": {"uri": "https://x"}}}}],
    "a password": [{**_VM, "osProfile": {"linuxConfiguration": {"disablePasswordAuthentication": False}}}],
    "of its own": [{**_VM, "identity": {"type": "SystemAssigned, UserAssigned"}}],
    "no tag moorage-platform": [{**_VM, "tags": {"name": "x", "moorage-region": "home"}}],
    "allowSharedKeyAccess is not False": [{**_STORE, "allowSharedKeyAccess": True}],
    "minimumTlsVersion is not": [{**_STORE, "minimumTlsVersion": "TLS1_0"}],
    "allowBlobPublicAccess is not": [{key: value for key, value in _STORE.items() if key != "allowBlobPublicAccess"}],
    "container is public": [{**_CONTAINER, "publicAccess": "Blob"}],
    "more than one container": [{**_RIGHT_TO_BLOBS, "scope": "/x/storageAccounts/y"}],
    "more than the use": [{**_RIGHT_TO_BLOBS, "roleDefinitionId": "/x/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"}],
    "somebody remembers": [{"type": "azure-native:compute:SshPublicKey", "tags": _DASHED}],
}


def test_what_is_right_breaks_nothing() -> None:
    """Also where ports that are published are open to everybody."""
    assert breaches(RIGHT) == []


@pytest.mark.parametrize(("why", "planned"), WRONG.items(), ids=WRONG)
def test_what_is_wrong_is_told(why: str, planned: list[dict[str, Any]]) -> None:
    """Once, with the reason."""
    (told,) = breaches(planned)
    assert why in told
