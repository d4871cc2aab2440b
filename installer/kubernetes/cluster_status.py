"""Words of a Cluster's status that the controller writes and the installer reads."""

from __future__ import annotations

from typing import Final

# Phases.
PENDING: Final = "Pending"  # it has never been ready
UPDATING: Final = "Updating"  # it follows a change; also the reason of a condition of which enough serves
REFUSED: Final = "Refused"  # this platform cannot make it
UPGRADE_FAILED: Final = "UpgradeFailed"  # it serves at the version that it had before; also a condition's reason
# Conditions.
HOSTS_READY: Final = "DedicatedReady"  # of clusters with dedicated pools: their hosts have joined
AUTHORITIES_SETTLED: Final = "AuthoritiesSettled"  # while they are replaced by others
