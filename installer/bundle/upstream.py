"""Fetches official builds by URL, each checked by a pinned sha256; a transfer that broke off goes on later."""

from __future__ import annotations

import http.client
import re
import shutil
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from installer.bundle.components import Component
from installer.bundle.errors import SourceUnreachableError, UnpinnedError
from installer.bundle.recipe import Made, Progress, digest
from installer.bundle.store import digest_of
from installer.core import cache
from installer.core.errors import BundleError

Pins = Mapping[str, str]  # URL -> sha256

CHECKSUMS: Final = Path(__file__).parent / "checksums.txt"
_TIMEOUT_S: Final = 30.0
_TRIES: Final = 5
_CHUNK: Final = 1 << 18
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class UpstreamRecipe:
    """A component as its makers publish it."""

    component: Component
    downloads: tuple[tuple[str, str, tuple[str, ...]], ...]  # URL, sha256, the outputs in it

    def key(self, made: Made) -> str:
        return digest("upstream", [(sha256, outputs) for _, sha256, outputs in self.downloads])

    def make(self, folder: Path, made: Made, progress: Progress) -> None:
        for number, (url, sha256, outputs) in enumerate(self.downloads):
            progress(url, number / len(self.downloads))
            file = fetch(url, sha256, cache.root() / "downloads")
            for output in outputs:
                target = folder / output
                target.parent.mkdir(parents=True, exist_ok=True)
                _take(file, PurePosixPath(output).name, target)
            file.unlink()


def pins(file: Path = CHECKSUMS) -> Pins:
    """The digests of official builds that are known; lines of `sha256  URL`."""
    lines = file.read_text().splitlines() if file.exists() else []
    return {url: sha256 for sha256, url in (line.split() for line in lines if not line.startswith("#"))}


def urls(component: Component) -> dict[str, tuple[str, ...]]:
    """Where the official builds of a component are: URL -> the outputs in it."""
    if component.upstream is None:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for output in component.outputs:
        url = component.upstream.url.format(file=PurePosixPath(output).name)
        found[url] = (*found.get(url, ()), output)
    return found


def recipe(component: Component, known: Pins) -> UpstreamRecipe | None:
    """How to fetch `component`, or None where it has no official build or one without a known digest."""
    wanted = urls(component)
    if not wanted or not wanted.keys() <= known.keys():
        return None
    return UpstreamRecipe(component, tuple((url, known[url], outputs) for url, outputs in wanted.items()))


def require_pinned(components: Iterable[Component], known: Pins, release: str) -> None:
    """Raise UnpinnedError that names every official build whose digest is not known."""
    missing = [url for component in components for url in urls(component) if url not in known]
    if missing:
        raise UnpinnedError(
            f"release {release} has no known digest for {len(missing)} official builds",
            last_lines=missing,
            hint=f"`moorage bundle pin {release}` on a machine with internet, or `--source source`",
        )


def pin(components: Iterable[Component], file: Path = CHECKSUMS) -> tuple[str, ...]:
    """Fetch the digests that are missing from upstream's own checksum files and write them; returns the new URLs."""
    known = dict(pins(file))
    new: dict[str, str] = {}
    for component in components:
        for url in urls(component):
            if component.upstream is not None and url not in known:
                name = PurePosixPath(url).name
                source = component.upstream.checksums.format(file=name)
                new[url] = _checksum(_text(source), name, source)
    lines = sorted(f"{sha256}  {url}" for url, sha256 in (known | new).items())
    file.write_text("\n".join([_HEADER, *sorted(lines, key=lambda line: line.split()[1]), ""]))
    return tuple(new)


_HEADER: Final = "# sha256 and URL of official builds, as their makers state them; written by `moorage bundle pin`."


def fetch(url: str, sha256: str, folder: Path) -> Path:
    """The file at `url` once its digest is right; a transfer that broke off goes on where it stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{sha256}.part"
    for attempt in range(1, _TRIES + 1):
        try:
            _append(url, part)
            break
        except (OSError, http.client.HTTPException) as exc:  # URLError and timeouts are OSErrors
            if attempt == _TRIES or (isinstance(exc, urllib.error.HTTPError) and exc.code < _SERVER_FAULT):
                raise _unreachable(url, exc) from exc
            time.sleep(attempt * 0.2)
    found = digest_of(part)
    if found != sha256:
        part.unlink()
        raise BundleError(
            f"{url} has the digest {found}, not the pinned {sha256}",
            cause="a proxy in between answered in its place, or the file was replaced after it was published",
            hint="do not use it; `--source source` builds from Go modules instead",
        )
    return part


_SERVER_FAULT: Final = 500
_PARTIAL: Final = 206
_RANGE_PAST_END: Final = 416


def _append(url: str, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 (pinned)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 (pinned)
            expected = response.length
            with part.open("ab" if response.status == _PARTIAL else "wb") as out:
                shutil.copyfileobj(response, out, _CHUNK)
    except urllib.error.HTTPError as exc:
        if exc.code != _RANGE_PAST_END:
            raise
        return  # it is all here; its digest tells
    got = part.stat().st_size - (have if response.status == _PARTIAL else 0)
    if expected is not None and got < expected:
        raise http.client.IncompleteRead(b"", expected - got)


def _text(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:  # noqa: S310 (https in components.yaml)
            return str(response.read(1 << 20).decode())
    except (OSError, http.client.HTTPException, UnicodeDecodeError) as exc:
        raise _unreachable(url, exc) from exc


def _checksum(text: str, name: str, source: str) -> str:
    """The digest of the file `name` in the forms that are in use: one bare digest, or lines of digest and name."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    for words in lines:
        named = PurePosixPath(words[-1].lstrip("*")).name == name
        if _SHA256.fullmatch(words[0]) and (named or lines == [words[:1]]):
            return words[0]
    raise BundleError(
        f"{source} has no sha256 of {name}", hint="look at it, and give the digest in checksums.txt by hand"
    )


def _take(file: Path, name: str, target: Path) -> None:
    """Copy the program `name` out of an archive, or the file itself where it is none."""
    if not tarfile.is_tarfile(file):
        shutil.copyfile(file, target)
        return
    with tarfile.open(file) as tar:
        members: Sequence[tarfile.TarInfo] = [m for m in tar if m.isfile() and PurePosixPath(m.name).name == name]
        content = tar.extractfile(members[0]) if members else None
        if content is None:
            raise BundleError(f"the official archive {file.name} has no file {name}", hint="`--source source`")
        with target.open("wb") as out:
            shutil.copyfileobj(content, out, _CHUNK)


def _unreachable(url: str, exc: Exception) -> SourceUnreachableError:
    return SourceUnreachableError(
        f"cannot fetch {url}: {exc}",
        cause="no way to it from here, or a proxy is needed (HTTPS_PROXY)",
        hint="`--source source` builds from Go modules; `moorage bundle import FILE` takes a bundle made elsewhere",
    )
