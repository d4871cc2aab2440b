"""Do the hosts agree on the time?"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from installer.hostops.preflight.registry import Finding, Machine, check, known

# Certificates are backdated by minutes; etcd warns of a drift between members above one second.
_DRIFT_S = 2.0


@check("clock", group="time")
def clock(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """Each host's clock against the median of all; what the round trip leaves uncertain is granted."""
    seen = list(known(machines))
    middle = median(facts.clock_offset_s for _, facts in seen) if seen else 0.0
    for machine, facts in seen:
        drift = facts.clock_offset_s - middle
        if abs(drift) > _DRIFT_S + facts.round_trip_s / 2:
            way = "ahead of" if drift > 0 else "behind"
            yield Finding(
                machine.name,
                f"{abs(drift):.1f} s {way} the others",
                f"within {_DRIFT_S:g} s",
                "timedatectl set-ntp true",
            )
