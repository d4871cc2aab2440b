"""Secrets: encrypted wherever the engine writes, opened only with the right passphrase."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pulumi import automation

from tests.stacks.harness import Trial

_WORD = "xyzzy-plugh-plover"
_PROGRAM = f"""
secret = pulumi.Output.secret("{_WORD}")
first = Thing("first", hidden=secret)
Thing("second", hidden=first.hidden.apply(lambda word: word + "!"), colour="red")
Thing("third", list=["open", secret])
pulumi.export("hidden", first.hidden)
pulumi.export("inside", {{"word": secret}})
pulumi.export("colour", "red")
"""


def _holding(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and _WORD.encode() in path.read_bytes()]


def test_no_secret_is_written_in_the_clear(trial: Trial) -> None:
    """Not in the checkpoint, not in its backup, and not in what an interrupted run leaves."""
    trial.program(_PROGRAM).up()
    trial.program(_PROGRAM.replace("red", "blue")).up()
    assert _holding(trial.backend) == []
    assert any(path.name.endswith(".bak") for path in trial.state_path.parent.iterdir())


def test_no_secret_is_in_the_journal_of_a_running_operation(trial: Trial) -> None:
    """Looked at while a create goes on that was begun with it."""
    trial.program(_PROGRAM).provider.hold = threading.Event()
    running = threading.Thread(target=trial.up)
    running.start()
    try:
        assert trial.provider.begun.wait(timeout=60)
        assert '"begin"' in trial.journal_path.read_text()
        assert _holding(trial.backend) == []
    finally:
        trial.provider.hold.set()
        running.join()


def test_the_provider_and_the_program_get_the_plain_value(trial: Trial) -> None:
    """The mark is taken off for a provider that does not know it, and is back on in what comes out."""
    trial.program(_PROGRAM).up()
    assert trial.provider.things["second-plain"]["hidden"] == _WORD + "!"
    assert trial.provider.things["third-plain"]["list"] == ["open", _WORD]
    outputs = trial.stack().outputs()
    assert (outputs["hidden"].value, outputs["hidden"].secret) == (_WORD, True)
    assert (outputs["inside"].value, outputs["inside"].secret) == ({"word": _WORD}, True)
    assert (outputs["colour"].value, outputs["colour"].secret) == ("red", False)


def test_an_output_may_be_declared_secret(trial: Trial) -> None:
    """`additional_secret_outputs` hides what the provider gives openly."""
    options = 'opts=pulumi.ResourceOptions(additional_secret_outputs=["colour"])'
    trial.program(f'pulumi.export("colour", Thing("first", colour="{_WORD[:5]}", {options}).colour)').up()
    assert trial.stack().outputs()["colour"].secret


def test_secrets_are_no_reason_for_a_change(trial: Trial) -> None:
    """They are encrypted anew each time and still compare as what they are; a new value is a change."""
    trial.program(_PROGRAM).up()
    assert trial.program(_PROGRAM).preview() == set()
    trial.refresh()
    assert trial.preview() == set()
    assert ("update", "first") in trial.program(_PROGRAM.replace(_WORD, "other")).preview()


def test_the_wrong_passphrase_opens_nothing(trial: Trial) -> None:
    """The error says so, and how to give the right one; nothing has changed."""
    trial.program(_PROGRAM).up()
    before = trial.state_path.read_bytes()
    trial.passphrase = "open barley"
    for operation in (trial.up, trial.preview, trial.refresh, trial.destroy, trial.export):
        with pytest.raises(automation.CommandError, match="MOORAGE_PASSPHRASE"):
            operation()
    assert trial.state_path.read_bytes() == before
    assert trial.provider.names("delete") == []
