"""`moorage state`: out of one backend and into another, and what is refused on the way; with real stacks, no hosts."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from installer.cli import main
from installer.core.secret import Secret
from installer.kubernetes.roots import Roots
from installer.provision.embedded import keys, locks, store
from installer.provision.embedded.passphrase import Crypter
from installer.provision.embedded.state import Snapshot, StateFile
from installer.spec.specification import load
from installer.workflows.infrastructure import Infrastructure
from installer.workflows.state_location import StateLocation
from tests.fakes.s3 import ENV, FakeS3, served

_SPEC = """
apiVersion: moorage.dev/v1
kind: Platform
metadata: {name: harbor}
spec:
  release: "2026.11"
  regions:
    - name: home
      provider: {kind: local}
      hosts:
        - {name: manager, role: manager, count: 1}
"""
_PASSPHRASE = "correct-horse"
_PLATFORM = (".pulumi/stacks/moorage-platform/harbor.json", "moorage-platform", "harbor")


class World:
    """A platform whose root secrets are made, and the commands on it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        (folder / "platform.yaml").write_text(_SPEC)

    def run(self, *words: str, state: str = "", code: int = 0) -> str:
        """`moorage state WORDS`, which ends with `code`; all that it says."""
        self._capsys.readouterr()
        where = state or str(self.folder / "state")
        ended = main.run(["state", *words, "-f", str(self.folder / "platform.yaml"), "--state", where])
        said = "".join(self._capsys.readouterr())
        assert ended == code, said
        return said

    def make(self, state: str = "") -> None:
        """The stack of the root secrets as `up` makes it, and one of the region that has no hosts yet."""
        platform = load(self.folder / "platform.yaml").platform
        assert platform
        where = StateLocation.parse(state or str(self.folder / "state"))
        infrastructure = Infrastructure(platform, self.folder, where)
        infrastructure._noted(None, platform, lambda event: None)
        urn = "urn:pulumi:harbor-home::moorage-local::pulumi:pulumi:Stack::moorage-local-harbor-home"
        root = {"urn": urn, "custom": False, "type": "pulumi:pulumi:Stack", "inputs": {}, "outputs": {}}
        file = StateFile(store.opened(where.url), "moorage-local", "harbor-home")
        file.save(Snapshot(resources=[root]), Crypter.new(Secret(_PASSPHRASE)))

    def roots(self, state: str) -> Roots:
        """As they are in a state."""
        platform = load(self.folder / "platform.yaml").platform
        assert platform
        made = Infrastructure(platform, self.folder, StateLocation.parse(state))._outputs_of("platform", "harbor")
        assert made
        secrets = json.loads(made["secrets"].reveal() if isinstance(made["secrets"], Secret) else made["secrets"])
        return Roots.from_mapping({name: Secret(text) for name, text in secrets.items()})


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> World:
    monkeypatch.setenv("MOORAGE_PASSPHRASE", _PASSPHRASE)
    monkeypatch.setenv("MOORAGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", os.pathsep.join(["/usr/bin", "/bin"]))
    return World(tmp_path, capsys)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    with served(FakeS3()) as found:
        yield found


def test_a_state_goes_to_a_bucket_and_back(world: World, bucket: FakeS3) -> None:
    """The same root secrets everywhere, in the clear nowhere: not in the file, the store, nor what is said."""
    world.make()
    roots = world.roots(str(world.folder / "state"))
    said = world.run("export", str(world.folder / "out.json"))
    assert "2 stacks: harbor, harbor-home" in said
    assert (world.folder / "out.json").stat().st_mode & 0o777 == 0o600
    said += world.run("import", str(world.folder / "out.json"), "--yes", state=bucket.url)
    assert world.roots(bucket.url) == roots
    world.run("import", str(world.folder / "out.json"), "--yes", state=bucket.url)  # repeated, it changes nothing
    world.run("export", str(world.folder / "back.json"), state=bucket.url)
    assert json.loads((world.folder / "back.json").read_text()) == json.loads((world.folder / "out.json").read_text())
    written = (world.folder / "out.json").read_bytes() + b"".join(bucket.objects.values()) + said.encode()
    for secret in roots.to_mapping().values():
        for line in (part for part in secret.reveal().splitlines() if len(part) > 30 and "-----" not in part):
            assert line.encode() not in written
    assert _PASSPHRASE.encode() not in written


def test_an_exported_stack_is_what_pulumi_imports(world: World) -> None:
    """Each field that `pulumi stack import` needs, of the type that its own structures have (apitype/core.go)."""
    world.make()
    world.run("export", str(world.folder / "out.json"))
    for stack in json.loads((world.folder / "out.json").read_text())["stacks"]:
        state = stack["state"]
        assert set(state) == {"version", "deployment"}
        assert state["version"] == 3
        deployment = state["deployment"]
        assert set(deployment) == {"manifest", "secrets_providers", "resources", "pending_operations"}
        assert set(deployment["manifest"]) == {"time", "magic", "version"}
        assert deployment["secrets_providers"]["type"] == "passphrase"
        assert deployment["secrets_providers"]["state"]["salt"].startswith("v1:")
        seen = set[str]()
        for resource in deployment["resources"]:
            assert isinstance(resource["custom"], bool)
            assert resource["urn"].split("::")[2].rpartition("$")[2] == resource["type"]
            needs = [*resource.get("dependencies", ()), resource.get("parent"), resource.get("provider")]
            assert {need.rpartition("::")[0] if need.count("::") > 3 else need for need in needs if need} <= seen
            seen.add(resource["urn"])


