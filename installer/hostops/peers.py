"""Which other hosts a host reaches, by TCP to their SSH port."""

from __future__ import annotations

from collections.abc import Mapping

from installer.transport.connection import Connection

_TIMEOUT_S = 3
# Needs nothing but a shell: bash's /dev/tcp where there is bash, curl or nc otherwise.
_SCRIPT = f"""try() {{
  if command -v bash >/dev/null; then timeout {_TIMEOUT_S} bash -c ": </dev/tcp/$1/$2"
  elif command -v curl >/dev/null; then timeout {_TIMEOUT_S} curl -s "telnet://$1:$2" </dev/null >/dev/null
  else timeout {_TIMEOUT_S} nc -z "$1" "$2"; fi
}}
while read -r name address port; do
  (if out=$(try "$address" "$port" 2>&1); then echo "$name ok"; else echo "$name failed $?"; fi) &
done
wait
"""


def reachable(connection: Connection, peers: Mapping[str, tuple[str, int]]) -> Mapping[str, str]:
    """Name -> "" or why not, for peers given as name -> (address, port)."""
    lines: list[str] = []
    request = "".join(f"{name} {address} {port}\n" for name, (address, port) in peers.items())
    connection.run(_SCRIPT, payload=request.encode(), on_line=lines.append, step="reach the other hosts")
    said = {line.split()[0]: line.split()[1:] for line in lines if len(line.split()) > 1}
    return {name: _problem(said.get(name, ["failed", "?"])) for name in peers}


def _problem(words: list[str]) -> str:
    if words[0] == "ok":
        return ""
    timed_out = words[1:] == ["124"]
    return f"no answer within {_TIMEOUT_S} s" if timed_out else "refused or unreachable"
