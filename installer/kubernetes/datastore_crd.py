"""The custom resource definition of `kind: Datastore`, generated from its model as Cluster's is."""

from __future__ import annotations

from typing import Any, Final

from installer.kubernetes.crd import GROUP, VERSION, structural
from installer.spec.base import NAME_PATTERN
from installer.spec.datastore import DatastoreSpec

PLURAL: Final = "datastores"
# That of the one a cluster has to itself is the cluster's name with a prefix.
MAX_NAME: Final = 48


def manifest() -> dict[str, Any]:
    """What must be in the manager's API before the first Datastore."""
    spec = DatastoreSpec.model_json_schema(by_alias=True)
    name = {"type": "string", "maxLength": MAX_NAME, "pattern": NAME_PATTERN}
    schema = {
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": name}},
            "spec": {**structural(spec, spec.get("$defs", {})), "default": {}},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            _column("Phase", ".status.phase"),
            _column("Members", ".status.summary"),
            _column("Size", ".status.size"),
            _column("Quota", ".spec.quota"),
            _column("Clusters", ".status.clusters", kind="integer"),
            _column("Used by", ".status.usedBy", priority=1),
            _column("Age", ".metadata.creationTimestamp", kind="date"),
        ],
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": {"kind": "Datastore", "listKind": "DatastoreList", "plural": PLURAL, "singular": "datastore"},
            "versions": [version],
        },
    }


def _column(name: str, path: str, *, kind: str = "string", priority: int = 0) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, "priority": priority}
