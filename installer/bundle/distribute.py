"""Brings a bundle to the hosts of a region: sent to one of them, from there on handed from host to host."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Final

from installer.bundle import transfer
from installer.bundle.bundle import Artefact, Bundle
from installer.bundle.upload import Lacking, Pace, Paced, Patience, Stream
from installer.core import layout
from installer.core.clock import Clock, SystemClock
from installer.core.errors import BundleError, InstallerError, RetryableError
from installer.transport.connection import Connection, Event
from installer.transport.fleet import fan_out

PORT: Final = 7444  # TCP, between the hosts of a region, only while a bundle is handed on
_AT_ONCE: Final = 32
_TRIES: Final = 2  # of each host, the second time from another one
_UNIT: Final = "moorage-transfer.service"
_SECRETS: Final = "/run/moorage/transfer.json"
_PROGRAM: Final = f"{layout.BIN}/moorage-host"
_FETCH_TIMEOUT_S: Final = 3600.0
_SEND_TIMEOUT_S: Final = 6 * 3600.0  # a link of 1 Mbit/s takes three; one that is dead is noticed by its keepalive
_EXECUTABLE: Final = 0o555

_SURVEY: Final = f"""set -eu
mkdir -p {layout.STORE} {layout.RELEASES}
cd {layout.STORE}
while read -r sha256 size; do
  if [ -f "$sha256" ] && [ "$(stat -c %s "$sha256")" = "$size" ]; then continue; fi
  have=0
  if [ -f "$sha256.part" ]; then have=$(stat -c %s "$sha256.part"); fi
  printf '\\036{{{{"lacks":"%s","have":%s}}}}\\n' "$sha256" "$have"
done
if [ -d {layout.RELEASES}/{{digest}} ]; then printf '\\036{{{{"release":"%s"}}}}\\n' {{digest}}; fi
"""
_RECEIVE: Final = f"{{program}} receive --store={layout.STORE}\n"
# Nothing of a transfer stays: the manifest goes with the script, the secrets as soon as they are read.
_FETCH: Final = f"""set -eu
folder=$(mktemp -d /run/moorage-fetch.XXXXXX)
trap 'rm -rf "$folder"' EXIT
head -c {{size}} >"$folder/manifest.json"
{{program}} fetch {{source}} --store={layout.STORE} --releases={layout.RELEASES} --manifest="$folder/manifest.json"
"""
_SERVE: Final = f"""set -eu
systemctl stop {_UNIT} 2>/dev/null || true
mkdir -p /run/moorage
(umask 077; cat >{_SECRETS})
trap 'rm -f {_SECRETS}' EXIT
systemd-run --quiet --collect --unit={_UNIT} --property=RuntimeMaxSec=6h \
  {{program}} serve --listen=:{PORT} --store={layout.STORE} --secrets={_SECRETS} --idle-timeout=10m
for _ in $(seq 100); do
  if ss -Hltn 'sport = :{PORT}' | grep -q .; then exit 0; fi
  systemctl is-active --quiet {_UNIT} || break
  sleep 0.1
