"""Whether the manager is as it was applied last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition

from installer.kubernetes.settings import RegionSettings
from installer.spec.specification import load
from installer.workflows import manager_settings
from tests.unit.spec.documents import platform

NOTE = manager_settings.note("d1", {"clusters.moorage.dev": 2, "datastores.moorage.dev": 1})["data"]


def definition(name: str, group: str, generation: int) -> Any:
    spec = {"group": group, "names": {"kind": "X", "plural": "x"}, "scope": "Cluster", "versions": []}
    return CustomResourceDefinition.from_dict({"metadata": {"name": name, "generation": generation}, "spec": spec})


def test_only_our_definitions_count() -> None:
    """Others are their owners' business."""
    found = [definition("clusters.moorage.dev", "moorage.dev", 2), definition("gateways.example", "example", 7)]
    assert manager_settings.generations(found) == {"clusters.moorage.dev": 2}


@pytest.mark.parametrize(
    ("digest", "clusters", "noted"), [("d1", 2, True), ("d2", 2, False), ("d1", 3, False), ("d1", 1, False)]
)
def test_a_definition_that_somebody_changed_is_applied_again(digest: str, clusters: int, *, noted: bool) -> None:
    """Also one that was deleted and made again, whose count starts anew."""
    found = {"clusters.moorage.dev": clusters, "datastores.moorage.dev": 1}
    assert manager_settings.is_noted(NOTE, digest, found) == noted


def test_a_note_of_an_earlier_version_is_none() -> None:
    """It did not say which definitions there were."""
    assert not manager_settings.is_noted({"digest": "d1"}, "d1", {})


def test_what_the_controller_is_told_of_regions(tmp_path: Path) -> None:
    """How many managers each has, whether nodes can be there, and for how long it is waited for."""
    places = {"north": "{name: m, role: manager, count: 3}", "plant": "{name: w, role: worker}"}
    regions = ", ".join(
        f"{{name: {name}, grace: {len(hosts)}m, provider: {{kind: local}}, hosts: [{hosts}]}}"
        for name, hosts in places.items()
    )
    (tmp_path / "platform.yaml").write_text(platform(regions=regions))
    found = load(tmp_path / "platform.yaml").platform
    assert found is not None
    assert manager_settings.regions(found) == {
        "north": RegionSettings(managers=3, carries=False, grace_s=60.0 * len(places["north"])),
        "plant": RegionSettings(managers=0, carries=True, grace_s=60.0 * len(places["plant"])),
    }
