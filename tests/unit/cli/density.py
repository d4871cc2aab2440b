"""A platform for the report on density: two clusters, a host that could not be measured."""

from __future__ import annotations

from installer.workflows.density import Amount, ClusterDensity, Density, Parts, Vms

_MI, _GI = 2**20, 2**30

FOUND = Density(
    platform="harbor",
    hosts=3,
    not_measured=("worker-2",),
    clusters=(
        ClusterDensity(
            name="team-a",
            control_plane=Vms("control plane", "2-cpu-2-gib", 3, Amount(2000, 2 * _GI)),
            pools=(Vms("general", "1-cpu-2-gib", 2, Amount(1000, 2 * _GI)),),
            reserved=Parts(Amount(150, 450 * _MI), Amount(100, 4 * _GI)),
            used=Parts(Amount(48, 520 * _MI), Amount(61, 540 * _MI)),
        ),
        ClusterDensity(
            name="team-b",
            control_plane=Vms("control plane", "2-cpu-2-gib", 1, Amount(2000, 2 * _GI)),
            pools=(
                Vms("general", "1-cpu-2-gib", 1, Amount(1000, 2 * _GI)),
                Vms("big", "4-cpu-16-gib", 1, Amount(4000, 16 * _GI)),
            ),
            reserved=Parts(Amount(75, 225 * _MI), Amount(250, 10 * _GI)),
            used=Parts(Amount(24, 260 * _MI), Amount(62, 2 * _GI)),
        ),
    ),
    shared=Amount(180, 3 * _GI),
)
EMPTY = Density(platform="harbor", hosts=1, not_measured=(), clusters=(), shared=Amount(50, _GI))
