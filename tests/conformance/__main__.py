"""`python -m tests.conformance`: the suite on a cluster of a local platform, which is taken down afterwards."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from installer.bundle.recipe import BuildEvent
from tests.bench.local_platform import local_platform
from tests.conformance import cluster, selection, suite
from tests.conformance.run import Results, names, run

_NAME = "judged"
_AT_ONCE = 5


def main() -> int:
    """Run what was asked for; 0 when every test passed."""
    asked = _arguments()
    started = time.monotonic()
    asked.report.mkdir(parents=True, exist_ok=True)
    built = suite.build(asked.report / "programs", _tell)
    wanted = selection.select(names(built.listed), asked.selection)
    _say(f"{len(wanted)} tests of Kubernetes {suite.VERSION}")
    with local_platform("t-conformance", managers=1, workers=2) as platform:
        _say("bringing a platform up")
        platform.must("up", "--yes", timeout_s=900)
        size = ("--nodes", "2", "--cpu", "2", "--memory", "6Gi", "--version", suite.VERSION)
        platform.must("cluster", "create", _NAME, *size)
        _say("bringing the images to its nodes")
        cluster.bring(platform, _NAME, built.images)
        with cluster.judged(platform, _NAME, asked.report.resolve()) as target:
            results = run(built, target, wanted, at_once=_AT_ONCE)
    _print(results)
    _say(
        f"{(time.monotonic() - started) / 60:.0f} minutes; {asked.report}/results.json and what ginkgo wrote beside it"
    )
    return 1 if results.failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("selection", choices=selection.SELECTIONS, nargs="?", default="half-hour")
    parser.add_argument("--report", type=Path, default=Path("conformance-report"), help="a folder for the outcome")
    return parser.parse_args()


def _print(results: Results) -> None:
    for one in results.failed:
        sys.stdout.write(f"failed after {one.seconds:.0f} s: {one.name}\n    {one.why[:500]}\n")
    for name, why in selection.CANNOT.items():
        sys.stdout.write(f"left out: {name}\n    {why}\n")
    # As test runners write it, so that a pipeline can read it.
    sys.stdout.write(f"{len(results.outcomes) - len(results.failed)} passed, {len(results.failed)} failed\n")


def _tell(event: BuildEvent) -> None:
    if event.kind in {"started", "waiting", "fallback"}:
        _say(f"[{event.number}/{event.of}] {event.title} {event.detail}".rstrip())


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
