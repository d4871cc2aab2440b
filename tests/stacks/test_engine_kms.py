"""Secrets under a key that AWS KMS has wrapped, on a KMS of this test's own."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi import automation

from installer.core.secret import Secret
from installer.provision import outputs
from installer.provision.embedded import keys
from installer.provision.stack import ProjectStack
from tests.fakes.loopback import Reply, Request, served
from tests.fakes.s3 import ENV
from tests.stacks.harness import Trial

_PROGRAM = 'Thing("first", hidden=pulumi.Output.secret("word"))\npulumi.export("told", pulumi.Output.secret("a word"))'


@dataclass
class FakeKms:
    """One key, `alias/states`. It takes back only what it gave. `denied`: it refuses whoever asks.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html
    """

    denied: bool = False
    kept: dict[str, str] = field(default_factory=dict)  # wrapped -> key
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        action = request.headers["X-Amz-Target"].removeprefix("TrentService.")
        data: dict[str, Any] = json.loads(request.body)
        self.asked.append(action)
        if self.denied or data["KeyId"] != "alias/states":
            kind = "AccessDeniedException" if self.denied else "NotFoundException"
            return Reply(400, json.dumps({"__type": kind, "message": "no"}).encode())
        if action == "Encrypt":
            wrapped = base64.b64encode(f"wrapped {len(self.kept)}".encode()).decode()
            self.kept[wrapped] = data["Plaintext"]
            return Reply(200, json.dumps({"CiphertextBlob": wrapped, "KeyId": data["KeyId"]}).encode())
        return Reply(200, json.dumps({"Plaintext": self.kept[data["CiphertextBlob"]]}).encode())


@pytest.fixture
def kms(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKms]:
    """The trial's secrets are under its key, and no passphrase is given."""
    for name, value in {**ENV, "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    found = FakeKms()
    with served(found) as endpoint:
        trial.secrets_provider = f"awskms://alias/states?region=eu-test-1&endpoint={endpoint}"
        trial.passphrase = ""
        yield found
    keys._unwrapped.cache_clear()


def test_secrets_are_under_a_key_that_kms_wrapped(trial: Trial, kms: FakeKms) -> None:
    """In the form of Pulumi's own provider; neither the key nor what it hides is in the state."""
    trial.program(_PROGRAM).up()
    assert trial.up() == {"told": "a word"}
    assert trial.changes == set()
    text = trial.state_path.read_text()
    provider = json.loads(text)["checkpoint"]["latest"]["secrets_providers"]
    (wrapped, key), *_ = kms.kept.items()
    assert provider == {"type": "cloud", "state": {"url": trial.secrets_provider, "encryptedkey": wrapped}}
    assert key not in text
    assert "word" not in text.replace("told", "")
    found = outputs.read(f"file://{trial.backend}", project="trial", stack="dev", passphrase=Secret(""))
    assert found == {"told": Secret("a word")}
    assert set(kms.asked) == {"Encrypt", "Decrypt"}


def test_the_cli_is_told_of_the_key(trial: Trial, kms: FakeKms, tmp_path: Path) -> None:
    """In the stack's settings, where it looks for it."""
    trial.program(_PROGRAM).up()
    stack = ProjectStack(
        project_dir=trial.folder / "project",
        stack="dev",
        backend=f"file://{trial.backend}",
        passphrase=Secret(""),
        secrets_provider=trial.secrets_provider,
        config={},
        on_event=lambda event: None,
    )
    stack._workspace(tmp_path / "workspace")
    settings = yaml.safe_load((tmp_path / "workspace" / "Pulumi.dev.yaml").read_text())
    assert settings["secretsprovider"] == trial.secrets_provider
    assert settings["encryptedkey"] in kms.kept


def test_who_may_not_use_the_key_is_told(trial: Trial, kms: FakeKms) -> None:
    """With what is asked for, before anything is done."""
    trial.program(_PROGRAM).up()
    keys._unwrapped.cache_clear()
    kms.denied = True
    before = trial.state_path.read_bytes()
    with pytest.raises(automation.CommandError, match=r"AccessDeniedException(.|\n)*kms:Encrypt and kms:Decrypt"):
        trial.up()
    assert trial.state_path.read_bytes() == before


@pytest.mark.parametrize(
    ("provider", "said"),
    [("azurekeyvault://vault/keys/k", "cannot use the secrets provider azurekeyvault"), ("", "names no key")],
)
def test_another_provider_is_refused_by_name(trial: Trial, kms: FakeKms, provider: str, said: str) -> None:
    """It is the CLI's; a key that is not there is told, too."""
    trial.secrets_provider = provider or trial.secrets_provider.replace("alias/states", "alias/other")
    with pytest.raises(automation.CommandError, match=said):
        trial.program(_PROGRAM).up()
    assert not Path(trial.state_path).exists()
