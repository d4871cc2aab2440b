"""Runs conformance tests on a cluster, first several at a time, then those that want it to themselves."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml

from tests.conformance.suite import Suite

SERIAL: Final = "[Serial]"
_TIMEOUT: Final = "4h"
_TELL_EVERY_S: Final = 30.0
_DONE: Final = "•"  # what ginkgo prints for a test that has ended


@dataclass(frozen=True)
class Outcome:
    """One test."""

    name: str
    passed: bool
    seconds: float
    why: str = ""  # it failed


@dataclass
class Results:
    """All tests that ran."""

    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failed(self) -> list[Outcome]:
        return [one for one in self.outcomes if not one.passed]

    def document(self) -> dict[str, Any]:
        """For a file that tools read."""
        return {
            "passed": len(self.outcomes) - len(self.failed),
            "failed": len(self.failed),
            "tests": [vars(one) for one in sorted(self.outcomes, key=lambda one: one.name)],
        }


@dataclass(frozen=True)
class Target:
    """The cluster that is judged, and where ginkgo writes."""

    kubeconfig: Path
    kubectl: Path
    report: Path


def names(listed: Path) -> list[str]:
    """Every conformance test of the suite, as its list has them."""
    return [re.sub(r"\s+", " ", entry["codename"]).strip() for entry in yaml.safe_load(listed.read_text())]


def run(suite: Suite, target: Target, wanted: Collection[str], *, at_once: int) -> Results:
    """Run these tests; raises RuntimeError when one of them did not run, whatever the reason."""
    serial = [name for name in wanted if SERIAL in name]
    parallel = [name for name in wanted if SERIAL not in name]
    results = Results()
    for title, chosen, processes in (("parallel", parallel, at_once), ("serial", serial, 1)):
        if chosen:
            results.outcomes += _ginkgo(suite, replace(target, report=target.report / title), chosen, processes)
    (target.report / "results.json").write_text(json.dumps(results.document(), indent=1))
    lacking = sorted(set(wanted) - {one.name for one in results.outcomes})
    if lacking:
        last = "".join(f"\n  {name}" for name in lacking[:10])
        raise RuntimeError(f"{len(lacking)} tests did not run (see {target.report}/*/log.txt):{last}")
    return results


def _ginkgo(suite: Suite, target: Target, chosen: Sequence[str], processes: int) -> list[Outcome]:
    report = target.report
    report.mkdir(parents=True, exist_ok=True)
    focus = "|".join(f"{re.escape(name)}$" for name in chosen)
    argv = [
        *(str(suite.ginkgo), "run", f"--procs={processes}", f"--timeout={_TIMEOUT}", "--no-color", "--silence-skips"),
        *(f"--output-dir={report}", "--json-report=report.json", "--junit-report=junit.xml", f"--focus={focus}"),
        *(str(suite.test), "--", "--provider=skeleton", f"--kubeconfig={target.kubeconfig}"),
        *(f"--kubectl-path={target.kubectl}", "--node-os-distro=custom"),
        *("--dump-logs-on-failure=false", "--disable-log-dump"),
    ]
    log = report / "log.txt"
    over = threading.Event()
    teller = threading.Thread(target=_tell, args=(log, len(chosen), over), daemon=True)
    with log.open("w") as out:
        teller.start()
        try:
            subprocess.run(argv, stdout=out, stderr=subprocess.STDOUT, check=False)
        finally:
            over.set()
            teller.join()
    found = report / "report.json"
    return outcomes(json.loads(found.read_text())) if found.exists() else []


def _tell(log: Path, total: int, over: threading.Event) -> None:
    """Say how far it is, until it is over."""
    while not over.wait(_TELL_EVERY_S):
        text = log.read_text(errors="replace")
        failed = text.count(f"{_DONE} [FAILED]")
        sys.stderr.write(f"{text.count(_DONE)} of {total} tests done, {failed} failed\n")


def outcomes(report: Sequence[dict[str, Any]]) -> list[Outcome]:
    """What a report of ginkgo's says: https://pkg.go.dev/github.com/onsi/ginkgo/v2/types#Report"""
    found = []
    for suite in report:
        for spec in suite.get("SpecReports") or ():
            if spec["LeafNodeType"] != "It" or spec["State"] in ("skipped", "pending"):
                continue
            name = " ".join([*(spec.get("ContainerHierarchyTexts") or ()), spec["LeafNodeText"]])
            passed = spec["State"] == "passed"
            why = "" if passed else re.sub(r"\s+", " ", spec.get("Failure", {}).get("Message", spec["State"]))
            found.append(Outcome(name, passed, spec["RunTime"] / 1e9, why))
    return found
