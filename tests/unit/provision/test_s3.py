"""A bucket as the place of a state: the same promises as a directory's, and what only a bucket can have."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from installer.core.errors import InfrastructureError
from installer.provision.embedded import locks, s3, store
from installer.provision.embedded.store import Directory, MovedOnError, Store
from tests.fakes.s3 import ENV, FakeS3, served


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    """A store that nobody has written to. In the end it must have nothing to complain about."""
    for name, value in {**ENV, "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    with served(FakeS3()) as found:
        yield found
    assert found.wrong == []


@pytest.fixture(params=["directory", "bucket"])
def kept(request: pytest.FixtureRequest, fake: FakeS3, tmp_path: Path) -> Store:
    return Directory(tmp_path) if request.param == "directory" else store.opened(fake.url)


def test_what_is_written_is_read(kept: Store) -> None:
    """Whole, under its key; what is not there is not there."""
    assert kept.read("a/b.json") is None
    kept.write("a/b.json", b"one")
    found = kept.read("a/b.json")
    assert found is not None
    assert found.content == b"one"
    kept.copy("a/b.json", "a/b.json.bak")
    kept.write("a/b.json", b"two", over=found)
    assert [kept.read(key) and kept.read(key).content for key in kept.names("a/")] == [b"two", b"one"]  # type: ignore[union-attr]
    kept.remove("a/b.json")
    kept.remove("a/b.json")
    assert kept.names("a/") == ["a/b.json.bak"]


def test_lines_come_back_as_they_were_added(kept: Store) -> None:
    """More of them than a page of a listing has."""
    kept.write("a/state.json", b"")
    assert kept.lines("a/x.journal") is None
    for number in range(12):
        kept.append("a/x.journal", f"{number}".encode())
    assert kept.lines("a/x.journal") == [f"{number}".encode() for number in range(12)]
    kept.clear("a/x.journal")
    assert kept.lines("a/x.journal") is None
    kept.append("a/x.journal", b"again")
    assert kept.lines("a/x.journal") == [b"again"]


def test_nothing_is_written_over_what_another_wrote(fake: FakeS3) -> None:
    """With the key named, and the other's content in its place."""
    mine, theirs = s3.Bucket("states", "team", _options(fake)), s3.Bucket("states", "team", _options(fake))
    first = mine.write("x.json", b"first", new=True)
    theirs.write("x.json", b"second", over=first)
    with pytest.raises(MovedOnError, match=r"s3://states/team/x\.json was written by another run"):
        mine.write("x.json", b"third", over=first)
    with pytest.raises(MovedOnError):
        mine.write("x.json", b"third", new=True)
    assert fake.objects["team/x.json"] == b"second"


def test_a_write_whose_answer_was_lost_counts(fake: FakeS3) -> None:
    """It is repeated, meets itself, and that is no other run."""
    bucket = s3.Bucket("states", "team", _options(fake))
    first = bucket.write("x.json", b"first", new=True)
    assert bucket.write("x.json", b"first", new=True) == first


def test_a_store_without_conditions_is_written_to_all_the_same(fake: FakeS3) -> None:
    """Locks hold alone there."""
    fake.conditions = False
    bucket = s3.Bucket("states", "team", _options(fake))
    bucket.write("x.json", b"second", over=bucket.write("x.json", b"first", new=True))
    assert fake.objects["team/x.json"] == b"second"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://states?regoin=x", "`regoin`"),
        ("s3:///folder", "names no bucket"),
        ("s3://other?region=eu-test-1&endpoint={endpoint}", "NoSuchBucket"),
        ("s3://states?region=elsewhere&endpoint={endpoint}", "SignatureDoesNotMatch"),
        ("s3://states?region=eu-test-1&endpoint=http://127.0.0.1:1", "cannot read s3://states/x"),
    ],
)
def test_what_is_wrong_with_a_url_is_told(fake: FakeS3, url: str, said: str) -> None:
    """With the key, and never the key that signs."""
    with pytest.raises(InfrastructureError) as caught:
        store.opened(url.format(endpoint=fake.endpoint)).read("x")
    assert said in caught.value.explain()
    assert ENV["AWS_SECRET_ACCESS_KEY"] not in caught.value.explain()


# --- locks --------------------------------------------------------------------------------------------------------


