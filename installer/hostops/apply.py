"""Changes to a host compiled to one script and carried out in one round trip."""

from __future__ import annotations

import io
import json
import shlex
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from installer.core import layout
from installer.hostops.diff import Act, HostChange, started_on
from installer.hostops.facts import HostFacts, Manifest
from installer.hostops.state import File, HostState
from installer.transport.connection import EVENT_MARK, Connection, Event, ignore_event

_NEW = ".moorage-new"  # beside the file it will replace, so that the replacement is one rename

# Process 0 is none; systemd ends what does not end by itself after TimeoutStopSec.
_UNTIL_GONE = 'while [ "$pid" -gt 0 ] && [ -d "/proc/$pid" ]; do sleep 0.1; done'
_PROLOGUE = f"set -eu\nmkdir -p {layout.STATE}\n"


def apply(
    connection: Connection,
    wanted: HostState,
    seen: HostFacts,
    todo: Sequence[HostChange],
    *,
    later: Sequence[HostChange] = (),
    release: str = "",
    on_event: Callable[[Event], None] = ignore_event,
) -> None:
    """Carry out `todo`, made by `diff.changes(wanted, seen)`. Killed anywhere, a new look finds what is left to do.

    The manifest is written before the first change, naming all that will be there, and after the last one. `later`:
    units that another call is going to start; until then they count as not started. `release`: see `settle`; given
    where nothing depends on the host yet.
    """
    if todo:
        script, content = compile_script(wanted, seen, todo), payload(wanted, seen, todo, later, release)
        connection.run(script, payload=content, on_event=on_event)


def settle(connection: Connection, seen: HostFacts, release: str) -> None:
    """Note that the host runs from the bundle with the digest `release`, and was seen to be whole on it."""
    if seen.manifest.release == release:
        return
    text = settled(seen.manifest, release).to_json()
    manifest = shlex.quote(layout.MANIFEST)
    script = f"set -eu\numask 077\ncat >{manifest}{_NEW}\nsync -d {manifest}{_NEW}\nmv -f {manifest}{_NEW} {manifest}\n"
    connection.run(script, payload=text.encode(), step="note the release")


def settled(manifest: Manifest, release: str) -> Manifest:
    """A manifest once its host is whole on `release`; one that is back on what it had can go back no further."""
    previous = "" if release == manifest.previous else manifest.release
    return replace(manifest, release=release, previous=previous)


def compile_script(wanted: HostState, seen: HostFacts, todo: Sequence[HostChange]) -> str:
    """The whole script; file contents are not in it but in `payload`."""
    lines = list(_statements(wanted, todo))
    before, after = (_NEW + ".before", _NEW + ".after")
    manifest = shlex.quote(layout.MANIFEST)
    return "\n".join(
        [
            _PROLOGUE + _step("receive files"),
            "tar -x -p -C / -f -",
            f"mv -f {manifest}{before} {manifest}",
            *lines,
            f"mv -f {manifest}{after} {manifest}",
            "",
        ]
    )


def payload(
    wanted: HostState,
    seen: HostFacts,
    todo: Sequence[HostChange],
    later: Sequence[HostChange] = (),
    release: str = "",
) -> bytes:
    """A tar of the new files under temporary names, with their final owner and mode, and of both manifests."""
    files = {file.path: file for file in wanted.files}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for change in todo:
            if change.act is Act.WRITE and files[change.subject].content is not None:
                _add(tar, replace(files[change.subject], path=change.subject + _NEW))
        before, after = _before(wanted, seen, (*todo, *later)), _after(wanted, seen, later)
        after = replace(after, release=release or after.release)
        for suffix, manifest in ((".before", before), (".after", after)):
            _add(tar, File(layout.MANIFEST + _NEW + suffix, manifest.to_json(), 0o600))
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, file: File) -> None:
    info = tarfile.TarInfo(file.path.lstrip("/"))
    info.size, info.mode = len(file.data), file.mode
    tar.addfile(info, io.BytesIO(file.data))


