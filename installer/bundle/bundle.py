"""A bundle: the built artefacts of a release for one architecture, as a manifest over the store."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from installer.bundle.release import Release, load_release
from installer.bundle.store import Store, digest_of
from installer.core import cache as caching
from installer.core.errors import BundleError

FORMAT = 1
_MANIFEST = "manifest.json"


@dataclass(frozen=True, order=True)
class Artefact:
    """One file of a bundle; `image` is the reference under which an image is known once imported."""

    path: str  # inside the release's directory on a host
    sha256: str
    size: int  # bytes
    image: str = ""


@dataclass(frozen=True)
class Bundle:
    """What a release consists of on disk. Equal content has an equal digest, wherever it was made."""

    release: str
    arch: str
    artefacts: tuple[Artefact, ...]
    store: Store
    sources: str = ""  # digest of our own modules in it

    @classmethod
    def load(cls, release: str, *, arch: str = "amd64", cache: Path | None = None) -> Bundle:
        """The bundle that was built, or imported, for `release`; raises BundleError when there is none."""
        root = cache or caching.root()
        file = manifest_path(root, release, arch)
        try:
            return cls.from_json(file.read_text(), Store(root))
        except FileNotFoundError:
            raise BundleError(
                f"there is no bundle of release {release} for {arch} here",
                hint=f"`moorage bundle build {release} --arch {arch}`, or `moorage bundle import FILE`",
            ) from None

    @classmethod
    def from_json(cls, text: str, store: Store) -> Bundle:
        """A manifest read back; raises BundleError when it is none of ours."""
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise BundleError(f"bundle format {data['format']} is not known", hint="use a newer moorage")
            artefacts = tuple(Artefact(**entry) for entry in data["artefacts"])
            return cls(data["release"], data["arch"], artefacts, store, data["sources"])
        except (ValueError, KeyError, TypeError) as exc:
            raise BundleError("the bundle's manifest is damaged", hint="build or import the bundle again") from exc

    @property
    def manifest(self) -> str:
        """The canonical manifest, which the digest is taken of."""
        entries: list[dict[str, Any]] = [vars(artefact) for artefact in sorted(self.artefacts)]
        document = {
            "format": FORMAT,
            "release": self.release,
            "arch": self.arch,
            "sources": self.sources,
            "artefacts": entries,
        }
        return json.dumps(document, indent=1, sort_keys=True) + "\n"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.manifest.encode()).hexdigest()

    @property
    def info(self) -> Release:
        """The release it was made from."""
        return load_release(self.release)

    def path(self, name: str) -> Path:
        """The file of an artefact on this machine; raises KeyError."""
        return self.store.path(self._artefact(name).sha256)

    def sha256(self, name: str) -> str:
        """The digest of an artefact's file; raises KeyError."""
        return self._artefact(name).sha256

    def image(self, name: str) -> str:
        """The reference of the image `name`; raises KeyError."""
        return self._artefact(f"images/{name}.tar").image

    @property
    def images(self) -> dict[str, str]:
        """All images: name -> reference."""
        return {Path(a.path).stem: a.image for a in self.artefacts if a.image}

    def faults(self) -> tuple[str, ...]:
        """A line for each artefact that is missing or damaged; every byte is read."""
        return tuple(self._faults())

    def lacking(self) -> tuple[str, ...]:
        """The paths of artefacts that are missing, or of another size: a look that reads no file."""
        files = {a.path: self.store.path(a.sha256) for a in self.artefacts}
        return tuple(a.path for a in self.artefacts if not _has_size(files[a.path], a.size))

    def save(self) -> None:
        """Make this the bundle of its release on this machine."""
        self.store.write_text(manifest_path(self.store.root, self.release, self.arch), self.manifest)

    def _faults(self) -> Iterator[str]:
        for artefact in self.artefacts:
            file = self.store.path(artefact.sha256)
            if not file.is_file():
                yield f"{artefact.path}: missing"
            elif file.stat().st_size != artefact.size or digest_of(file) != artefact.sha256:
                yield f"{artefact.path}: damaged ({file})"

    def _artefact(self, path: str) -> Artefact:
        return next(a for a in self.artefacts if a.path == path)


def _has_size(file: Path, size: int) -> bool:
    return file.is_file() and file.stat().st_size == size


def manifest_path(root: Path, release: str, arch: str) -> Path:
    """Where the manifest of a release's bundle lies."""
    return root / "bundles" / f"{release}-{arch}.json"


def verify(bundle: Bundle) -> None:
    """Raise BundleError that names every missing or damaged artefact."""
    if faults := bundle.faults():
        raise BundleError(
            f"the bundle of release {bundle.release} is not whole: {len(faults)} of {len(bundle.artefacts)} artefacts",
            last_lines=faults,
            hint=f"`moorage bundle build {bundle.release}` makes the missing ones again",
        )


def discard_damaged(bundle: Bundle) -> Sequence[str]:
    """Remove damaged files from the store, so that they are made again; returns their paths in the bundle."""
    damaged = [a for a in bundle.artefacts if (f := bundle.store.path(a.sha256)).is_file() and digest_of(f) != a.sha256]
    for artefact in damaged:
        bundle.store.path(artefact.sha256).unlink()
    return [artefact.path for artefact in damaged]


def export(bundle: Bundle, target: Path) -> None:
    """Write a verified bundle as one tar file, to be carried to where there is no internet."""
    verify(bundle)
    new = target.with_name(target.name + ".part")
    with tarfile.open(new, "w") as tar:
        _add(tar, _MANIFEST, bundle.manifest.encode())
        for sha256 in sorted({artefact.sha256 for artefact in bundle.artefacts}):
            tar.add(bundle.store.path(sha256), arcname=f"store/{sha256}", filter=_anonymous)
    new.replace(target)


def import_(source: Path, *, cache: Path | None = None) -> Bundle:
    """Take an exported bundle in, each file checked while it is read; raises BundleError."""
    store = Store(cache or caching.root())
    try:
        with tarfile.open(source) as tar:
            first = tar.next()
            stream = tar.extractfile(first) if first is not None and first.name == _MANIFEST else None
            if stream is None:
                raise BundleError(f"{source} is no exported bundle", hint="`moorage bundle export` writes one")
            bundle = Bundle.from_json(stream.read().decode(), store)
            wanted = {artefact.sha256 for artefact in bundle.artefacts}
            for member in tar:
                sha256 = member.name.removeprefix("store/")
                content = tar.extractfile(member)
                if sha256 in wanted and content is not None:
                    store.add(content, expected=sha256)  # type: ignore[arg-type]  # a reader, which is all add needs
    except (tarfile.TarError, OSError, EOFError) as exc:
        raise BundleError(f"cannot read {source}: {exc}", hint="copy the file again and compare its size") from exc
    verify(bundle)
    bundle.save()
    return bundle


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info
