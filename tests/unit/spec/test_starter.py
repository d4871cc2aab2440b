"""What `init` writes: starters that load as they are, and a schema that agrees with the models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from installer.spec.schema import json_schema
from installer.spec.specification import load
from installer.spec.starter import PROVIDERS, starter
from tests.conftest import Golden


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_starter_loads_as_it_is(provider: str, tmp_path: Path, golden: Golden) -> None:
    """Without a fault, for the provider that it says."""
    (tmp_path / "platform.yaml").write_text(starter(provider))
    spec = load(tmp_path / "platform.yaml")
    assert spec.platform is not None
    assert spec.platform.spec.regions[0].provider.kind == provider
    golden(f"spec/starter-{provider}.yaml", starter(provider))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_a_starter_has_commented_out_is_right_too(provider: str, tmp_path: Path) -> None:
    """Taking a comment away gives a line that loads."""
    lines = []
    for line in starter(provider).splitlines():
        bare = line.lstrip()
        # Sentences end with a full stop, or are above the document; everything else is a field.
        field = (bare.startswith("# ") and bare[2].islower()) or bare.startswith(("# - ", "#   "))
        lines.append(line.replace("# ", "", 1) if field and ":" in bare and not bare.endswith(".") else line)
    (tmp_path / "platform.yaml").write_text("\n".join(lines))
    spec = load(tmp_path / "platform.yaml")
    assert spec.platform is not None
    assert spec.platform.spec.manager.extra_names == ("api.example.org",)


def test_the_schema_is_as_reviewed(golden: Golden) -> None:
    """Editors read it; every changed line is seen."""
    golden("spec/schema.json", json.dumps(json_schema(), indent=2) + "\n")


def test_the_schema_knows_both_kinds_and_numbers_as_quantities() -> None:
    """What the models accept, editors accept."""
    schema = json_schema()
    assert {entry["$ref"] for entry in schema["oneOf"]} == {"#/$defs/Platform", "#/$defs/Cluster"}
    assert schema["$defs"]["SharedPool"]["properties"]["cpu"]["type"] == ["string", "number"]
    assert schema["$defs"]["SharedPool"]["properties"]["count"]["type"] == "integer"
