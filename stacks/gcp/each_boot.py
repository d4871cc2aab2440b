"""What machines on Google Cloud are told at every boot besides what all are told, before anything else runs there."""

from __future__ import annotations

from typing import Final

# Google's guest agent would make host keys of its own in place of ours, and accounts that it is told of elsewhere.
# https://github.com/GoogleCloudPlatform/guest-agent#configuration
_AGENT: Final = "[InstanceSetup]\nset_host_keys = false\n[Daemons]\naccounts_daemon = false\n"
_TELL_AGENT: Final = f"printf '%s' '{_AGENT}' > /etc/default/instance_configs.cfg"
# Everything on an instance can ask for its metadata, user data and access tokens included, by one address, which is
# also the way to its DNS. What passes through a host, as pods' packets do, gets the latter alone.
_TABLE: Final = """
table inet moorage-metadata {
  chain pods {
    type filter hook forward priority -150
    ip daddr 169.254.169.254 meta l4proto tcp th dport != 53 drop
  }
}
"""
_KEEP_PODS_OUT: Final = f"printf '%s' '{_TABLE}' | nft -f -"

EACH_BOOT: Final = (_TELL_AGENT, _KEEP_PODS_OUT)
