"""Which hosts the stacks are asked for, run by run, and what is noted of it; the stacks are made up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from installer.core.errors import InfrastructureError
from installer.core.secret import Secret
from installer.kubernetes.roots import Stage
from installer.provision.provider.resource import GONE
from installer.spec import specification
from installer.spec.hosts import hosts_of
from installer.spec.platform import Region
from installer.spec.specification import load
from installer.workflows import infrastructure
from installer.workflows.infrastructure import Infrastructure, Provided
from installer.workflows.state_location import StateLocation
from tests.unit.spec.documents import aws, azure, onprem, platform

_REGION: TypeAdapter[Any] = TypeAdapter(Region)
_SECRETS = {"ssh.key": "k", "ssh.pub": "p"}


class World:
    """The outputs of stacks, which outlive the installer."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.stacks: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.broken = ""  # the stack that fails to come up
        self.asked: list[str] = []  # hosts that the stacks were told are gone
        monkeypatch.setattr(
            Infrastructure, "_stack", lambda infra, project, name, *given: Stack(self, project, name, given)
        )
        monkeypatch.setattr(
            Infrastructure, "_outputs_of", lambda infra, project, name: self.stacks.get((project, name))
        )
        monkeypatch.setattr(infrastructure.Roots, "from_mapping", lambda values: None)

    def of(self, *regions: str) -> Infrastructure:
        """Of a specification with these regions: `home: m=1 w=3`."""
        path = self.folder / "platform.yaml"
        path.write_text(platform(regions=", ".join(map(_region, regions))))
        found = load(path).platform
        assert found
        return Infrastructure(found, self.folder, StateLocation.parse(str(self.folder)))

    @property
    def hosts(self) -> list[str]:
        """All that there are."""
        return [host["name"] for made in self.stacks.values() if "region" in made for host in made["region"]["hosts"]]

    @property
    def noted(self) -> list[str]:
        """The hosts of the specification that is noted."""
        text = self.stacks["platform", "harbor"]["specification"]
        found = specification.load_text(text, directory=self.folder).platform
        assert found
        return [host.name for region in found.spec.regions for host in hosts_of(region)]


@dataclass
class Stack:
    """One stack: it makes what its settings say."""

    world: World
    project: str
    name: str
    given: tuple[Any, ...]

    def outputs(self) -> Mapping[str, Any] | None:
        return self.world.stacks.get((self.project, self.name))

    def up(self) -> Mapping[str, Any]:
        config = self.given[0]
        if self.project == "platform":
            assert {type(value) for value in config.values()} == {str}, "it is written as YAML"
            stage = {key: value for key, value in config.items() if key == "stage"}
            values = json.dumps({**_SECRETS, **stage})
            made: dict[str, Any] = {"secrets": values, "specification": config["specification"]}
        else:
            if self.name.endswith(self.world.broken or "/"):
                raise InfrastructureError("the engine was killed")
            self.world.asked.append(infrastructure.os.environ[GONE])
            region = _REGION.validate_json(config["region"])
            hosts = [
                {"name": h.name, "role": h.role, "region": h.region, "zone": h.zone, "hostKey": "k"}
                | {"address": "192.0.2.1", "clusterAddress": "192.0.2.1"}
                for h in hosts_of(region)
            ]
            made = {"region": {"region": region.name, "provider": "local", "hosts": hosts}}
        self.world.stacks[self.project, self.name] = made
        return {key: Secret(value) if key == "secrets" else value for key, value in made.items()}

    def destroy(self) -> None:
        """All of it goes with the stack itself."""

    def remove(self) -> None:
        del self.world.stacks[self.project, self.name]


def _region(text: str) -> str:
    name, groups = text.split(": ")
    hosts = [
        f"{{name: {group}, role: {'manager' if group == 'm' else 'worker'}, count: {count}}}"
        for group, count in (part.split("=") for part in groups.split())
    ]
    return f"{{name: {name}, provider: {{kind: local}}, hosts: [{', '.join(hosts)}]}}"


def _silent(event: object) -> None:
    """Nobody watches."""


