"""The engine with its state in a bucket: what is cut off there is found again, and nothing lies there in the clear."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pulumi import automation

from tests.fakes.s3 import ENV, FakeS3, served
from tests.stacks.harness import Trial

_CHAIN = """
first = Thing("first", hidden=pulumi.Output.secret("word-in-the-state"))
Thing("second", uses=after(first))
pulumi.export("told", pulumi.Output.secret("told-in-the-end"))
"""
_KEY = "team/.pulumi/stacks/trial/dev.json"
_UP = """
import sys
from pathlib import Path
from tests.fakes.provider import FakeProvider
from tests.stacks.harness import Trial
Trial(Path(sys.argv[1]), FakeProvider(), url=sys.argv[2]).up()
"""


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    for name, value in {**ENV, "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    with served(FakeS3()) as found:
        yield found
    assert found.wrong == []


@pytest.fixture
def shared(trial: Trial, bucket: FakeS3) -> Trial:
    """A trial whose state is in the bucket."""
    trial.url = bucket.url
    return trial.program(_CHAIN)


def test_a_stack_lives_in_a_bucket(shared: Trial, bucket: FakeS3) -> None:
    """Where the pulumi CLI would look for it; gone without a trace but for the mark that this is a backend."""
    assert shared.up() == {"told": "told-in-the-end"}
    assert json.loads(bucket.objects[_KEY])["checkpoint"]["stack"] == "organization/trial/dev"
    assert bucket.objects["team/.pulumi/meta.yaml"] == b"version: 1\n"
    assert shared.preview() == set()
    everything = b"".join(bucket.objects.values())
    assert b"word-in-the-state" not in everything
    assert b"told-in-the-end" not in everything
    assert not [key for key in bucket.objects if "/locks/" in key or "/journals/" in key]
    shared.destroy()
    shared.stack().workspace.remove_stack("dev")
    assert list(bucket.objects) == ["team/.pulumi/meta.yaml"]


def test_an_operation_that_is_cut_off_between_two_writes_loses_nothing(shared: Trial, bucket: FakeS3) -> None:
    """After every second of them the store is gone: the next run goes on, and nothing is made twice."""
    for runs in itertools.count(1):
        left = [2 * runs - 1]
        begun = set(bucket.objects)

        def before(method: str, key: str, left: list[int] = left) -> None:
            left[0] -= method != "GET" and "/locks/" not in key
            bucket.away = left[0] < 0

        bucket.before = before
        try:
            shared.up()
            ended = True
        except automation.CommandError:
            ended = False
        bucket.before, bucket.away = lambda method, key: None, False
        for key in [key for key in bucket.objects if "/locks/" in key and key not in begun]:
            del bucket.objects[key]  # its holder could not take it off; it is this very process, and lives
        shared.up()
        assert set(shared.resources()) == {"first", "second"}
        assert shared.provider.made == 2 * runs
        assert shared.export()["pending_operations"] == []
        assert not [key for key in bucket.objects if "/journals/" in key]
        if ended:
            break
        shared.destroy()
    assert runs > 4


def test_a_killed_run_is_followed_at_once(shared: Trial, bucket: FakeS3) -> None:
    """Its lock lies there still; that its process is gone can be seen on the same machine."""
    shared.provider.hold = threading.Event()
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", _UP, str(shared.folder), bucket.url], cwd=root) as process:
        assert shared.provider.begun.wait(timeout=30)
        with pytest.raises(automation.ConcurrentUpdateError, match=rf"process {process.pid}\) since 20"):
            shared.up()
        process.kill()
    shared.provider.hold.set()
    shared.provider.hold = None
    shared.up()
    assert shared.provider.made == 2
    assert any("is recovered" in text for text in shared.said)


def test_an_object_that_was_cut_off_is_told_by_its_name(shared: Trial, bucket: FakeS3) -> None:
    """With the one before it; neither overwritten nor taken for an empty state."""
    shared.up()
    bucket.objects[_KEY] = whole = bucket.objects[_KEY][:100]
    told = r"s3://states/team/\.pulumi/stacks/trial/dev\.json is damaged(.|\n)*--backup.*dev\.json\.bak"
    with pytest.raises(automation.CommandError, match=told):
        shared.up()
    assert bucket.objects[_KEY] == whole
