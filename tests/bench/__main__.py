"""`python -m tests.bench [NAME]... [--clusters N]`: figures, printed and never asserted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping

from tests.bench import clouds, density, healing, limits, objects, planning, platform, preflight, ssh, timeline, upgrade


def main() -> None:
    """Run the named benches, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="planning, ssh, objects, platform, timeline, density, limits, healing, upgrade, preflight, clouds; all"
        " by default",
    )
    parser.add_argument("--clusters", type=int, default=5, help="of density; twenty take some 12 GiB (default: 5)")
    options = parser.parse_args()
    benches: Mapping[str, Callable[[], None]] = {
        "planning": planning.main,
        "ssh": ssh.main,
        "platform": platform.main,
        "timeline": timeline.main,
        "objects": objects.main,
        "limits": limits.main,
        "healing": healing.main,
        "upgrade": upgrade.main,
        "preflight": preflight.main,
        "clouds": clouds.main,
        "density": lambda: density.main(options.clusters),
    }
    names = options.names or list(benches)
    if unknown := sorted(set(names) - set(benches)):
        sys.exit(f"no such bench: {', '.join(unknown)}; there are: {', '.join(benches)}")
    for name in names:
        sys.stdout.write(f"# {name}\n")
        sys.stdout.flush()
        benches[name]()


if __name__ == "__main__":
    main()
