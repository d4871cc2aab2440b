"""`moorage:ssh:HostKey`: an SSH host key that is made before its host, and given to it as it first boots."""

from __future__ import annotations

from dataclasses import dataclass

from installer.provision.provider.resource import Made, Properties
from installer.provision.provider.secrets import new_ssh_key


@dataclass(frozen=True)
class HostKey:
    """Inputs: `name` of the host. Outputs: `privateKey`, `publicKey`."""

    required: frozenset[str] = frozenset({"name"})
    optional: frozenset[str] = frozenset()
    replaced_by: frozenset[str] = frozenset({"name"})
    secret_outputs: frozenset[str] = frozenset({"privateKey"})
    only_looks: bool = False  # the key of a preview would not be the one of the host

    def create(self, inputs: Properties) -> Made:
        private, public = new_ssh_key()
        return Made(str(inputs["name"]), {**inputs, "privateKey": private.reveal(), "publicKey": public})

    def read(self, id_: str, outputs: Properties) -> Made | None:
        return Made(id_, outputs)  # it is nowhere else but on its host

    def update(self, id_: str, outputs: Properties, inputs: Properties) -> Made:
        return Made(id_, {**outputs, **inputs})

    def delete(self, id_: str, outputs: Properties) -> None:
        """It ends with the state."""
