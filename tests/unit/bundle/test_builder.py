"""Building: each item once, by the first recipe that can; what is there and right is never made again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from installer.bundle.build import Builder
from installer.bundle.errors import SourceUnreachableError
from installer.bundle.recipe import BuildEvent, Item, Made, Progress
from installer.bundle.store import digest_of
from installer.core.errors import BundleError


@dataclass
class Fake:
    """A recipe that writes its name into each output, and counts."""

    name: str
    outputs: tuple[str, ...]
    act: Callable[[Path], None] = lambda folder: None
    takes: float = 0.0
    clock: list[float] = field(default_factory=lambda: [0.0])
    made: int = 0

    def key(self, made: Made) -> str:
        return self.name

    def make(self, folder: Path, made: Made, progress: Progress) -> None:
        self.made += 1
        progress("half", 0.5)
        self.act(folder)
        self.clock[0] += self.takes
        for output in self.outputs:
            target = folder / output
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(f"{self.name} {output}")


def item(*recipes: Fake, seconds: float = 1.0, needs: tuple[str, ...] = ()) -> Item:
    return Item(title=recipes[0].name, outputs=recipes[0].outputs, seconds=seconds, recipes=recipes, needs=needs)


def build(root: Path, *items: Item, events: list[BuildEvent] | None = None, clock: Sequence[float] = (0.0,)) -> Made:
    told = events if events is not None else []
    return Builder(root, told.append, clock=lambda: clock[0]).run(items)


def fail(error: Exception) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        raise error

    return act


def test_outputs_lie_in_the_store_under_their_digest(tmp_path: Path) -> None:
    """Read-only and runnable, as hosts get them."""
    made = build(tmp_path, item(Fake("etcd", ("bin/etcd", "bin/etcdctl"))))
    assert {path: file.read_text() for path, file in made.items()} == {
        "bin/etcd": "etcd bin/etcd",
        "bin/etcdctl": "etcd bin/etcdctl",
    }
    assert all(file.name == digest_of(file) and file.stat().st_mode & 0o777 == 0o555 for file in made.values())


def test_a_second_build_makes_nothing(tmp_path: Path) -> None:
    """And tells nothing: there is nothing to wait for."""
    recipe, events = Fake("etcd", ("bin/etcd",)), list[BuildEvent]()
    first = build(tmp_path, item(recipe))
    assert build(tmp_path, item(recipe), events=events) == first
    assert (recipe.made, events) == (1, [])


def test_a_build_that_broke_goes_on_with_the_item_it_was_at(tmp_path: Path) -> None:
    """What was done stays done; nothing half-made is left."""
    done, broken = Fake("etcd", ("bin/etcd",)), Fake("runc", ("bin/runc",), act=fail(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, item(done), item(broken))
    assert list((tmp_path / "tmp").iterdir()) == []
    broken.act = lambda folder: None
    assert build(tmp_path, item(done), item(broken)).keys() == {"bin/etcd", "bin/runc"}
    assert (done.made, broken.made) == (1, 2)


def test_a_build_that_was_killed_starts_its_item_anew(tmp_path: Path) -> None:
    """What it left in the cache does not get into the new one."""
    left = tmp_path / "tmp" / "etcd" / "bin"
    left.mkdir(parents=True)
    (left / "rubbish").write_text("half a file")
    found: list[Path] = []
    build(tmp_path, item(Fake("etcd", ("bin/etcd",), act=lambda folder: found.extend(folder.iterdir()))))
    assert found == []


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    """Only that item; the others are not touched."""
    etcd, runc = Fake("etcd", ("bin/etcd",)), Fake("runc", ("bin/runc",))
    damaged = build(tmp_path, item(etcd), item(runc))["bin/etcd"]
    damaged.chmod(0o644)
    damaged.write_text("something else")
    assert build(tmp_path, item(etcd), item(runc))["bin/etcd"].read_text() == "etcd bin/etcd"
    assert (etcd.made, runc.made) == (2, 1)


def test_where_the_first_recipe_cannot_reach_its_source_the_next_is_used(tmp_path: Path) -> None:
    """It says why, and that it builds from source instead."""
    official = Fake("official", ("bin/etcd",), act=fail(SourceUnreachableError("no way")))
    source, events = Fake("source", ("bin/etcd",)), list[BuildEvent]()
    assert build(tmp_path, item(official, source), events=events)["bin/etcd"].read_text() == "source bin/etcd"
    assert [event.detail for event in events if event.kind == "fallback"] == ["no way; built from source instead"]


def test_a_digest_that_is_wrong_is_no_reason_for_another_source(tmp_path: Path) -> None:
    """It stops the build: somebody may be in between."""
    official, source = Fake("official", ("bin/etcd",), act=fail(BundleError("wrong"))), Fake("source", ("bin/etcd",))
    with pytest.raises(BundleError, match="wrong"):
        build(tmp_path, item(official, source))
    assert source.made == 0


def test_the_last_source_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    """As it is."""
    with pytest.raises(SourceUnreachableError, match="no way"):
        build(tmp_path, item(Fake("official", ("bin/etcd",), act=fail(SourceUnreachableError("no way")))))


def test_two_at_a_time_build_an_item_once(tmp_path: Path) -> None:
    """The second waits, says so, and takes what the first made."""
    begun, waited, events = threading.Event(), threading.Event(), list[BuildEvent]()

    def act(folder: Path) -> None:
        begun.set()
        assert waited.wait(30)

    def tell(event: BuildEvent) -> None:
        events.append(event)
        if event.kind == "waiting":
            waited.set()

    recipe = Fake("etcd", ("bin/etcd",), act=act)
    first = threading.Thread(target=build, args=(tmp_path, item(recipe)))
    first.start()
    assert begun.wait(30)
    Builder(tmp_path, tell).run([item(recipe)])
    first.join()
    assert recipe.made == 1
    assert [event.kind for event in events] == ["waiting"]


def test_what_is_made_of_a_changed_output_is_made_again(tmp_path: Path) -> None:
    """An image of a new program is a new image."""

    class Image(Fake):
        def key(self, made: Made) -> str:
            return f"image of {made['parts/x'].name}"

    image = Image("image", ("images/x.tar",))
    for program in ("one", "two", "one"):
        build(tmp_path, item(Fake(program, ("parts/x",))), item(image, needs=("parts/x",)))
    assert image.made == 2


def test_what_is_left_is_estimated_from_what_was_done(tmp_path: Path) -> None:
    """A machine of half the speed needs twice as long for the rest."""
    clock, events = [0.0], list[BuildEvent]()
    slow, rest = Fake("kubernetes", ("bin/k",), takes=200, clock=clock), Fake("etcd", ("bin/etcd",), clock=clock)
    build(tmp_path, item(slow, seconds=100), item(rest, seconds=60), events=events, clock=clock)
    told = [(e.kind, e.title, e.number, e.of, e.elapsed_s, e.remaining_s) for e in events]
    assert told == [
        ("started", "kubernetes", 1, 2, 0, 160),
        ("progress", "kubernetes", 1, 2, 0, 110),
        ("done", "kubernetes", 1, 2, 200, 120),
        ("started", "etcd", 2, 2, 200, 120),
        ("progress", "etcd", 2, 2, 200, 60),
        ("done", "etcd", 2, 2, 200, 0),
    ]
