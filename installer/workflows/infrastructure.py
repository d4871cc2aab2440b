"""The Pulumi stacks of a platform: one with its root secrets, one a region with its hosts."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from installer.core.errors import InfrastructureError
from installer.core.secret import Secret
from installer.kubernetes.roots import Roots, Stage
from installer.provision import outputs
from installer.provision.changes import ResourceChange, ResourceEvent
from installer.provision.embedded import keys, store
from installer.provision.provider.resource import GONE
from installer.spec import leaving, specification
from installer.spec.contract import RegionOutputs
from installer.spec.platform import OnPremRegion, Platform, Region
from installer.spec.quantity import bits_per_s
from installer.spec.reference import Reference
from installer.spec.specification import Specification
from installer.workflows.state_location import StateLocation

if TYPE_CHECKING:
    from installer.provision.stack import ProjectStack

_PREVIEWS_AT_ONCE = 2  # of regions: each has a program, of some 120 MB with a cloud's SDK, and a provider of ours
_PASSPHRASE_VARIABLES = ("MOORAGE_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE")
_PROVIDER_VARIABLE = "MOORAGE_SECRETS_PROVIDER"
_SECRETS = "secrets"  # output of the platform's stack
_SPECIFICATION = "specification"  # output of the platform's stack
_REGION = "region"  # output of a region's stack
# Of clouds: too large for everybody to have.
_SDKS = {"aws": "pulumi_aws", "azure": "pulumi_azure_native", "gcp": "pulumi_gcp"}

Listener = Callable[[ResourceEvent], None]


@dataclass(frozen=True)
class Access:
    """How the hosts of a region are logged in to."""

    key: Secret | None = field(repr=False)  # None: the SSH agent
    sudo_password: Secret | None = None
    bytes_per_s: float | None = None  # that may be sent to all of them together; None: as much as the link carries
    proxy: Secret | None = None  # its URL


@dataclass(frozen=True)
class Provided:
    """All that the stacks gave."""

    regions: tuple[RegionOutputs, ...]
    roots: Roots
    access: Mapping[str, Access]  # by region
    specification: str  # the platform that was provided, as `specification.to_text` has it


class Infrastructure:
    """Previews, brings up and takes down a platform's stacks."""

    def __init__(self, platform: Platform, directory: Path, state: StateLocation) -> None:
        self._platform = platform
        self._directory = directory
        self._state = state

    def outputs(self) -> Provided | None:
        """What the stacks gave when they last ran; None when the platform was never provided."""
        stacks = [("platform", self._platform.name)]
        stacks += [(region.provider.kind, self._region_name(region)) for region in self._platform.spec.regions]
        # Side by side: each has a key of its own, and deriving it takes a quarter of a second by design.
        with ThreadPoolExecutor(max_workers=len(stacks)) as pool:
            made, *found = pool.map(lambda stack: self._outputs_of(*stack), stacks)
        if made is None:
            return None
        regions = self._kept(made).spec.regions
        found += [self._outputs_of(r.provider.kind, self._region_name(r)) for r in regions[len(found) :]]
        given = [(region, out) for region, out in zip(regions, found, strict=True) if out and _REGION in out]
        return self._provided(made, given) if given else None

    def stacks(self) -> tuple[tuple[str, str], ...]:
        """Kind and name of all its stacks that there may be: of the root secrets first, then one a region."""
        regions = self._kept(self._outputs_of("platform", self._platform.name)).spec.regions
        return (("platform", self._platform.name), *((r.provider.kind, self._region_name(r)) for r in regions))

    def stack(self, kind: str, name: str) -> ProjectStack:
        """One of them, for what concerns its state alone."""
        return self._stack(kind, name, {}, {}, None)

    def exists(self) -> bool:
        """Whether there is anything that `destroy` would remove."""
        return self._outputs_of("platform", self._platform.name) is not None

    def preview(self) -> Mapping[str, tuple[ResourceChange, ...]]:
        """What would change before hosts go, by region; the root secrets count to the first region."""
        secrets_stack = self._secrets_stack(self._platform)
        made = secrets_stack.outputs()
        regions = self._kept(made).spec.regions
        with ThreadPoolExecutor(max_workers=_PREVIEWS_AT_ONCE) as pool:
            previewed = pool.map(lambda r: self._region_stack(r, _public_key(made)).preview(), regions)
            changes = dict(zip((region.name for region in regions), previewed, strict=True))
        if made is None:
            first = regions[0].name
            changes[first] = (*secrets_stack.preview(), *changes[first])
        return changes

    def up(self, on_event: Listener, gone: Sequence[str] = ()) -> Provided:
        """Bring all stacks to what the specification says; hosts that it no longer has stay until `let_go`.

        `gone`: hosts that cannot be reached, and are not waited for where they go.
        """
        made = self._secrets_stack(self._platform).outputs()
        platform = self._kept(made)
        made = self._noted(made, platform, on_event)
        return self._provided(made, self._regions_up(platform, made, on_event, gone))

    def let_go(self, on_event: Listener, gone: Sequence[str] = ()) -> Provided:
        """Take down the hosts that the specification no longer has; `gone` as for `up`.

        From the note on, `up` would do the same: they are empty.
        """
        made = self._secrets_stack(self._platform).outputs() or {}
        wanted = {region.name for region in self._platform.spec.regions}
        with _passed_by(gone):
            for region in self._kept(made).spec.regions:
                if region.name not in wanted:
                    self._take_down(self._region_stack(region, _public_key(made), on_event))
        made = self._noted(made, self._platform, on_event)
        return self._provided(made, self._regions_up(self._platform, made, on_event, gone))

    def _regions_up(
        self, platform: Platform, made: Mapping[str, Any], on_event: Listener, gone: Sequence[str]
    ) -> list[tuple[Region, Mapping[str, Any]]]:
        with _passed_by(gone):
            return [(r, self._region_stack(r, _public_key(made), on_event).up()) for r in platform.spec.regions]

    def enter(self, stage: Stage, on_event: Listener) -> Provided | None:
        """Take the authorities to the stage after theirs; where that is theirs already, nothing happens."""
        made = self._secrets_stack(self._platform).outputs() or {}
        self._secrets_stack(self._platform, on_event, stage=stage.value, text=str(made.get(_SPECIFICATION, ""))).up()
        return self.outputs()

    def destroy(self, on_event: Listener) -> None:
        """Remove everything that the stacks made, the root secrets last."""
        secrets_stack = self._secrets_stack(self._platform, on_event)
        made = secrets_stack.outputs()
        for region in self._kept(made).spec.regions:
            self._take_down(self._region_stack(region, _public_key(made), on_event))
        self._take_down(secrets_stack)

    def _noted(self, made: Mapping[str, Any] | None, platform: Platform, on_event: Listener) -> Mapping[str, Any]:
        """The outputs of the stack of the root secrets once they are made, and `platform` is noted beside them."""
        if made is not None and made.get(_SPECIFICATION) == self._text(platform):
            return made
        stage = _values(made).get("stage", "") if made else ""
        return self._secrets_stack(platform, on_event, stage=stage).up()

    def _kept(self, made: Mapping[str, Any] | None) -> Platform:
        """The platform with what was provided and is in the specification no longer, as far as it is there still."""
        text = str((made or {}).get(_SPECIFICATION, ""))
        before = specification.load_text(text, directory=self._directory).platform if text else None
        if before is None:
            return self._platform
        kept = leaving.keeping(before, self._platform)
        wanted = {region.name for region in self._platform.spec.regions}
        there = tuple(
            region
            for region in kept.spec.regions
            if region.name in wanted or self._outputs_of(region.provider.kind, self._region_name(region)) is not None
        )
        return kept.model_copy(update={"spec": kept.spec.model_copy(update={"regions": there})})

    @staticmethod
    def _take_down(stack: ProjectStack) -> None:
        stack.destroy()
        stack.remove()

    def _secrets_stack(
        self, platform: Platform, on_event: Listener | None = None, *, stage: str = "", text: str = ""
    ) -> ProjectStack:
        """`stage`: the one that the authorities are in, or enter; `text`: what is noted, if not `platform`."""
        config = {
            "platform": platform.name,
            "specification": text or self._text(platform),
            "authorityDays": str(self._platform.spec.certificates.authority_days),
            **({"stage": stage} if stage else {}),
        }
        return self._stack("platform", self._platform.name, config, {}, on_event)

    def _region_stack(self, region: Region, public_key: str, on_event: Listener | None = None) -> ProjectStack:
        _require_sdk(region)
        network = self._platform.spec.manager.network
        config = {
            "platform": self._platform.name,
            "region": region.model_dump_json(by_alias=True),
            "publicKey": public_key,
            "managerNetwork": network.model_dump_json(by_alias=True),
            # A local host has no way out, so these ranges need a route of their own before kube-proxy can act on them.
            "routes": json.dumps([str(network.services)]),
        }
        hidden = {}
        if isinstance(region, OnPremRegion):
            access = self.given_access(region)
            given = {"key": access.key, "sudoPassword": access.sudo_password, "proxy": access.proxy}
            hidden = {name: value or Secret("") for name, value in given.items()}
        return self._stack(region.provider.kind, self._region_name(region), config, hidden, on_event)

    def _text(self, platform: Platform) -> str:
        """What is noted beside the secrets: later runs compare with it what may not change."""
        return specification.to_text(Specification(platform=platform, clusters=(), directory=self._directory))

    def _region_name(self, region: Region) -> str:
        return f"{self._platform.name}-{region.name}"

    def _outputs_of(self, project: str, name: str) -> Mapping[str, Any] | None:
        if store.knows(self._state.url) and keys.knows(self._secrets_provider):
            return outputs.read(self._state.url, project=f"moorage-{project}", stack=name, passphrase=self.passphrase)
        return self._stack(project, name, {}, {}, None).outputs()

    def _stack(
        self,
        project: str,
        name: str,
        config: Mapping[str, str],
        hidden: Mapping[str, Secret],
        on_event: Listener | None,
    ) -> ProjectStack:
        from installer.provision.stack import ProjectStack  # half a second, which only those who change things pay

        return ProjectStack(
            project_dir=Path(str(resources.files("stacks").joinpath(project))),
            stack=name,
            backend=self._state.url,
            passphrase=self.passphrase,
            secrets_provider=self._secrets_provider or keys.PASSPHRASE,
            config=config,
            secret_config=hidden,
            on_event=on_event or _unheard,
        )

    def _provided(self, made: Mapping[str, Any], given: Sequence[tuple[Region, Mapping[str, Any]]]) -> Provided:
        values = {name: _as_secret(value) for name, value in _values(made).items()}
        access = {region.name: self._access(region, values["ssh.key"]) for region, _ in given}
        outputs = tuple(RegionOutputs.model_validate(_plain(made[_REGION])) for _, made in given)
        return Provided(outputs, Roots.from_mapping(values), access, str(made.get(_SPECIFICATION, "")))

    def _access(self, region: Region, own_key: Secret) -> Access:
        return self.given_access(region) if isinstance(region, OnPremRegion) else Access(own_key)

    def given_access(self, region: OnPremRegion) -> Access:
        """How hosts that exist already are logged in to: by the specification alone, whether a stack ran or not."""
        ssh = region.provider.ssh
        return Access(
            key=self._resolved(ssh.key),
            sudo_password=self._resolved(ssh.sudo_password),
            bytes_per_s=bits_per_s(ssh.bandwidth) / 8 if ssh.bandwidth else None,
            proxy=Secret(ssh.proxy) if isinstance(ssh.proxy, str) else self._resolved(ssh.proxy),
        )

    def _resolved(self, reference: Reference | None) -> Secret | None:
        return reference.resolve(self._directory) if reference else None

    @property
    def _secrets_provider(self) -> str:
        """The URL of who keeps the key of the secrets; empty: it is made from the passphrase."""
        return os.environ.get(_PROVIDER_VARIABLE, "")

    @cached_property
    def passphrase(self) -> Secret:
        """The passphrase of the state: from the environment, or made once for a state that is a directory here."""
        for variable in _PASSPHRASE_VARIABLES:
            if value := os.environ.get(variable):
                return Secret(value)
        if self._secrets_provider:
            return Secret("")
        if not self._state.url.startswith("file://"):
            raise InfrastructureError(
                "the state is shared, and no passphrase for it is given",
                hint=f"export MOORAGE_PASSPHRASE=..., or {_PROVIDER_VARIABLE}=awskms://...",
            )
        path = self._state.directory / "passphrase"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
        return Secret(path.read_text().strip())


