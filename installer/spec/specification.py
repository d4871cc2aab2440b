"""A whole specification: the documents of one file or directory, read, validated and checked against each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from installer.core.errors import SpecError
from installer.spec import checks, faults, inventory, source
from installer.spec.cluster import Cluster
from installer.spec.platform import Platform
from installer.spec.source import Document, Fault
from installer.spec.subject import Finding, Offer, Subject

_KINDS: dict[str, type[Platform] | type[Cluster]] = {"Platform": Platform, "Cluster": Cluster}
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, kw_only=True)
class Specification:
    """What a user wrote. `directory` is where it lies: files that it refers to are relative to that."""

    platform: Platform | None
    clusters: tuple[Cluster, ...]
    directory: Path
    sources: tuple[tuple[Platform | Cluster, Document], ...] = field(default=(), repr=False, compare=False)

    def with_release(self, release: str) -> Specification:
        """The same, but for the platform's release."""
        if self.platform is None:
            return self
        spec = self.platform.spec.model_copy(update={"release": release})
        platform = self.platform.model_copy(update={"spec": spec})
        sources = tuple((platform if model is self.platform else model, document) for model, document in self.sources)
        return replace(self, platform=platform, sources=sources)

    def place(self, finding: Finding) -> Fault:
        """The finding with the file and line that it is about."""
        for model, document in self.sources:
            if model is finding.document:
                return document.fault(finding.loc, finding.message)
        return Fault(
            f"{finding.document.kind} {finding.document.name}", 0, source.path_text(finding.loc), finding.message
        )


def load(path: Path, *, offer: Offer | None = None) -> Specification:
    """The specification in a file, or in the YAML files of a directory; with `offer`, versions are checked, too.

    Raises SpecError that lists every fault of every document.
    """
    documents, found = _read(path)
    spec, wrong = _assembled(documents, path if path.is_dir() else path.parent)
    found += wrong
    found += map(spec.place, checks.run(Subject(platform=spec.platform, clusters=spec.clusters, offer=offer)))
    if found:
        raise faults.spec_error(found)
    return spec


def write_release(spec: Specification, release: str) -> str:
    """Write another release into the file of the platform, and nothing else in it; returns the file's name.

    Raises SpecError where it cannot be written there in place.
    """
    return _write(next(document for model, document in spec.sources if model is spec.platform), ("release",), release)


def write_version(spec: Specification, cluster: str, version: str) -> str:
    """The same for the version of a cluster; returns an empty text where the specification has no such cluster."""
    for model, document in spec.sources:
        if isinstance(model, Cluster) and model.name == cluster:
            return "" if model.spec.version == version else _write(document, ("version",), version)
    return ""


def write_home(spec: Specification, cluster: str, region: str) -> str:
    """The same for the home of a cluster."""
    for model, document in spec.sources:
        if isinstance(model, Cluster) and model.name == cluster:
            there = model.spec.control_plane.region == region
            return "" if there else _write(document, ("controlPlane", "region"), region)
    return ""


def _write(document: Document, at: tuple[str, ...], value: str) -> str:
    """Another value at a path below a document's spec, in its file."""
    loc, key = ("spec", *at), at[-1]
    path, line = Path(document.file), document.line(loc) - 1
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    pattern = re.compile(rf"""(\b{key}["']?\s*:\s*)("[^"]*"|'[^']*'|[^\s,}}#]+)""")
    changed, count = pattern.subn(lambda found: f'{found[1]}"{value}"', lines[line], count=1)
    text = "".join([*lines[:line], changed, *lines[line + 1 :]])
    again, _ = source.parse(text, document.file)
    where = document.line(())
    if not count or not any(one.line(()) == where and _read_at(one.data, loc) == value for one in again):
        raise faults.spec_error([document.fault(loc, f'cannot be changed in place: write "{value}" there')])
    new = path.with_name(f"{path.name}.moorage-new")
    new.write_text(text, encoding="utf-8")
    new.chmod(path.stat().st_mode)
    new.replace(path)
    return document.file


def _read_at(data: object, loc: tuple[str, ...]) -> object:
    for key in loc:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def to_text(spec: Specification) -> str:
    """The documents as text for `load_text`: kept of what was applied, to be compared with what is to come."""
    documents = [document for document in (spec.platform, *spec.clusters) if document is not None]
    return "---\n".join(f"{document.model_dump_json(by_alias=True)}\n" for document in documents)


def load_text(text: str, *, directory: Path) -> Specification:
    """What `to_text` wrote, not checked again; raises SpecError where a newer version wrote something else."""
    documents, found = source.parse(text, "the specification that was applied last")
    spec, wrong = _assembled(documents, directory)
    if found or wrong:
        raise faults.spec_error([*found, *wrong])
    return spec


def _assembled(documents: Sequence[Document], directory: Path) -> tuple[Specification, list[Fault]]:
    """All documents that are valid by themselves, and what is wrong with the others."""
    found: list[Fault] = []
    parsed: list[tuple[Platform | Cluster, Document]] = []
    for written in documents:
        document, unread = inventory.expand(written, directory)
        model, wrong = _validate(document) if not unread else (None, ())
        found += [*unread, *wrong]
        if model is not None:
            parsed.append((model, document))
    spec = Specification(
        platform=next((model for model, _ in parsed if isinstance(model, Platform)), None),
        clusters=tuple(model for model, _ in parsed if isinstance(model, Cluster)),
        directory=directory,
        sources=tuple(parsed),
    )
    return spec, [*found, *_second_platforms(parsed)]


def _read(path: Path) -> tuple[list[Document], list[Fault]]:
    documents: list[Document] = []
    found: list[Fault] = []
    for file in _files(path):
        read, wrong = source.read(file)
        documents += read
        found += wrong
    if not documents and not found:
        found.append(Fault(str(path), 1, "", "holds no document"))
    return documents, found


def _files(path: Path) -> Sequence[Path]:
    if not path.exists():
        hint = "`moorage init` writes one; `-f FILE_OR_DIR` names another"
        raise SpecError(f"there is no specification at {path}", hint=hint)
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())


def _validate(document: Document) -> tuple[Platform | Cluster | None, Sequence[Fault]]:
    data = document.data
    if not isinstance(data, dict):
        return None, [document.fault((), "must be a mapping of keys to values")]
    kind = data.get("kind")
    if isinstance(kind, str) and kind in _KINDS:
        return faults.validate(_KINDS[kind], document)
    guess = faults.did_you_mean(kind, _KINDS) if isinstance(kind, str) else ""
    return None, [document.fault(("kind",), f"must be Platform or Cluster{guess}")]


def _second_platforms(parsed: Sequence[tuple[Platform | Cluster, Document]]) -> Iterable[Fault]:
    platforms = [document for model, document in parsed if isinstance(model, Platform)]
    for document in platforms[1:]:
        first = platforms[0]
        yield document.fault((), f"a second platform; the first is at {first.file}:{first.line(())}")
