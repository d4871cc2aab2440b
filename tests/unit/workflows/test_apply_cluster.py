"""What `preview` tells of a cluster that is there: what the API server would make of it, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightkube import codecs

from installer.engine.plan import Target
from installer.spec.specification import load
from installer.workflows import clusters
from installer.workflows.steps.apply_cluster import ApplyCluster
from tests.unit.hostops.hosts import facts
from tests.unit.spec.documents import cluster, platform, pool
from tests.unit.workflows import sessions

_HOSTS = "{name: manager, role: manager}, {name: worker, role: worker}"
_READY = {"conditions": [{"type": "ControlPlaneReady", "status": "True"}]}


class Trial:
    """A cluster as it is, and an API server that says what it would be."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = folder / "platform.yaml"
        path.write_text(platform(hosts=_HOSTS) + cluster(pools=pool()))
        spec = load(path)
        self.session = sessions.provided(spec, spec, folder, {"manager-1": facts(), "worker-1": facts()})
        self.seen = {**clusters.document(spec.clusters[0]), "status": _READY}
        self.after = clusters.document(spec.clusters[0])
        self.asked: list[bool] = []
        self.session.__dict__["api"] = self
        monkeypatch.setattr(clusters, "find", lambda session, name: self.seen)

    def apply(self, wanted: Any, *, field_manager: str, force: bool, dry_run: bool) -> Any:
        """As lightkube's client."""
        assert force
        self.asked.append(dry_run)
        return codecs.from_dict(self.after)

    def told(self) -> tuple[str, ...]:
        """The details of the change; none: there is nothing to do."""
        changes = ApplyCluster().plan(self.session, Target("cluster", "team-a"))
        assert self.asked == [True], "a preview changes nothing"
        return tuple(line for change in changes for line in change.detail)


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    return Trial(tmp_path, monkeypatch)


def test_what_others_have_set_is_no_change(trial: Trial) -> None:
    """It stays, so a preview that wanted it away would never come to an end."""
    for one in (trial.seen, trial.after):
        one["spec"]["pools"][0]["kubelet"] = {"maxPods": 55}
        one["metadata"]["labels"] = {"theirs": "stays"}
    assert trial.told() == ()


def test_a_setting_that_is_no_longer_specified_is_a_change(trial: Trial) -> None:
    """Of a map, too, and a label of the resource."""
    trial.seen["spec"]["controlPlane"]["apiServer"] = {"settings": {"event-ttl": "2h"}}
    trial.after["spec"]["controlPlane"]["apiServer"] = {"settings": {}}
    trial.seen["metadata"]["labels"] = {"stage": "test"}
    assert trial.told() == (
        "controlPlane.apiServer.settings.event-ttl: 2h -> None",
        "labels.stage: test -> None",
    )


def test_pools_are_compared_by_their_names(trial: Trial) -> None:
    """Wherever in the list they are."""
    [general] = trial.after["spec"]["pools"]
    trial.seen["spec"]["pools"] = [{**general, "name": "old"}, {**general, "count": 7}]
    lines = trial.told()
    name = general["name"]
    assert f"pools.{name}.count: 7 -> {general['count']}" in lines
    assert [line.split(":")[0] for line in lines] == [f"pools.{name}.count", "pools.old"]