class Hours:
    """A clock that only its waiting moves."""

    def __init__(self, while_waiting: Callable[[], None] = lambda: None) -> None:
        self.passed, self._while_waiting = 0.0, while_waiting

    def now(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        self._while_waiting()


def test_a_second_holder_is_refused_by_name_and_then_let_in(fake: FakeS3) -> None:
    """Both are alive here. The lock lies where the pulumi CLI looks for its own, with the fields that it reads."""
    kept = store.opened(fake.url)
    with locks.hold(kept, "moorage-local", "harbor-home"):
        (lock,) = locks.found(kept, "moorage-local", "harbor-home")
        assert lock.key.startswith(".pulumi/locks/organization/moorage-local/harbor-home/")
        assert {"pid", "username", "hostname", "timestamp"} <= set(json.loads(lock.found.content))
        renews = Hours(lambda: _renew(fake))
        with (
            pytest.raises(InfrastructureError, match=r"currently locked by .*\(process \d+\) since 20"),
            locks.hold(kept, "moorage-local", "harbor-home", clock=renews),
        ):
            pass
        assert renews.passed < locks.SILENCE_S
    with locks.hold(kept, "moorage-local", "harbor-home"):
        assert len(locks.found(kept, "moorage-local", "harbor-home")) == 1
    assert locks.found(kept, "moorage-local", "harbor-home") == []


def test_who_is_gone_from_this_machine_is_not_waited_for(fake: FakeS3) -> None:
    """The process that the lock names has ended, or another one has its number."""
    kept = store.opened(fake.url)
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    for change in ({"pid": gone.pid}, {"started": "1"}):
        _leave(fake, kept, **change)
        clock, said = Hours(), list[str]()
        with locks.hold(kept, "p", "s", clock=clock, tell=said.append):
            assert clock.passed == 0
            assert "is recovered" in said[0]


def test_who_is_silent_elsewhere_is_waited_for(fake: FakeS3) -> None:
    """Half a minute, and said so; then the lock is anybody's."""
    kept, said, clock = store.opened(fake.url), list[str](), Hours()
    _leave(fake, kept, machine="another", hostname="runner-7")
    with locks.hold(kept, "p", "s", clock=clock, tell=said.append):
        assert clock.passed == locks.SILENCE_S
        assert "runner-7" in said[0]


def test_a_lock_of_the_pulumi_cli_is_left_alone(fake: FakeS3) -> None:
    """It says nothing of its life: a person takes it off."""
    kept = store.opened(fake.url)
    lock = {"pid": 1, "username": "ann", "hostname": "runner-7", "timestamp": "2026-11-01T10:00:00Z"}
    fake.objects["team/.pulumi/locks/organization/p/s/one.json"] = json.dumps(lock).encode()
    with pytest.raises(InfrastructureError) as caught, locks.hold(kept, "p", "s", clock=Hours()):
        pass
    assert "ann@runner-7 (process 1) since 2026-11-01T10:00:00Z" in caught.value.what
    assert "moorage state unlock" in caught.value.hint


def test_of_two_that_come_at_once_none_goes_on_beside_the_other(fake: FakeS3) -> None:
    """A lock that appears between looking and writing is seen after writing, and ours is taken off again."""
    kept = store.opened(fake.url)
    other = "team/.pulumi/locks/organization/p/s/other.json"

    def meanwhile(method: str, key: str) -> None:
        if method == "PUT" and "/locks/" in key:
            fake.objects[other] = b'{"username": "ann", "renewed": "now"}'

    fake.before = meanwhile
    with pytest.raises(InfrastructureError, match="currently locked by ann@"), locks.hold(kept, "p", "s"):
        pass
    assert [key for key in fake.objects if "/locks/" in key] == [other]


def test_who_lost_its_lock_writes_nothing_more(fake: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was silent for too long, and another run may have begun."""
    monkeypatch.setattr(locks, "RENEWS_S", 0.01)
    kept = store.opened(fake.url)
    with locks.hold(kept, "p", "s") as held:
        held.require()
        locks.take_off(kept, "p", "s")
        for _ in range(500):
            if held.lost:
                break
            subprocess.run(["sleep", "0.01"], check=True)
        with pytest.raises(InfrastructureError, match="taken over by another run"):
            held.require()


def _options(fake: FakeS3) -> dict[str, str]:
    return {"region": "eu-test-1", "endpoint": fake.endpoint}


def _renew(fake: FakeS3) -> None:
    for key, content in list(fake.objects.items()):
        if "/locks/" in key:
            fake.objects[key] = json.dumps({**json.loads(content), "renewed": "later"}).encode()


def _leave(fake: FakeS3, kept: Store, **changed: object) -> None:
    """A lock that its holder did not take off."""
    with locks.hold(kept, "p", "s"):
        (lock,) = locks.found(kept, "p", "s")
    fake.objects[f"team/{lock.key}"] = json.dumps({**json.loads(lock.found.content), **changed}).encode()