def _require_sdk(region: Region) -> None:
    """Raise InfrastructureError where a region's provider needs what is not installed."""
    kind = region.provider.kind
    if kind in _SDKS and importlib.util.find_spec(_SDKS[kind]) is None:
        raise InfrastructureError(
            f"region {region.name} is on {kind}, and Pulumi's SDK for that is not installed",
            hint=f"install Moorage with its extra: pip install 'moorage[{kind}]'",
        )


@contextmanager
def _passed_by(gone: Sequence[str]) -> Iterator[None]:
    """Tell the provider, a process of ours or of the real engine's, which hosts need not be clean when they go."""
    os.environ[GONE] = ",".join(gone)
    try:
        yield
    finally:
        del os.environ[GONE]


def _unheard(event: ResourceEvent) -> None:
    """For runs that nobody watches."""


def _public_key(made: Mapping[str, Any] | None) -> str:
    """Our SSH public key; empty before there is one, which only a first preview sees."""
    return "" if made is None else _as_secret(_values(made)["ssh.pub"]).reveal()


def _values(made: Mapping[str, Any]) -> dict[str, Any]:
    return dict(_plain(made[_SECRETS]))


def _plain(value: Any) -> Any:
    """An output as data: stacks may give it as JSON text."""
    text = value.reveal() if isinstance(value, Secret) else value
    return json.loads(text) if isinstance(text, str) else text


def _as_secret(value: Any) -> Secret:
    return value if isinstance(value, Secret) else Secret(str(value))
