"""The state file: what `pulumi stack import` takes, and what comes back from it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pulumi import automation

from tests.conftest import Golden
from tests.stacks.harness import Trial

_PROGRAM = """
class Fake(pulumi.ProviderResource):
    def __init__(self, name):
        super().__init__("fake", name, {})
group = Group("group")
first = Thing("first", opts=pulumi.ResourceOptions(parent=group, protect=True))
second = Thing("second", uses=after(first), hidden=pulumi.Output.secret("word"))
Thing("third", opts=pulumi.ResourceOptions(provider=Fake("mine"), depends_on=[second]))
pulumi.export("serial", first.serial)
"""


def _shape(value: Any, key: str = "") -> Any:
    """The same with what differs from run to run taken out."""
    if isinstance(value, dict):
        return {k: _shape(v, k) for k, v in sorted(value.items())}
    if isinstance(value, list):
        return [_shape(item) for item in value]
    if key in {"ciphertext", "salt", "time"}:
        return f"<{key}>"
    return value.rpartition("::")[0] + "::<id>" if key == "provider" else "<id>" if key == "id" else value


def _stored(trial: Trial) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(trial.state_path.read_text())
    return found


def test_the_shape_of_a_checkpoint(trial: Trial, golden: Golden) -> None:
    """Version, manifest, secrets provider and resources as the pulumi CLI's file backend has them."""
    trial.program(_PROGRAM).up()
    shape = _shape(_stored(trial))
    shape["checkpoint"]["latest"]["resources"].sort(key=lambda r: r["urn"])
    golden("provision/checkpoint.json", json.dumps(shape, indent=2) + "\n")


def test_providers_and_dependencies_stand_before_their_users(trial: Trial) -> None:
    """Import refuses anything else. An older resource that now uses a newer one is moved behind it."""
    trial.program('Thing("old")').up()
    trial.program('new = Thing("new")\nThing("old", uses=after(new))').up()
    placed: set[str] = set()
    for resource in _stored(trial)["checkpoint"]["latest"]["resources"]:
        needed = [*resource.get("dependencies", []), resource.get("parent"), resource.get("provider")]
        assert {n.rpartition("::")[0] if n.count("::") > 3 else n for n in needed if n} <= placed
        placed.add(resource["urn"])
    assert len(placed) == 4


def test_an_exported_state_can_be_imported_elsewhere(trial: Trial) -> None:
    """With the same passphrase; nothing is to be done then."""
    trial.program(_PROGRAM).up()
    exported = trial.stack().export_stack()
    trial.state_path.unlink()
    trial.state_path.with_name("dev.json.bak").unlink()
    stack = trial.stack()
    stack.import_stack(exported)
    assert trial.preview() == set()
    assert "word" not in trial.state_path.read_text()


@pytest.mark.parametrize(
    ("program", "named"),
    [
        ('Thing("first", opts=pulumi.ResourceOptions(import_="abc"))', "import"),
        ('Thing.get = None\npulumi.StackReference("organization/other/dev")', "read resources"),
        (
            'class Remote(pulumi.ComponentResource):\n    pass\nRemote("fake:index:Remote", "r", {}, None, True)',
            "remote components",
        ),
        ('Thing("first", opts=pulumi.ResourceOptions(ignore_changes=["list[0]"]))\n', "whole inputs"),
    ],
)
def test_what_the_engine_cannot_do_is_refused_by_name(trial: Trial, program: str, named: str) -> None:
    """Rather than done wrongly; each error says that the pulumi CLI can."""
    if "ignore" in program:
        trial.program('Thing("first", list=["a"])').up()
    with pytest.raises(automation.CommandError) as caught:
        trial.program(program).up()
    assert named in str(caught.value)
    assert "install the pulumi CLI" in str(caught.value)


def test_a_state_in_a_service_needs_the_cli(trial: Trial) -> None:
    """The embedded engine keeps states in directories and S3-compatible stores only."""
    trial.program('Thing("first")')
    stack = trial.stack()
    stack.workspace.env_vars["PULUMI_BACKEND_URL"] = "azblob://bucket"
    with pytest.raises(automation.CommandError, match=r"not in azblob://bucket(.|\n)*install the pulumi CLI"):
        stack.up()


def test_a_command_it_does_not_know_is_named(trial: Trial) -> None:
    """No guess at what was meant."""
    trial.program('Thing("first")')
    with pytest.raises(automation.CommandError, match="does not know `pulumi stack tag ls`"):
        trial.stack().workspace.list_tags("dev")
