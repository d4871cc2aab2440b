"""Uploads: how fast, how long a broken link is tried, and what is told of it."""

from __future__ import annotations

import io

import pytest

from installer.bundle.bundle import Artefact
from installer.bundle.upload import Lacking, Pace, Paced, Patience, Stream
from installer.transport.errors import ConnectionLostError
from tests.unit.core.test_clock import FakeClock

_LOST = ConnectionLostError("the connection was lost")


@pytest.mark.parametrize(
    ("bytes_per_s", "sizes", "seconds"), [(None, [10**9], 0), (100, [], 0), (100, [250], 2.5), (100, [50, 50, 100], 2)]
)
def test_bytes_take_their_time(bytes_per_s: float | None, sizes: list[int], seconds: float) -> None:
    """Whoever reads them; without a bound, none."""
    clock = FakeClock()
    pace = Pace(bytes_per_s, clock)
    for size in sizes:
        assert len(Paced(io.BytesIO(bytes(size)), pace).read(size)) == size
    assert clock.time == seconds


def test_time_in_which_nothing_was_sent_is_not_made_up_for() -> None:
    """A link that is shared is never filled by what was saved up."""
    clock = FakeClock()
    pace = Pace(100, clock)
    pace.take(100)
    clock.time += 60
    pace.take(100)
    assert clock.time == 62


def test_files_follow_each_other_from_where_they_stopped() -> None:
    """Each is announced with what is there of it; how far it is, is told with each file and every other second."""
    clock = FakeClock()
    content = {"a": b"etcd", "b": b"runc"}
    told: list[tuple[str, int]] = []
    files = [Lacking(Artefact("bin/etcd", "a", 4), 3), Lacking(Artefact("bin/runc", "b", 4))]
    stream = Stream(
        files,
        lambda artefact: io.BytesIO(content[artefact.sha256]),
        Pace(1, clock),
        lambda artefact, sent: told.append((artefact.path, sent)),
    )
    assert b"".join(iter(lambda: stream.read(1), b"")) == b"a 4 3\ndb 4 0\nrunc"
    assert stream.read(1) == b""
    assert told == [("bin/etcd", 0), ("bin/runc", 1), ("bin/runc", 3), ("bin/runc", 5)]


def test_pauses_grow_until_something_arrives() -> None:
    """A link that brings a little each time is never given up."""
    clock, told = FakeClock(), list[str]()
    patience = Patience(clock, told.append)
    for left in (10, 10, 10, 9):
        patience.saw(left)
        patience.wait(_LOST)
    assert [line.split()[-2] for line in told] == ["1", "2", "5", "1"]
    with pytest.raises(ConnectionLostError):
        for _ in range(20):
            patience.wait(_LOST)
    assert clock.time < 300
