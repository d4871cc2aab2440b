"""How a host reaches others: which of their TCP ports, and how long a packet takes there and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from installer.spec.base import Role
from installer.transport.connection import Connection

_TIMEOUT_S: Final = 3
_NEAR: Final = 31  # others of its own region that a host tries, where the host before it has stopped
_FAR: Final = 3  # of each other region, besides its managers
_HEADERS: Final = 28  # of a ping: IPv4 and ICMP
SMALLER: Final = (1400, 1350, 1280)  # bytes of packets that are tried where larger ones do not pass
# A line for each port: the attempt's status, what bash said of it, and the microseconds that it took. bash connects by
# itself: the start of a program would be measured, too. And one for each size: the largest packet that passed whole.
_SCRIPT: Final = f"""LC_ALL=C
export LC_ALL
probe='start=${{EPOCHREALTIME/./}}
{{ :; }} 3<>"/dev/tcp/$1/$2"
status=$?
end=${{EPOCHREALTIME/./}}
echo "took $((end - start))"
exit $status'
echoed() {{ ping -nq -c 2 -i 0.3 -W 1 "$@" >/dev/null 2>&1; }}
largest() {{
  for size in "$2" {" ".join(map(str, SMALLER))}; do
    if [ "$size" -le "$2" ] && echoed -M do -s $((size - {_HEADERS})) "$1"; then echo "$size"; return; fi
  done
  echo 0
}}
can_tell=no
case $(ping -V 2>/dev/null) in *iputils*) can_tell=yes ;; esac
while read -r kind name address number; do
  if [ "$kind" = port ]; then
    (said=$(timeout {_TIMEOUT_S} bash -c "$probe" probe "$address" "$number" 2>&1)
    echo port "$name" "$number" $? $said) &
  elif [ $can_tell = yes ]; then
    (! echoed "$address" || echo size "$name" "$(largest "$address" "$number")") &
  fi
done
wait
"""
_TIMED_OUT: Final = "124"  # of timeout(1)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A host as one that others try to reach."""

    name: str
    role: Role
    region: str


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Where another host is tried: SSH must be there, nothing but an answer is asked of other ports.

    `size`: bytes of packets that should pass to it in one piece; 0: not tried.
    """

    address: str
    ssh_port: int
    ports: tuple[int, ...] = ()
    size: int = 0

    @property
    def tried(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys((self.ssh_port, *self.ports)))


@dataclass(frozen=True, kw_only=True)
class Reached:
    """`problem`: empty where all its ports answer. `round_trip_ms`: the shortest of all; None: none was measured.

    `carries`: bytes of the largest packet that passed, of those tried, 0 if only tiny ones did; None: nobody can tell.
    """

    problem: str = ""
    round_trip_ms: float | None = None
    carries: int | None = None


def chosen(hosts: Sequence[Place]) -> Mapping[str, tuple[str, ...]]:
    """Whom each host tries: all managers, and of the others of each region so many that the whole stays linear."""
    regions: dict[str, list[Place]] = {}
    for host in hosts:
        regions.setdefault(host.region, []).append(host)
    return {
        host.name: tuple(one for region in regions.values() for one in _of_region(host, number, region))
        for number, host in enumerate(hosts)
    }


def _of_region(host: Place, number: int, region: Sequence[Place]) -> Iterable[str]:
    others = [one for one in region if one.name != host.name]
    few = _NEAR if region[0].region == host.region else _FAR
    start = number * few % len(others) if others else 0
    ring = [*others[start:], *others[:start]][:few]
    return dict.fromkeys(one.name for one in (*ring, *(one for one in others if one.role == "manager")))


def reach(connection: Connection, peers: Mapping[str, Peer]) -> Mapping[str, Reached]:
    """How the host at `connection` reaches others, by name; raises its error where it cannot be asked."""
    lines: list[str] = []
    tried = [f"port {name} {peer.address} {port}\n" for name, peer in peers.items() for port in peer.tried]
    tried += [f"size {name} {peer.address} {peer.size}\n" for name, peer in peers.items() if peer.size]
    connection.run(_SCRIPT, payload="".join(tried).encode(), on_line=lines.append, step="reach the other hosts")
    words = [line.split() for line in lines if line.startswith(("port ", "size "))]
    ports = {(name, port): rest for kind, name, port, *rest in words if kind == "port"}
    sizes = {name: int(size) for kind, name, size, *_ in words if kind == "size"}
    return {
        name: replace(
            _read({port: ports.get((name, str(port)), ["?"]) for port in peer.tried}, peer), carries=sizes.get(name)
        )
        for name, peer in peers.items()
    }


def _read(answers: Mapping[int, Sequence[str]], peer: Peer) -> Reached:
    problems = {port: _problem(words, must_listen=port == peer.ssh_port) for port, words in answers.items()}
    told = [f"port {port}: {problem}" for port, problem in problems.items() if problem]
    took = [found for port, words in answers.items() if not problems[port] for found in _milliseconds(words)]
    return Reached(problem="; ".join(told), round_trip_ms=min(took, default=None))


def _problem(words: Sequence[str], *, must_listen: bool) -> str:
    """Empty: well. Whoever refuses a connection was reached: what is to listen there may still be to come."""
    status, said = words[0], " ".join(words[1:])
    if status == "0" or ("Connection refused" in said and not must_listen):
        return ""
    if status == _TIMED_OUT:
        return f"no answer within {_TIMEOUT_S} s"
    reason = re.search(r"connect: (.+?) probe: line", said)
    return reason[1].lower() if reason else f"it could not be tried (status {status})"


def _milliseconds(words: Sequence[str]) -> Iterable[float]:
    return [int(found) / 1000 for found in re.findall(r"took (\d+)$", " ".join(words))]
