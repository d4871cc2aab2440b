"""`python -m tests.bench [planning] [ssh] [platform]`: figures, printed and never asserted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from tests.bench import planning, platform, ssh

BENCHES: Mapping[str, Callable[[], None]] = {"planning": planning.main, "ssh": ssh.main, "platform": platform.main}


def main() -> None:
    """Run the named benches, or all."""
    names = sys.argv[1:] or list(BENCHES)
    if unknown := sorted(set(names) - set(BENCHES)):
        sys.exit(f"no such bench: {', '.join(unknown)}; there are: {', '.join(BENCHES)}")
    for name in names:
        sys.stdout.write(f"# {name}\n")
        sys.stdout.flush()
        BENCHES[name]()


if __name__ == "__main__":
    main()
