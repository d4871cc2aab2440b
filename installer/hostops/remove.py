"""Take away from a host what Moorage installed, by its manifest, and nothing else."""

from __future__ import annotations

import shlex

from installer.core import layout
from installer.hostops import facts
from installer.transport.connection import Connection

# Made by what we ran, at paths that are only ours to have once the manifest says that we ran it.
_DATA = (
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/lib/containerd",
    "/var/log/moorage",
    "/var/lib/cni",
    "/opt/containerd",
    "/usr/libexec/kubernetes",
    "/run/containerd",
    "/run/cni-addresses",
    "/run/flannel",
    "/run/moorage",
)
_LINKS = ("cni0", "flannel.1", "flannel-wg", "moorage0")
_TABLES = ("ip kube-proxy", "ip6 kube-proxy", "ip flannel-ipv4", "ip6 flannel-ipv6", "inet cni_hostport")
# Pods' network namespaces. The kernel takes a namespace down later, so the ends of their cables go first, by name.
_REMOVE_NAMESPACES = """for cable in /sys/class/net/cni0/brif/*; do
  [ ! -e "$cable" ] || ip link delete "${cable##*/}" 2>/dev/null
done
for netns in /run/netns/cni-*; do
  [ ! -e "$netns" ] || { umount -l "$netns" 2>/dev/null; rm -f "$netns"; }
done
rmdir /run/netns 2>/dev/null"""
# The kubelet's chains in everybody's tables; a table with nothing else in it was made for them.
_REMOVE_CHAINS = """for family in ip:iptables ip6:ip6tables; do
  tool=${family#*:}
  command -v "$tool-save" >/dev/null || continue
  for table in filter nat mangle; do
    nft list table "${family%:*}" "$table" >/dev/null 2>&1 || continue
    "$tool-save" -t "$table" 2>/dev/null | grep -v KUBE- | "$tool-restore" -T "$table" 2>/dev/null
    "$tool-save" -t "$table" 2>/dev/null | grep -Eq '^-A|^:[^ ]+ -' ||
      nft delete table "${family%:*}" "$table" 2>/dev/null
  done
done"""


def remove(connection: Connection) -> None:
    """Stop our units and containers, then remove our files, mounts, links and tables; a second time does nothing."""
    seen = facts.gather(connection)
    if seen.manifest.units or seen.manifest.files or seen.releases:
        connection.run(script(seen.manifest), step="remove what was installed", timeout_s=300)


def script(manifest: facts.Manifest) -> str:
    """The whole removal; the manifest goes last, so that a killed one is found again."""
    units = " ".join(shlex.quote(name) for name in sorted(manifest.units))
    paths = " ".join(shlex.quote(path) for path in sorted({*manifest.files, *manifest.links}))
    return f"""set -u
[ -z "{units}" ] || systemctl disable --now --quiet {units} 2>/dev/null
{_stop_containers()}
for dir in {" ".join(_DATA)} {layout.ROOT} {layout.STATE}; do
  awk -v d="$dir/" 'index($5, d) == 1 {{print $5}}' /proc/self/mountinfo | sort -r | while read -r point; do
    umount -l "$point"
  done
done
{_REMOVE_NAMESPACES}
for link in {" ".join(_LINKS)}; do ip link delete "$link" 2>/dev/null; done
{chr(10).join(f"nft delete table {table} 2>/dev/null" for table in _TABLES)}
{_REMOVE_CHAINS}
rm -f {paths}
for dir in {" ".join(_DATA)} {layout.CONFIG} {layout.ROOT}; do
  find "$dir" -mindepth 1 -delete 2>/dev/null
  rmdir "$dir" 2>/dev/null
done
systemctl daemon-reload
rm -f {layout.MANIFEST}
find {layout.STATE} -mindepth 1 -delete 2>/dev/null
rmdir {layout.STATE} 2>/dev/null
exit 0
"""


def _stop_containers() -> str:
    """Containers outlive containerd: end every shim that runs from our directory, and what is in its cgroups."""
    return f"""for pid in $(ls /proc | grep -E '^[0-9]+$'); do
  case "$(readlink "/proc/$pid/exe" 2>/dev/null)" in {layout.ROOT}/*) kill -9 "$pid" 2>/dev/null ;; esac
done
for procs in $(find /sys/fs/cgroup -path '*kubepods*' -name cgroup.procs 2>/dev/null); do
  while read -r pid; do kill -9 "$pid" 2>/dev/null; done <"$procs"
done"""
