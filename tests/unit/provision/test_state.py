"""The state file and the passphrase, without an engine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from installer.core.errors import InfrastructureError
from installer.core.secret import Secret
from installer.provision import values
from installer.provision.embedded.passphrase import Crypter
from installer.provision.embedded.state import Snapshot, StateFile, opened, sealed
from installer.provision.embedded.store import Directory

_CRYPTER = Crypter.new(Secret("open sesame"))


def _resource(name: str, **more: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:dev::trial::fake:index:Thing::{name}"
    return {"urn": urn, "custom": True, "type": "fake:index:Thing", "inputs": {}, "outputs": {}, **more}


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    """A state with one resource, `a`."""
    found = StateFile(Directory(tmp_path), "trial", "dev")
    found.save(Snapshot(resources=[_resource("a", id="1")]), _CRYPTER)
    return found


def _ids(snapshot: Snapshot) -> list[tuple[str, bool]]:
    return [(resource["id"], bool(resource.get("delete"))) for resource in snapshot.resources]


def test_a_journal_is_played_over_its_checkpoint(file: StateFile) -> None:
    """Begun, made, replaced, deleted: each step as if the checkpoint had been written after it."""
    file.append("begin", _resource("b"), _CRYPTER)
    assert list(file.load().pending) == [_resource("b")["urn"]]
    file.append("put", _resource("b", id="2"), _CRYPTER)
    assert file.load().pending == {}
    file.append("condemn", _resource("a", id="1"), _CRYPTER)
    file.append("put", _resource("a", id="3"), _CRYPTER)
    assert _ids(file.load()) == [("1", True), ("2", False), ("3", False)]
    file.append("drop-condemned", _resource("a"), _CRYPTER)
    file.append("drop", _resource("b"), _CRYPTER)
    assert _ids(file.load()) == [("3", False)]


def test_a_journal_left_beside_a_newer_checkpoint_does_not_count(file: StateFile, tmp_path: Path) -> None:
    """Played again, a replacement would condemn the successor."""
    file.append("condemn", _resource("a", id="1"), _CRYPTER)
    file.append("put", _resource("a", id="3"), _CRYPTER)
    journal = next(tmp_path.rglob("*.journal"))
    stale = journal.read_bytes()
    file.save(file.load(), _CRYPTER)
    journal.write_bytes(stale)
    assert _ids(file.load()) == [("1", True), ("3", False)]


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_line_that_was_cut_off_never_counted(file: StateFile, tmp_path: Path, cut: int) -> None:
    """Wherever it was cut."""
    file.append("put", _resource("b", id="2"), _CRYPTER)
    journal = next(tmp_path.rglob("*.journal"))
    journal.write_bytes(journal.read_bytes()[:-cut])
    assert _ids(file.load()) == [("1", False)]


def test_secrets_are_sealed_wherever_they_are_and_opened_again() -> None:
    """Inside lists and mappings, too; sealing twice changes nothing."""
    secret = values.as_secret({"deep": ["word", 1, None]})
    resource = _resource("a", inputs={"list": [secret, "open"]}, outputs={"in": {"side": secret}})
    shut = sealed(resource, _CRYPTER)
    assert "word" not in json.dumps(shut)
    assert sealed(shut, _CRYPTER) == shut
    assert opened(shut, _CRYPTER) == resource


def test_a_passphrase_opens_only_what_it_closed() -> None:
    """The proof in the state tells a wrong one, before any secret is tried."""
    again = Crypter.load(_CRYPTER.provider["state"]["salt"], Secret("open sesame"))
    assert again.decrypt(_CRYPTER.encrypt("word")) == "word"
    with pytest.raises(InfrastructureError) as caught:
        Crypter.load(_CRYPTER.provider["state"]["salt"], Secret("open barley"))
    assert "MOORAGE_PASSPHRASE" in caught.value.hint


@pytest.mark.parametrize("state", ["", "v1", "v1:abc", "v1:!:proof"])
def test_a_state_that_says_nothing_of_its_key_is_an_error_in_words(state: str) -> None:
    """Rather than one of the base64 module."""
    with pytest.raises(InfrastructureError):
        Crypter.load(state, Secret("open sesame"))


def test_two_that_write_one_file_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All stacks of a platform write the same note about their backend, side by side."""
    directory, flush, others = Directory(tmp_path), os.fsync, [b"second"]

    def flush_when_another_has_written(file: int) -> None:
        if others:
            directory.write("meta.yaml", others.pop())
        flush(file)

    monkeypatch.setattr(os, "fsync", flush_when_another_has_written)
    directory.write("meta.yaml", b"first")
    assert (tmp_path / "meta.yaml").read_bytes() == b"first"
    assert directory.names("") == ["meta.yaml"]
    assert [one.name for one in tmp_path.iterdir()] == ["meta.yaml"]
