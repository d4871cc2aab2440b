"""Where the embedded engine finds providers that are programs of Pulumi's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pulumi import automation

from installer.provision.embedded import installed
from tests.fakes.provider import FakeProvider
from tests.stacks.harness import Trial

# As those of Pulumi's do: the engine's address is the only argument, and a line of the log goes there.
_PROGRAM = """#!{python}
import sys
sys.path[:0] = {path!r}
import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc
from tests.fakes.provider import FakeProvider, served
(engine,) = sys.argv[1:]
with served(FakeProvider()) as port:
    log = engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine))
    log.Log(engine_pb2.LogRequest(severity=engine_pb2.WARNING, message="spoken by the provider"))
    print(port, flush=True)
    import threading
    threading.Event().wait()
"""


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    """A stack whose provider is not attached, and a folder for those that the CLI installed."""
    monkeypatch.delenv("PULUMI_DEBUG_PROVIDERS", raising=False)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    return Trial(tmp_path, FakeProvider())


def _install(folder: Path) -> Path:
    folder.mkdir(parents=True)
    program = folder / "pulumi-resource-fake"
    program.write_text(_PROGRAM.format(python=sys.executable, path=[str(Path(__file__).parents[2]), *sys.path]))
    program.chmod(0o755)
    return program


def test_an_installed_provider_is_started_and_heard(trial: Trial) -> None:
    """It is told where the engine's log is, and ends with the operation."""
    _install(trial.folder / "home" / "plugins" / "resource-fake-v1.2.3")
    trial.program('Thing("first")').up()
    assert trial.changes == {("create", "first")}
    assert any("spoken by the provider" in text for text in trial.said)


def test_the_newest_of_several_is_taken(trial: Trial) -> None:
    """By number, not by letter; what is not a version, or not a program, does not count."""
    plugins = trial.folder / "home" / "plugins"
    for version in ("v1.9.0", "v1.10.0", "latest"):
        newest = _install(plugins / f"resource-fake-{version}")
        if version == "v1.10.0":
            wanted = newest
    (plugins / "resource-fake-v2.0.0").mkdir()
    assert installed.find("fake") == wanted


def test_one_on_the_path_comes_first(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the CLI."""
    _install(trial.folder / "home" / "plugins" / "resource-fake-v1.2.3")
    wanted = _install(trial.folder / "bin")
    monkeypatch.setenv("PATH", str(trial.folder / "bin"))
    assert installed.find("fake") == wanted


def test_one_that_is_missing_is_named_with_what_to_install(trial: Trial) -> None:
    """Both ways to get it are in the error."""
    trial.program('pulumi.CustomResource("aws:ec2/vpc:Vpc", "vpc", {"cidrBlock": "10.0.0.0/16"})')
    with pytest.raises(automation.CommandError) as caught:
        trial.up()
    for text in ("provider aws is not installed", "pulumi plugin install resource aws", "pulumi-resource-aws on PATH"):
        assert text in str(caught.value)
