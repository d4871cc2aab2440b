"""Another release written into a user's file, and nothing else in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from installer.core.errors import SpecError
from installer.spec.specification import load, write_home, write_release, write_version

_TEXT = """# our harbour
apiVersion: moorage.dev/v1
kind: Platform
metadata: {{name: harbor}}
spec:
  {release}  # keep in step with staging
  regions:
    - name: home
      provider: {{kind: local}}
      hosts: [{{name: manager, role: manager}}]   # one is enough
---
apiVersion: moorage.dev/v1
kind: Cluster
metadata: {{name: team-a}}
spec: {{version: 1.36.3, pools: [{{name: a, kind: shared}}]}}
"""


@pytest.mark.parametrize("written", ['release: "2026.10"', "release: '2026.10'", "release:   '2026.10'"])
def test_one_value_changes(tmp_path: Path, written: str) -> None:
    """Comments, order and other documents stay as they are."""
    path = tmp_path / "platform.yaml"
    text = _TEXT.format(release=written)
    path.write_text(text)
    path.chmod(0o640)
    assert write_release(load(path), "2026.11") == str(path)
    before, after = text.splitlines(), path.read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1
    assert changed[0][1].endswith('"2026.11"  # keep in step with staging')
    assert path.stat().st_mode & 0o777 == 0o640
    found = load(path).platform
    assert found is not None
    assert found.spec.release == "2026.11"


def test_what_cannot_be_changed_in_place_is_told(tmp_path: Path) -> None:
    """By file and line; the file stays as it was."""
    path = tmp_path / "platform.yaml"
    text = _TEXT.format(release="release: >-\n    2026.10\n ")
    path.write_text(text)
    with pytest.raises(
        SpecError, match=r'platform.yaml:\d+: spec.release: cannot be changed in place: write "2026.11"'
    ):
        write_release(load(path), "2026.11")
    assert path.read_text() == text


def test_a_release_in_place_of_the_written_one(tmp_path: Path) -> None:
    """Faults still know their lines."""
    path = tmp_path / "platform.yaml"
    path.write_text(_TEXT.format(release='release: "2026.10"'))
    spec = load(path).with_release("2026.11")
    assert spec.platform is not None
    assert spec.platform.spec.release == "2026.11"
    assert spec.sources[0][0] is spec.platform


def test_the_version_of_one_cluster(tmp_path: Path) -> None:
    """Written in one line with others, and of that cluster alone."""
    path = tmp_path / "platform.yaml"
    text = _TEXT.format(release='release: "2026.10"')
    path.write_text(f"{text}---\n{text.split('---')[1].replace('team-a', 'team-b')}")
    assert write_version(load(path), "team-b", "1.37.2") == str(path)
    assert {one.name: one.spec.version for one in load(path).clusters} == {"team-a": "1.36.3", "team-b": "1.37.2"}
    assert write_version(load(path), "team-b", "1.37.2") == ""
    assert write_version(load(path), "of-nobody", "1.37.2") == ""


@pytest.mark.parametrize("plane", ["{region: home}", '{replicas: 2, region: "home"}', "\n    region: home  # for now"])
def test_another_home_for_a_cluster(tmp_path: Path, plane: str) -> None:
    """Wherever it is written; one that is at home there, or is not in the specification, changes nothing."""
    path = tmp_path / "platform.yaml"
    text = _TEXT.format(release='release: "2026.11"').replace(
        "spec: {version: 1.36.3, pools: [{name: a, kind: shared}]}",
        f"spec:\n  version: 1.36.3\n  controlPlane: {plane}",
    )
    other = "\n    - {name: other, provider: {kind: local}, hosts: [{name: o, role: manager, count: 2}]}"
    path.write_text(text.replace("   # one is enough", other))
    assert write_home(load(path), "team-a", "home") == ""
    assert write_home(load(path), "team-b", "other") == ""
    before = path.read_text()
    assert write_home(load(path), "team-a", "other") == str(path)
    assert path.read_text() in (
        before.replace("region: home", 'region: "other"'),
        before.replace('region: "home"', 'region: "other"'),
    )
    assert load(path).clusters[0].spec.control_plane.region == "other"


def test_a_home_that_is_not_written_yet_is_asked_for(tmp_path: Path) -> None:
    """By file and line: where it goes is the user's to say."""
    path = tmp_path / "platform.yaml"
    path.write_text(_TEXT.format(release='release: "2026.11"'))
    with pytest.raises(SpecError, match=r'spec.controlPlane.region: cannot be changed in place: write "home" there'):
        write_home(load(path), "team-a", "home")
