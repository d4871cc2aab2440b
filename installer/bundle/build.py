"""Builds the bundle of a release: each item once, by whoever comes first, and nothing that is there already."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from installer.bundle import golang, images, python, upstream
from installer.bundle.bundle import Artefact, Bundle
from installer.bundle.components import PARTS, Component, components
from installer.bundle.errors import SourceUnreachableError, ToolMissingError
from installer.bundle.recipe import BuildEvent, Item, Made, Recipe
from installer.bundle.release import Release
from installer.bundle.store import Store, digest_of
from installer.core import cache as caching
from installer.core.errors import BundleError

SourceChoice = Literal["auto", "release", "source"]
OnEvent = Callable[[BuildEvent], None]
Kind = Literal["started", "progress", "waiting", "done", "fallback"]

# The speed of this machine is guessed only from work that the shipped figures say is not over in a blink.
_MEANINGFUL_SECONDS: Final = 20.0


def build(
    release: Release,
    *,
    arch: str = "amd64",
    source: SourceChoice = "auto",
    on_event: OnEvent = lambda event: None,
    cache: Path | None = None,
) -> Bundle:
    """The bundle of `release`, whole and verified; what is in the cache is used, what is damaged there made again."""
    root = cache or caching.root()
    sources = python.sources_digest()
    try:
        made = Builder(root, on_event).run(plan(release, arch=arch, source=source))
    except ToolMissingError:
        if imported := _whole(release, arch, root):  # nothing has to be built, so nothing is needed for it
            return imported
        raise
    artefacts = [
        Artefact(path, file.name, file.stat().st_size, images.reference(file) if path.startswith("images/") else "")
        for path, file in sorted(made.items())
        if not path.startswith(PARTS)
    ]
    bundle = Bundle(release.name, arch, tuple(artefacts), Store(root), sources)
    bundle.save()
    golang.discard_caches(root)
    return bundle


def _whole(release: Release, arch: str, root: Path) -> Bundle | None:
    try:
        bundle = Bundle.load(release.name, arch=arch, cache=root)
    except BundleError:
        return None
    return bundle if is_current(bundle) and not bundle.faults() else None


def is_current(bundle: Bundle) -> bool:
    """Whether the controller in `bundle` is of this Moorage; one of another may not understand what this one writes."""
    return bundle.sources == python.sources_digest()


def plan(release: Release, *, arch: str, source: SourceChoice) -> tuple[Item, ...]:
    """Every item of `release` in the order of building; raises UnpinnedError when `source` is release and it is not."""
    parts = components(release, arch=arch)
    pins = upstream.pins()
    if source == "release":
        upstream.require_pinned(parts, pins, release.name)
    return (*(_item(part, arch, source, pins) for part in parts), *images.items(release, arch=arch))


def _item(component: Component, arch: str, source: SourceChoice, pins: upstream.Pins) -> Item:
    from_source = golang.GoRecipe(component, arch)
    official = upstream.recipe(component, pins)
    choice: dict[SourceChoice, tuple[Recipe | None, ...]] = {
        "source": (from_source,),
        "release": (official or from_source,),  # our own programs have no official build
        "auto": (official, from_source),
    }
    recipes = tuple(recipe for recipe in choice[source] if recipe)
    return Item(title=component.title, outputs=component.outputs, seconds=component.seconds, recipes=recipes)


class Builder:
    """Makes items in the cache at `root`. Killed at any instant it loses only the item it was at."""

    def __init__(self, root: Path, on_event: OnEvent, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._store = Store(root)
        self._on_event = on_event
        self._clock = clock

    def run(self, items: Sequence[Item]) -> Made:
        """The outputs of all items, which come after those whose outputs they need."""
        made: dict[str, Path] = {}
        pending: list[Item] = []
        for item in items:
            found = self._found(item, made)
            made.update(found or {})
            if found is None:
                pending.append(item)
        tracker = _Tracker(pending, self._on_event, self._clock)
        for item in pending:
            made.update(self._made(item, made, tracker))
        return made

    def _found(self, item: Item, made: Made) -> Made | None:
        """What an earlier build of `item` left, or None when it is not there or not as it was."""
        if not set(item.needs) <= made.keys():
            return None
        records = (self._record(recipe.key(made)) for recipe in item.recipes)
        return next((self._intact(record) for record in records if record.is_file()), None)

    def _intact(self, record: Path) -> Made | None:
        outputs = {path: self._store.path(sha256) for path, sha256 in json.loads(record.read_text()).items()}
        with ThreadPoolExecutor() as pool:
            return outputs if all(pool.map(_intact, outputs.values())) else None

    def _made(self, item: Item, made: Made, tracker: _Tracker) -> Made:
        for recipe in item.recipes:
            key = recipe.key(made)
            with self._lock(key, lambda: tracker.tell("waiting", item, "another moorage builds it")):
                if found := self._found(item, made):
                    return found
                try:
                    tracker.start(item)
                    outputs = self._make(recipe, key, item, made, tracker)
                except SourceUnreachableError as exc:
                    if recipe is item.recipes[-1]:
                        raise
                    tracker.tell("fallback", item, f"{exc}; built from source instead")
                    continue
                tracker.done(item)
                return outputs
        raise AssertionError("an item has at least one recipe")

    def _make(self, recipe: Recipe, key: str, item: Item, made: Made, tracker: _Tracker) -> Made:
        folder = self._root / "tmp" / key
        shutil.rmtree(folder, ignore_errors=True)  # of a build that was killed
        folder.mkdir(parents=True)
        try:
            recipe.make(folder, made, lambda detail, share: tracker.tell("progress", item, detail, share))
            digests = {output: self._store.move_in(folder / output) for output in item.outputs}
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._store.write_text(self._record(key), json.dumps(digests, indent=1))
        return {output: self._store.path(sha256) for output, sha256 in digests.items()}

    def _record(self, key: str) -> Path:
        return self._root / "build" / f"{key}.json"

    @contextmanager
    def _lock(self, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        path = self._root / "locks" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


class _Tracker:
    """Turns what happens into events with an estimate of what is left."""

    def __init__(self, pending: Sequence[Item], on_event: OnEvent, clock: Callable[[], float]) -> None:
        self._pending = list(pending)
        self._on_event = on_event
        self._clock = clock
        self._started = self._item_started = clock()
        self._expected = self._taken = 0.0  # seconds, of what is done

    def start(self, item: Item) -> None:
        self._item_started = self._clock()
        self.tell("started", item)

    def done(self, item: Item) -> None:
        self._expected += item.seconds
        self._taken += self._clock() - self._item_started
        self.tell("done", item, share=1.0)

    def tell(self, kind: Kind, item: Item, detail: str = "", share: float = 0.0) -> None:
        at = self._pending.index(item)
        left = item.seconds * (1 - share) + sum(later.seconds for later in self._pending[at + 1 :])
        self._on_event(
            BuildEvent(
                kind=kind,
                title=item.title,
                number=at + 1,
                of=len(self._pending),
                elapsed_s=self._clock() - self._started,
                remaining_s=left * self._slowness,
                detail=detail,
            )
        )

    @property
    def _slowness(self) -> float:
        """How much longer things take here than the shipped figures say."""
        return self._taken / self._expected if self._expected >= _MEANINGFUL_SECONDS else 1.0


def _intact(file: Path) -> bool:
    return file.is_file() and digest_of(file) == file.name