def _after(wanted: HostState, seen: HostFacts, later: Sequence[HostChange] = ()) -> Manifest:
    kept = {path: found.sha256 for path, found in seen.files.items()}
    pending = {change.subject for change in later}
    return replace(
        seen.manifest,
        files={file.path: file.sha256 or kept.get(file.path, "") for file in wanted.files},
        links={link.path: link.target for link in wanted.links},
        units={unit.name: "" if unit.name in pending else started_on(unit, wanted, seen) for unit in wanted.units},
        cluster=wanted.cluster,
    )


def _before(wanted: HostState, seen: HostFacts, todo: Sequence[HostChange]) -> Manifest:
    """All that is here or will be; units that are about to be started count as not started."""
    after, old = _after(wanted, seen), seen.manifest
    pending = {change.subject for change in todo if change.act in (Act.START, Act.RESTART)}
    known = {name: digest for name, digest in old.units.items() if name not in pending}
    return replace(
        old,
        cluster=after.cluster,
        files={**after.files, **old.files},
        links={**after.links, **old.links},
        units={**dict.fromkeys(after.units, ""), **known},
    )


def _statements(wanted: HostState, todo: Sequence[HostChange]) -> Iterator[str]:
    modes = {directory.path: directory.mode for directory in wanted.directories}
    targets = {link.path: link.target for link in wanted.links}
    values = {setting.key: setting.value for setting in wanted.sysctls}
    modes_of_files = {file.path: file.mode for file in wanted.files}
    for change in todo:
        name = shlex.quote(change.subject)
        match change.act:
            case Act.STOP:
                yield _step(str(change))
                yield f"systemctl disable --now --quiet {name} || systemctl stop {name}"
            case Act.REMOVE:
                yield f"rm -f {name}"
            case Act.MAKE_DIRECTORY:
                yield f"mkdir -p {name} && chmod {modes[change.subject]:o} {name} && chown 0:0 {name}"
            case Act.LOAD_MODULE:
                yield _step(str(change))
                yield f"modprobe {name}"
            case Act.SET:
                yield _step(str(change))
                yield f"sysctl -q -w {shlex.quote(f'{change.subject}={values[change.subject]}')}"
            case Act.WRITE:
                new = shlex.quote(change.subject + _NEW)
                yield f"if [ -e {new} ]; then mv -f {new} {name}; fi"
                yield f"chown 0:0 {name} && chmod {modes_of_files[change.subject]:o} {name}"
            case Act.LINK:
                new = shlex.quote(change.subject + _NEW)
                yield f"ln -sfn {shlex.quote(targets[change.subject])} {new} && mv -fT {new} {name}"
            case _:
                continue  # units follow, all at once
    yield from _unit_statements(todo)


def _unit_statements(todo: Sequence[HostChange]) -> Iterator[str]:
    """One reload and one call for all units: they are started side by side and find each other by trying."""
    starting = [change for change in todo if change.act in (Act.START, Act.RESTART)]
    enabled = [change.subject for change in todo if change.act in (Act.START, Act.RESTART, Act.ENABLE)]
    written = any(change.act in (Act.WRITE, Act.REMOVE) and change.subject.startswith(layout.UNITS) for change in todo)
    # Also where only units are started: a run that was killed may have written them, and systemd not have read them.
    if written or enabled:
        yield _step("read the units")
        yield "systemctl daemon-reload"
    if enabled:
        yield "systemctl enable --quiet --no-reload " + shlex.join(enabled)
    if starting:
        names = shlex.join(change.subject for change in starting)
        yield _step("start " + ", ".join(change.subject.removesuffix(".service") for change in starting))
        yield f"systemctl reset-failed {names} 2>/dev/null || true"
        yield f"old=$(systemctl show --property MainPID --value {names})"
        yield f"systemctl restart --no-block {names}"
        # Whoever asks next whether a service answers must not be answered by the process that is about to end.
        yield f"for pid in $old; do {_UNTIL_GONE}; done"


def _step(title: str) -> str:
    event = EVENT_MARK + json.dumps({"step": title})
    return f"printf '%s\\n' {shlex.quote(event)}"