done
journalctl --unit={_UNIT} --lines=5 --output=cat 2>/dev/null || true
echo "{_UNIT} does not listen on port {PORT}" >&2
exit 1
"""
_STOP: Final = f"systemctl stop {_UNIT} 2>/dev/null || true\nrm -f {_SECRETS}\n"

OnProgress = Callable[[str], None]


def distribute(
    bundle: Bundle,
    addresses: Mapping[str, str],
    connect: Callable[[str], Connection],
    on_progress: OnProgress,
    *,
    bytes_per_s: float | None = None,
    clock: Clock | None = None,
) -> None:
    """Every host ends with the files of `bundle` in its store, compared with their digests, and its release laid out.

    `addresses`: of the hosts, by name, as they reach each other; `connect`: a live connection to one of them;
    `bytes_per_s`: what the link to all of them together may be used for. A host that has the release already only hands
    it on; of what a host has, nothing is sent again, not even where the link breaks in the middle of a file. Raises the
    error of the host that failed, or a BundleError that names all of them; the others have the bundle then.
    """
    if addresses:
        pace = Pace(bytes_per_s, clock or SystemClock())
        _Transfer(bundle, addresses, connect, on_progress, pace).run()


@dataclass
class _Seen:
    """What a host has of the bundle."""

    lacks: list[Lacking] = field(default_factory=list)
    release: bool = False  # it was laid out, which happens once every file is there and right


@dataclass
class _Waiting:
    """A host that has not got the bundle yet."""

    name: str
    tries: int = 0


class _Transfer:
    """One distribution: a first host, then every host that has the bundle hands it to one that has not."""

    def __init__(
        self,
        bundle: Bundle,
        addresses: Mapping[str, str],
        connect: Callable[[str], Connection],
        on_progress: OnProgress,
        pace: Pace,
    ) -> None:
        self._bundle = bundle
        self._addresses = addresses
        self._connect = connect
        self._pace = pace
        self._files = {artefact.sha256: artefact for artefact in bundle.artefacts}
        self._program = next(a.sha256 for a in bundle.artefacts if a.path == _PROGRAM)
        self._secrets = transfer.new_secrets()
        self._serving: set[str] = set()
        self._to_stop: set[str] = set()
        self._failed: dict[str, InstallerError] = {}
        self._told = threading.Lock()
        self._on_progress = on_progress

    def run(self) -> None:
        found = self._survey()
        whole = [name for name, seen in found.items() if seen.release and not seen.lacks]
        waiting = {name: seen.lacks for name, seen in found.items() if name not in whole}
        try:
            if not whole:
                whole = self._first(waiting)
            if whole:
                self._hand_on(whole, {n: lacks for n, lacks in waiting.items() if n not in {*whole, *self._failed}})
        finally:
            self._stop_serving()
        self._raise_failures()

    def _survey(self) -> dict[str, _Seen]:
        """What each host has, by the sizes of its files; hosts that cannot be asked have failed."""
        seen: dict[str, _Seen] = {}
        for name, result in fan_out(list(self._addresses), self._look, at_once=_AT_ONCE).items():
            if isinstance(result, InstallerError):
                self._failed[name] = result
            else:
                seen[name] = result
        return seen

    def _look(self, name: str) -> _Seen:
        wanted = "".join(f"{artefact.sha256} {artefact.size}\n" for artefact in self._files.values())
        seen = _Seen()

        def note(event: Event) -> None:
            if "lacks" in event:
                artefact, have = self._files[str(event["lacks"])], int(event["have"])
                seen.lacks.append(Lacking(artefact, have if have <= artefact.size else 0))
            seen.release = seen.release or "release" in event

        script = _SURVEY.format(digest=self._bundle.digest)
        self._connect(name).run(script, payload=wanted.encode(), on_event=note, step="look for the bundle")
        return seen

    def _first(self, waiting: Mapping[str, list[Lacking]]) -> list[str]:
        """Complete the host that lacks least; another one where that fails. Empty: none could be completed."""
        for name in sorted(waiting, key=lambda name: _bytes(waiting[name])):
            try:
                self._complete(name, waiting[name])
            except InstallerError as exc:
                self._failed[name] = exc
            else:
                return [name]
        return []

    def _complete(self, name: str, lacks: Sequence[Lacking]) -> None:
        """Send what a host lacks; where the link breaks, the rest of it over the next one."""
        patience = Patience(self._pace.clock, lambda text: self._tell(name, text))
        mended = False  # what was there and not right: the host has removed it, and it is sent once more
        left: Sequence[Lacking] | None = lacks
        while True:
            try:
                left = self._look(name).lacks if left is None else left
                patience.saw(_bytes(left))
                self._upload(name, left)
                self._fetch(name, None)
            except RetryableError as exc:
                patience.wait(exc)
                left = None
            except InstallerError:
                left = self._look(name).lacks
                if mended or not left:
                    raise
                mended = True
            else:
                return

    def _upload(self, name: str, files: Sequence[Lacking]) -> None:
        """The program first, by itself; it then takes all others from one stream, and compares each as it arrives."""
        total = sum(artefact.size for artefact in self._files.values())
        there = total - _bytes(files)
        others = [lacking for lacking in files if lacking.artefact.sha256 != self._program]

        def sent(artefact: Artefact, size: int) -> None:
            self._tell(name, f"sending {artefact.path}, {(there + size) / 1e6:.0f} of {total / 1e6:.0f} MB are there")

        if len(others) < len(files):
            program = self._files[self._program]
            sent(program, 0)
            self._put(name, program)
            there = total - _bytes(others)
        if others:
            stream = Stream(others, lambda one: self._bundle.store.path(one.sha256).open("rb"), self._pace, sent)
            script = _RECEIVE.format(program=self._path_of_program)
            self._connect(name).run(script, payload=stream, step="send the bundle", timeout_s=_SEND_TIMEOUT_S)

    def _put(self, name: str, artefact: Artefact) -> None:
        with self._bundle.store.path(artefact.sha256).open("rb") as source:
            path = f"{layout.STORE}/{artefact.sha256}"
            self._connect(name).put(Paced(source, self._pace), path, sha256=artefact.sha256, mode=_EXECUTABLE)

    def _hand_on(self, whole: list[str], lacking: Mapping[str, list[Lacking]]) -> None:
        """Each host that has the bundle serves one host at a time, so that their number doubles in each round."""
        idle, waiting = deque(whole), deque(_Waiting(name) for name in lacking)
        running: dict[Future[None], tuple[_Waiting, str]] = {}
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            while waiting or running:
                while waiting and idle and len(running) < _AT_ONCE:
                    host, server = waiting.popleft(), idle.popleft()
                    running[pool.submit(self._bring, host.name, server, lacking[host.name])] = host, server
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    host, server = running.pop(future)
                    again = self._ended(future, host)
                    idle.append(server)  # at the end: a second try is another one's turn, where there is another
                    if again:
                        waiting.append(host)
                    elif host.name not in self._failed:
                        idle.append(host.name)

    def _ended(self, future: Future[None], host: _Waiting) -> bool:
        """Whether the host is to be tried again; what is no InstallerError is a fault of ours and goes on up."""
        try:
            future.result()
        except InstallerError as exc:
            host.tries += 1
            if host.tries < _TRIES:
                return True
            self._failed[host.name] = exc
        return False

    def _bring(self, name: str, server: str, lacks: Sequence[Lacking]) -> None:
        self._serve(server)
        if any(lacking.artefact.sha256 == self._program for lacking in lacks):
            self._put(name, self._files[self._program])
        self._fetch(name, server)

    def _serve(self, name: str) -> None:
        """Let a host serve; one host is never given to two at a time, so nothing races for it."""
        if name in self._serving:
            return
        self._to_stop.add(name)
        self._connect(name).run(
            _SERVE.format(program=self._path_of_program),
            payload=self._secrets.of_server,
            step="hand the bundle on",
            timeout_s=60,
        )
        self._serving.add(name)

    def _fetch(self, name: str, server: str | None) -> None:
        """Bring what is lacking from `server`, check everything, and lay the release out."""
        manifest = self._bundle.manifest.encode()
        source = "" if server is None else f"--from=https://{self._addresses[server]}:{PORT} --secrets=-"
        script = _FETCH.format(size=len(manifest), program=self._path_of_program, source=source)

        def note(event: Event) -> None:
            done, total = float(event["done"]), float(event["total"])
            self._tell(
                name, f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" + (f", from {server}" if server else ", checked")
            )

        try:
            self._connect(name).run(
                script,
                payload=manifest + self._secrets.of_client,
                on_event=note,
                step="bring the bundle",
                timeout_s=_FETCH_TIMEOUT_S,
            )
        except InstallerError as exc:
            if server is not None and not exc.hint:
                exc.hint = (
                    f"hosts of a region reach each other on TCP port {PORT}; is a firewall between {server} and it?"
                )
            raise

    @property
    def _path_of_program(self) -> str:
        return f"{layout.STORE}/{self._program}"

    def _stop_serving(self) -> None:
        for name, result in fan_out(sorted(self._to_stop), self._stop).items():
            if isinstance(result, InstallerError):
                self._tell(name, f"it stops serving the bundle by itself in 10 minutes: {result}")

    def _stop(self, name: str) -> None:
        self._connect(name).run(_STOP, step="stop handing the bundle on", timeout_s=60)

    def _tell(self, host: str, text: str) -> None:
        with self._told:
            self._on_progress(f"{host}: {text}")

    def _raise_failures(self) -> None:
        if not self._failed:
            return
        for name, error in self._failed.items():
            error.with_place(host=name)
        if len(self._failed) == 1:
            raise next(iter(self._failed.values()))
        raise BundleError(
            f"{len(self._failed)} of {len(self._addresses)} hosts did not get the bundle",
            last_lines=[line for error in self._failed.values() for line in error.explain().splitlines()],
            hint="repeat the command: what arrived is not sent again",
        )


def _bytes(files: Sequence[Lacking]) -> int:
    """All that is to be sent."""
    return sum(lacking.left for lacking in files)