def test_what_does_not_fit_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off, edited, another platform's, another passphrase's: each by its name, and nothing is written."""
    world.make()
    path = world.folder / "out.json"
    world.run("export", str(path))
    text = path.read_text()
    elsewhere = str(world.folder / "elsewhere")

    def refused(given: str) -> str:
        path.write_text(given)
        said = world.run("import", str(path), "--yes", state=elsewhere, code=15 if given.endswith("}\n") else 1)
        assert not list(Path(elsewhere).rglob("*.json"))
        return said

    assert "not a whole exported state" in refused(text[: len(text) // 2])
    assert "its digest does not fit" in world.run(*_edited(path, text), state=elsewhere, code=1)
    (world.folder / "platform.yaml").write_text(_SPEC.replace("harbor", "quay"))
    assert "of platform harbor, not of quay" in refused(text)
    (world.folder / "platform.yaml").write_text(_SPEC)
    monkeypatch.setenv("MOORAGE_PASSPHRASE", "battery-staple")
    assert "export MOORAGE_PASSPHRASE with the right one" in refused(text)


def test_nothing_newer_is_lost_by_mistake(world: World) -> None:
    """An older file, and one of another platform of this name, take a word more."""
    world.make()
    before, after = world.folder / "before.json", world.folder / "after.json"
    world.run("export", str(before))
    file = StateFile(store.opened(StateLocation.parse(str(world.folder / "state")).url), *_PLATFORM[1:])
    snapshot = file.load()
    file.save(snapshot, keys.load(snapshot.secrets, Secret(_PASSPHRASE)))
    assert "the file is older: its stack harbor is of 20" in world.run("import", str(before), "--yes", code=15)
    world.run("export", str(after))
    world.run("import", str(before), "--yes", "--over-newer")
    world.run("import", str(after), "--yes")
    other = str(world.folder / "other")
    world.make(other)
    assert "another platform of this name" in world.run("import", str(after), "--yes", state=other, code=15)


def test_a_damaged_state_has_its_backup_put_back(world: World) -> None:
    """What is damaged is kept beside it; what is whole stays."""
    world.make()
    path = world.folder / "state" / _PLATFORM[0]
    roots = world.roots(str(world.folder / "state"))
    file = StateFile(store.opened(StateLocation.parse(str(world.folder / "state")).url), *_PLATFORM[1:])
    snapshot = file.load()
    file.save(snapshot, keys.load(snapshot.secrets, Secret(_PASSPHRASE)))
    path.write_bytes(path.read_bytes()[:500])
    assert "state import --backup" in world.run("export", str(world.folder / "out.json"), code=15)
    assert "put back of: harbor." in world.run("import", "--backup", "--yes")
    assert world.roots(str(world.folder / "state")) == roots
    assert path.with_name("harbor.json.damaged").stat().st_size == 500
    assert "Nothing is damaged" in world.run("import", "--backup", "--yes")


def _lock(folder: Path, **holder: Any) -> Path:
    path = folder / "state/.pulumi/locks/organization/moorage-platform/harbor/1.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"pid": 1, "username": "ann", "hostname": "runner-7", "timestamp": "2026-11-01T10:00:00Z", **holder}
    path.write_text(json.dumps(data))
    return path


def test_a_lock_that_was_left_is_named_and_taken_off(world: World) -> None:
    """Who held it and since when; nobody is asked twice."""
    world.make()
    path = _lock(world.folder)
    assert "Nobody can be asked" in world.run("unlock", code=1)
    assert path.exists()
    said = world.run("unlock", "--yes")
    assert "stack harbor: locked by ann@runner-7 (process 1) since 2026-11-01T10:00:00Z" in said
    assert not path.exists()
    assert "The platform is not locked" in world.run("unlock", "--yes")


def test_a_lock_whose_holder_lives_here_stays(world: World) -> None:
    """Whoever asks."""
    world.make()
    path = _lock(world.folder, hostname=socket.gethostname(), pid=os.getpid())
    assert f"process {os.getpid()}" in world.run("unlock", "--yes", code=14)
    assert path.exists()


def test_a_lock_in_a_bucket_whose_holder_lives_stays(world: World, bucket: FakeS3) -> None:
    """And one whose holder is gone is taken off."""
    world.make(bucket.url)
    kept = store.opened(bucket.url)
    with locks.hold(kept, *_PLATFORM[1:]):
        (lock,) = locks.found(kept, *_PLATFORM[1:])
        assert "is being changed by" in world.run("unlock", "--yes", state=bucket.url, code=14)
    bucket.objects[f"team/{lock.key}"] = json.dumps({**json.loads(lock.found.content), "started": "1"}).encode()
    world.run("unlock", "--yes", state=bucket.url)
    assert locks.found(kept, *_PLATFORM[1:]) == []


def _edited(path: Path, text: str) -> tuple[str, ...]:
    path.write_text(text.replace('"version": 3', '"version": 2'))
    return "import", str(path), "--yes"
