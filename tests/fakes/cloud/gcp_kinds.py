"""The kinds of things that the fake Google Cloud has: what they refer to, what is unique, what is refused.

One entry for each resource type that stacks/gcp uses, and no others. Wording of errors: `googleapi: Error 404: ...`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Final

from tests.fakes.cloud.cloud import Data, Kind, RefusedError, at

if TYPE_CHECKING:
    from tests.fakes.cloud.account import Account

PROJECT, REGION = "example-123456", "europe-west3"
ZONES: Final = [f"{REGION}-{letter}" for letter in "abc"]
NETWORK, SUBNET = "gcp:compute/network:Network", "gcp:compute/subnetwork:Subnetwork"
ROUTER, NAT = "gcp:compute/router:Router", "gcp:compute/routerNat:RouterNat"
FIREWALL, ADDRESS = "gcp:compute/firewall:Firewall", "gcp:compute/address:Address"
DISK, INSTANCE = "gcp:compute/disk:Disk", "gcp:compute/instance:Instance"
GROUP, CHECK = "gcp:compute/instanceGroup:InstanceGroup", "gcp:compute/regionHealthCheck:RegionHealthCheck"
SERVICE = "gcp:compute/regionBackendService:RegionBackendService"
FORWARDING = "gcp:compute/forwardingRule:ForwardingRule"
ACCOUNT, BUCKET = "gcp:serviceaccount/account:Account", "gcp:storage/bucket:Bucket"
_MEMBER: Final = "gcp:storage/bucketIAMMember:BucketIAMMember"

_ROOT: Final = "https://www.googleapis.com/compute/v1/"
_NAME: Final = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1035; of everything of Compute Engine
_PORTS: Final = re.compile(r"\d{1,5}(-\d{1,5})?")
_LABEL: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}=[a-z0-9_-]{0,63}")
_NUMBER: Final = "445566778899"  # of the project

Check = Callable[["Account", Data], None]


def invalid(text: str) -> RefusedError:
    """For a value that is never right."""
    return RefusedError("invalid", f"Invalid value for field {text}")


def in_use(what: str, id_: str, user: str) -> RefusedError:
    """For what something else has."""
    return RefusedError(
        "resourceInUseByAnotherResource", f"The {what} resource '{id_}' is already being used by '{user}'"
    )


def _subnet_fits(account: Account, inputs: Data) -> None:
    mine = IPv4Network(inputs["ipCidrRange"])
    others = [data for data in account.all(SUBNET) if data["network"] == inputs["network"]]
    if any(mine.overlaps(IPv4Network(other["ipCidrRange"])) for other in others):
        raise invalid(f"'resource.ipCidrRange': '{mine}'. Conflicts with an existing subnetwork")


def _rule_is_right(account: Account, inputs: Data) -> None:
    out = inputs.get("direction") == "EGRESS"
    if bool(inputs.get("allows")) is bool(inputs.get("denies")):
        raise invalid("'resource': exactly one of allowed and denied is wanted")
    sources = [key for key in ("sourceRanges", "sourceTags", "sourceServiceAccounts") if inputs.get(key)]
    if out and (sources or not inputs.get("destinationRanges")):
        raise invalid(f"'resource': an egress rule has destinations, not {sources}")
    if not out and (not sources or inputs.get("destinationRanges")):
        raise invalid("'resource': an ingress rule has sources, and no destinations")
    for port in (*at(inputs, "allows.ports"), *at(inputs, "denies.ports")):
        for one in port if isinstance(port, list) else [port]:
            if not _PORTS.fullmatch(one):
                raise invalid(f"'resource.allowed[0].ports': '{one}'")
    for tag in (*inputs.get("targetTags", ()), *inputs.get("sourceTags", ())):
        if not _NAME.fullmatch(tag):
            raise invalid(f"'resource.targetTags': '{tag}'. Must be a match of regex '{_NAME.pattern}'")


def _address_fits(account: Account, inputs: Data) -> None:
    outside = [data for data in account.all(ADDRESS) if data["addressType"] == "EXTERNAL"]
    if inputs["addressType"] == "EXTERNAL" and len(outside) >= account.quota["addresses"]:
        raise exceeded("STATIC_ADDRESSES", account.quota["addresses"])
    if inputs["addressType"] == "INTERNAL" and not inputs.get("subnetwork"):
        raise invalid("'resource.subnetwork': ''. An internal address is one of a subnetwork")


def exceeded(metric: str, limit: int) -> RefusedError:
    """For more than a quota has."""
    return RefusedError("quotaExceeded", f"Quota '{metric}' exceeded.  Limit: {limit}.0 in region {REGION}.")


def _disk_fits(account: Account, inputs: Data) -> None:
    _zone_is_there(account, inputs)
    if image := inputs.get("image"):
        _image_is_there(account, image)
    if inputs.get("provisionedIops") and not str(inputs["type"]).startswith("hyperdisk-"):
        raise invalid(f"'resource.provisionedIops': IOPS cannot be given for disk type {inputs['type']}")
    if inputs.get("size", 0) < 10:
        raise invalid(f"'resource.sizeGb': '{inputs.get('size')}'. Disk size cannot be smaller than the image (10 GB)")


def _image_is_there(account: Account, image: str) -> None:
    if image not in {found["selfLink"] for found in account.cloud.images}:  # type: ignore[attr-defined]  # of Gcp
        raise RefusedError("notFound", f"The resource '{image}' was not found")


def _zone_is_there(account: Account, inputs: Data) -> None:
    if inputs.get("zone") not in ZONES:
        raise invalid(f"'zone': '{inputs.get('zone')}'. Unknown zone.")


def _instance_fits(account: Account, inputs: Data) -> None:
    _zone_is_there(account, inputs)
    if len(account.all(INSTANCE)) >= account.quota["instances"]:
        raise exceeded("CPUS", 2 * account.quota["instances"])
    taken = {value: data["id"] for data in account.all(INSTANCE) for value in at(data, "bootDisk.source")}
    taken |= {value: data["id"] for data in account.all(INSTANCE) for value in at(data, "attachedDisks.source")}
    for source in (*at(inputs, "bootDisk.source"), *at(inputs, "attachedDisks.source")):
        if source in taken:
            raise in_use("disk", source, taken[source])
        if account.one(DISK, "selfLink", source)["zone"] != inputs["zone"]:  # type: ignore[index]  # it was looked for
            raise invalid(f"'resource.disks[0].source': '{source}'. It is in another zone")
    for image in at(inputs, "bootDisk.initializeParams.image"):
        _image_is_there(account, image)
    for path in ("networkInterfaces.networkIp", "networkInterfaces.accessConfigs.natIp"):
        for address in at(inputs, path):
            if user := account.one(INSTANCE, path, address):
                raise RefusedError("IP_IN_USE_BY_ANOTHER_RESOURCE", f"IP '{address}' is already used by {user['id']}")
    scheduling = inputs.get("scheduling") or {}
    if scheduling.get("provisioningModel") == "SPOT" and scheduling.get("automaticRestart") is not False:
        raise invalid("'scheduling.automaticRestart': 'true'. Cannot be set for preemptible instance.")
    _gpus_fit(inputs)
    for key, value in (inputs.get("metadata") or {}).items():
        if len(value) > 256 * 1024:
            raise invalid(f"'resource.metadata.items[{key}]': it is too large")


def _gpus_fit(inputs: Data) -> None:
    scheduling = inputs.get("scheduling") or {}
    if not inputs.get("guestAccelerators"):
        return
    if not inputs["machineType"].startswith("n1-"):
        raise invalid(f"'resource.guestAccelerators': '{inputs['machineType']}' has none to choose")
    if scheduling.get("onHostMaintenance") != "TERMINATE" and scheduling.get("provisioningModel") != "SPOT":
        raise invalid("'scheduling.onHostMaintenance': 'MIGRATE'. Instances with guest accelerators do not migrate.")


def _group_fits(account: Account, inputs: Data) -> None:
    for link in inputs.get("instances", ()):
        if account.one(INSTANCE, "selfLink", link)["zone"] != inputs["zone"]:  # type: ignore[index]
            raise invalid(f"'instances[0].instance': '{link}'. Must be in the group's zone")


def _rule_of_a_balancer_fits(account: Account, inputs: Data) -> None:
    given = [key for key in ("ports", "allPorts", "portRange") if inputs.get(key)]
    inside = inputs["loadBalancingScheme"] == "INTERNAL"
    if len(given) != 1 or (given == ["portRange"]) is inside or len(inputs.get("ports") or ()) > 5:
        raise invalid(f"'resource': {given} cannot be given for scheme {inputs['loadBalancingScheme']}")


def _account_fits(account: Account, inputs: Data) -> None:
    if not re.fullmatch(r"[a-z][-a-z0-9]{4,28}[a-z0-9]", inputs["accountId"]):
        raise invalid(f"'accountId': '{inputs['accountId']}'")
    if account.one(ACCOUNT, "accountId", inputs["accountId"]) and not inputs.get("createIgnoreAlreadyExists"):
        raise RefusedError("alreadyExists", f"Service account {inputs['accountId']} already exists within {PROJECT}.")


def _bucket_fits(account: Account, inputs: Data) -> None:
    if not re.fullmatch(r"[a-z0-9][-_a-z0-9]{1,61}[a-z0-9]", inputs["name"]):
        raise invalid(f"'name': Invalid bucket name: '{inputs['name']}'")


def _email(inputs: Data) -> str:
    return f"{inputs['accountId']}@{PROJECT}.iam.gserviceaccount.com"


def _account(account: Account, id_: str, inputs: Data) -> dict[str, Any]:
    email = _email(inputs)
    return {"email": email, "member": f"serviceAccount:{email}", "name": id_, "project": PROJECT}


def _instance(account: Account, id_: str, inputs: Data) -> dict[str, Any]:
    return {**_linked(account, id_, inputs), "instanceId": str(zlib.crc32(id_.encode())), "currentStatus": "RUNNING"}


def _linked(account: Account, id_: str, inputs: Data) -> dict[str, Any]:
    return {"selfLink": _ROOT + id_, "project": PROJECT}


def _of_compute(
    collection: str,
    refers: Mapping[str, tuple[str, str]] | None = None,
    *,
    replaced_by: tuple[str, ...] = (),
    check: Check | None = None,
    made: Callable[[Account, str, Data], dict[str, Any]] = _linked,
) -> Kind:
    """`collection`: `zones/instances`, where `zones` stands for where a thing is; names are unique there."""
    scope, _, what = collection.partition("/")
    place = {"zones": "zone", "regions": "region"}.get(scope, "")

    def right(account: Account, inputs: Data) -> None:
        if not _NAME.fullmatch(inputs["name"]):
            raise invalid(f"'resource.name': '{inputs['name']}'. Must be a match of regex '{_NAME.pattern}'")
        if place == "region" and inputs.get("region") != REGION:
            raise invalid(f"'region': '{inputs.get('region')}'. Unknown region.")
        for key, value in (inputs.get("labels") or {}).items():
            if not _LABEL.fullmatch(f"{key}={value}"):
                raise invalid(f"'resource.labels': '{key}={value}'")
        if check:
            check(account, inputs)

    def id_of(inputs: Data) -> str:
        where = f"{scope}/{inputs[place]}" if place else scope
        return f"projects/{PROJECT}/{where}/{what}/{inputs['name']}"

    return Kind(
        refers=refers or {},
        named="name",
        unique=(*([place] if place else []), "name"),
        replaced_by=frozenset({"name", *([place] if place else []), *replaced_by}),
        made=made,
        check=right,
        id_of=id_of,
    )


KINDS: Final[Mapping[str, Kind]] = {
    NETWORK: _of_compute("global/networks", replaced_by=("autoCreateSubnetworks", "description")),
    SUBNET: _of_compute(
        "regions/subnetworks",
        {"network": (NETWORK, "selfLink")},
        replaced_by=("network", "ipCidrRange", "description"),
        check=_subnet_fits,
    ),
    ROUTER: _of_compute("regions/routers", {"network": (NETWORK, "selfLink")}, replaced_by=("network",)),
    NAT: Kind(
        refers={"router": (ROUTER, "name"), "subnetworks.name": (SUBNET, "selfLink")},
        named="name",
        unique=("router", "name"),
        replaced_by=frozenset({"router", "name", "region"}),
        id_of=lambda inputs: f"projects/{PROJECT}/regions/{REGION}/routers/{inputs['router']}/{inputs['name']}",
    ),
    FIREWALL: _of_compute(
        "global/firewalls",
        {"network": (NETWORK, "selfLink")},
        replaced_by=("network", "direction"),
        check=_rule_is_right,
    ),
    ADDRESS: _of_compute(
        "regions/addresses",
        {"subnetwork": (SUBNET, "selfLink")},
        replaced_by=("subnetwork", "addressType", "description"),
        check=_address_fits,
    ),
    DISK: _of_compute("zones/disks", replaced_by=("image", "type"), check=_disk_fits),
    INSTANCE: _of_compute(
        "zones/instances",
        {
            "bootDisk.source": (DISK, "selfLink"),
            "attachedDisks.source": (DISK, "selfLink"),
            "networkInterfaces.subnetwork": (SUBNET, "selfLink"),
            "networkInterfaces.networkIp": (ADDRESS, "address"),
            "networkInterfaces.accessConfigs.natIp": (ADDRESS, "address"),
            "serviceAccount.email": (ACCOUNT, "email"),
        },
        replaced_by=("bootDisk", "guestAccelerators", "networkInterfaces", "scheduling", "machineType"),
        check=_instance_fits,
        made=_instance,
    ),
    GROUP: _of_compute("zones/instanceGroups", {"instances": (INSTANCE, "selfLink")}, check=_group_fits),
    CHECK: _of_compute("regions/healthChecks"),
    SERVICE: _of_compute(
        "regions/backendServices",
        {"backends.group": (GROUP, "selfLink"), "healthChecks": (CHECK, "selfLink")},
        replaced_by=("loadBalancingScheme",),
    ),
    FORWARDING: _of_compute(
        "regions/forwardingRules",
        {
            "backendService": (SERVICE, "selfLink"),
            "network": (NETWORK, "selfLink"),
            "subnetwork": (SUBNET, "selfLink"),
        },
        replaced_by=("loadBalancingScheme", "network", "subnetwork", "ports", "portRange", "allPorts"),
        check=_rule_of_a_balancer_fits,
    ),
    ACCOUNT: Kind(
        replaced_by=frozenset({"accountId"}),
        made=_account,
        check=_account_fits,
        id_of=lambda inputs: f"projects/{PROJECT}/serviceAccounts/{_email(inputs)}",
    ),
    BUCKET: Kind(
        named="name",
        unique=("name",),
        replaced_by=frozenset({"name", "location"}),
        made=lambda account, id_, inputs: {"url": f"gs://{id_}", "projectNumber": float(_NUMBER)},
        check=_bucket_fits,
        id_of=lambda inputs: str(inputs["name"]),
    ),
    _MEMBER: Kind(
        refers={"bucket": (BUCKET, "name"), "member": (ACCOUNT, "member")},
        unique=("bucket", "role", "member"),
        replaced_by=frozenset({"bucket", "role", "member"}),
        made=lambda account, id_, inputs: {"etag": "CAE="},
        id_of=lambda inputs: f"b/{inputs['bucket']}/{inputs['role']}/{inputs['member']}",
    ),
}