def _names(provided: Provided | None) -> list[str]:
    assert provided
    return [host.name for region in provided.regions for host in region.hosts]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A platform of one manager and two workers, provided."""
    found = World(tmp_path, monkeypatch)
    found.of("home: m=1 w=2").up(_silent)
    return found


def test_hosts_that_are_no_longer_named_stay_until_they_are_let_go(world: World) -> None:
    """A run that is killed in between finds them again."""
    assert _names(world.of("home: m=1 w=1").up(_silent)) == ["m-1", "w-1", "w-2"]
    assert _names(world.of("home: m=1 w=1").outputs()) == ["m-1", "w-1", "w-2"]
    assert world.noted == ["m-1", "w-1", "w-2"]
    assert _names(world.of("home: m=1 w=1").let_go(_silent, ["w-2"])) == ["m-1", "w-1"]
    assert world.noted == ["m-1", "w-1"]
    assert world.asked == ["", "", "w-2"]
    assert GONE not in infrastructure.os.environ


def test_a_run_that_is_killed_while_hosts_go_makes_none_of_them_anew(world: World) -> None:
    """They are empty, so the next one may let them go from the start."""
    world.of("home: m=1 w=1").up(_silent)
    world.broken = "home"
    with pytest.raises(InfrastructureError):
        world.of("home: m=1 w=1").let_go(_silent)
    world.broken = ""
    assert _names(world.of("home: m=1 w=1").up(_silent)) == ["m-1", "w-1"]


def test_a_region_goes_like_its_hosts(world: World) -> None:
    """Its stack, too; a run that is killed right after that does not bring it back."""
    world.of("home: m=1 w=2", "north: n=2").up(_silent)
    now = world.of("home: m=1 w=2")
    assert _names(now.up(_silent)) == ["m-1", "w-1", "w-2", "n-1", "n-2"]
    assert _names(now.outputs()) == ["m-1", "w-1", "w-2", "n-1", "n-2"]
    noted = world.stacks["platform", "harbor"]
    now.let_go(_silent)
    assert world.hosts == ["m-1", "w-1", "w-2"]
    world.stacks["platform", "harbor"] = noted
    assert _names(now.up(_silent)) == ["m-1", "w-1", "w-2"]
    assert ("local", "harbor-north") not in world.stacks


def test_a_new_region_does_not_hide_the_platform(world: World) -> None:
    """It is there already, without that."""
    assert _names(world.of("home: m=1 w=2", "north: n=1").outputs()) == ["m-1", "w-1", "w-2"]


def test_destroy_takes_everything_whatever_is_named_now(world: World) -> None:
    """Also a region that was about to go."""
    world.of("home: m=1 w=2", "north: n=1").up(_silent)
    world.of("home: m=1").destroy(_silent)
    assert world.stacks == {}


def test_authorities_stay_in_their_stage_until_another_is_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else changes meanwhile; and to enter one notes nothing else: the specification is not provided yet."""
    world = World(tmp_path, monkeypatch)

    def stage() -> str:
        return str(json.loads(world.stacks["platform", "harbor"]["secrets"]).get("stage", ""))

    world.of("home: m=1 w=1").up(_silent)
    assert stage() == ""
    world.of("home: m=1 w=2").enter(Stage.TRUST, _silent)
    assert stage() == Stage.TRUST
    assert world.noted == ["m-1", "w-1"]
    world.of("home: m=1 w=2").up(_silent)
    assert stage() == Stage.TRUST
    assert world.noted == ["m-1", "w-1", "w-2"]
    world.of("home: m=1 w=1").let_go(_silent)
    assert stage() == Stage.TRUST
    world.of("home: m=1 w=1").enter(Stage.SETTLED, _silent)
    assert stage() == ""


@pytest.mark.parametrize(("kind", "text"), [("aws", aws()), ("azure", azure())])
def test_a_cloud_whose_sdk_is_not_installed_is_told_with_its_extra(
    kind: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By every command that needs it, and before any program runs."""
    (tmp_path / "platform.yaml").write_text(text)
    found = load(tmp_path / "platform.yaml").platform
    assert found
    monkeypatch.setattr(infrastructure.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InfrastructureError) as caught:
        Infrastructure(found, tmp_path, StateLocation.parse(str(tmp_path))).preview()
    assert f"region cloud is on {kind}" in caught.value.explain()
    assert f"pip install 'moorage[{kind}]'" in caught.value.explain()


@pytest.mark.parametrize(("ssh", "bytes_per_s"), [("{}", None), ("{bandwidth: 10Mbit}", 1_250_000)])
def test_a_links_bandwidth_is_counted_in_bytes(tmp_path: Path, ssh: str, bytes_per_s: float | None) -> None:
    """As files are."""
    path = tmp_path / "platform.yaml"
    path.write_text(onprem("{name: m, role: manager, address: 192.0.2.1}", ssh=ssh))
    found = load(path).platform
    assert found
    infra = Infrastructure(found, tmp_path, StateLocation.parse(str(tmp_path)))
    assert infra.given_access(found.spec.regions[0]).bytes_per_s == bytes_per_s  # type: ignore[arg-type]
