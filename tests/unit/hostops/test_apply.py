"""What is noted on a host about itself while it is changed."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace

import pytest

from installer.hostops import apply, diff
from installer.hostops.diff import Act
from installer.hostops.facts import Manifest
from installer.hostops.state import HostState, Unit
from tests.unit.hostops.test_diff import WANTED, settled

_TWO = WANTED | HostState(units=(Unit("y.service", restart_on=("/etc/x.conf",)),))


def _manifests(content: bytes) -> tuple[Manifest, Manifest]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        found = {
            name.rsplit(".", 1)[-1]: file.read().decode()
            for name in tar.getnames()
            if "manifest.json" in name and (file := tar.extractfile(name))
        }
    return Manifest.from_json(found["before"]), Manifest.from_json(found["after"])


def test_units_of_later_stages_count_as_not_started() -> None:
    """Killed between two stages, the next look finds what has not been started yet."""
    seen = settled(_TWO)
    seen = replace(seen, links={"/opt/x/current": "/opt/x/releases/0"}, manifest=replace(seen.manifest, release="0"))
    todo = diff.changes(_TWO, seen)
    later = tuple(change for change in todo if change.subject == "x.service")
    now = tuple(change for change in todo if change not in later)
    before, after = _manifests(apply.payload(_TWO, seen, now, later))
    assert before.units["x.service"] == after.units["x.service"] == ""
    assert after.units["y.service"] == seen.manifest.units["y.service"]
    assert before.release == after.release == "0"
    again = diff.changes(_TWO, replace(settled(_TWO), manifest=after))
    assert [(change.act, change.subject) for change in again] == [(Act.RESTART, "x.service")]


def test_the_release_of_a_new_host_is_noted_with_the_last_change() -> None:
    """Not before: what is not whole has no release."""
    seen = replace(settled(), units={}, manifest=Manifest())
    before, after = _manifests(apply.payload(WANTED, seen, diff.changes(WANTED, seen), release="1"))
    assert (before.release, after.release) == ("", "1")


def test_whose_node_it_becomes_is_noted_before_anything_is_done() -> None:
    """Killed in between, it is cleaned before it joins another cluster."""
    wanted = replace(WANTED, cluster="team-a")
    seen = replace(settled(), units={}, manifest=Manifest())
    before, after = _manifests(apply.payload(wanted, seen, diff.changes(wanted, seen)))
    assert (before.cluster, after.cluster) == ("team-a", "team-a")


CASES = {
    "the first": (("", ""), "1", ("1", "")),
    "the next": (("1", ""), "2", ("2", "1")),
    "and back: no further": (("2", "1"), "1", ("1", "")),
    "two steps: back to the last": (("2", "1"), "3", ("3", "2")),
}


@pytest.mark.parametrize(("had", "release", "has"), CASES.values(), ids=CASES)
def test_settled(had: tuple[str, str], release: str, has: tuple[str, str]) -> None:
    """Which release a host is on, and which it can go back to."""
    after = apply.settled(Manifest(units={"x.service": "1"}, release=had[0], previous=had[1]), release)
    assert (after.release, after.previous) == has
    assert Manifest.from_json(after.to_json()) == after


def test_a_manifest_from_before_there_were_releases() -> None:
    """It is read, and says that nothing is known of a release."""
    old = json.dumps({"version": 1, "files": {}, "links": {}, "units": {"x.service": "1"}})
    found = Manifest.from_json(old)
    assert found.serves
    assert (found.release, found.previous) == ("", "")


def test_units_are_read_again_before_they_are_started() -> None:
    """Even where no unit is written: a run that was killed wrote them, and systemd knows only the old ones."""
    seen = settled()
    seen = replace(seen, manifest=replace(seen.manifest, units={"x.service": ""}))
    todo = diff.changes(WANTED, seen)
    assert [change.act for change in todo] == [Act.RESTART]
    script = apply.compile_script(WANTED, seen, todo)
    assert script.index("systemctl daemon-reload") < script.index("systemctl restart")
