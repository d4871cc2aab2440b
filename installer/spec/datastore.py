"""`kind: Datastore`: an etcd in the manager that holds the data of clusters; the model of the custom resource."""

from __future__ import annotations

from typing import Literal

from installer.spec.base import Metadata, Model, Name, always
from installer.spec.quantity import Memory


class DatastoreSpec(Model):
    """What a datastore consists of."""

    members: Literal[1, 3] = always(3, description="Each on a manager host of its own; of three, one may be lost.")
    region: Name | None = always(
        None,
        description="Its members are on manager hosts there, and follow one by one to another; unset: on any.",
    )
    quota: Memory = always("2Gi", description="How large its data may grow; when it is full, clusters only read.")


class Datastore(Model):
    """One datastore."""

    api_version: Literal["moorage.dev/v1"]
    kind: Literal["Datastore"]
    metadata: Metadata
    spec: DatastoreSpec = DatastoreSpec()

    @property
    def name(self) -> str:
        return self.metadata.name
