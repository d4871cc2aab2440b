set -u
[ -z "containerd.service kubelet.service" ] || systemctl disable --now --quiet containerd.service kubelet.service 2>/dev/null
for pid in $(ls /proc | grep -E '^[0-9]+$'); do
  case "$(readlink "/proc/$pid/exe" 2>/dev/null)" in /opt/moorage/*) kill -9 "$pid" 2>/dev/null ;; esac
done
for procs in $(find /sys/fs/cgroup -path '*kubepods*' -name cgroup.procs 2>/dev/null); do
  while read -r pid; do kill -9 "$pid" 2>/dev/null; done <"$procs"
done
for dir in /var/lib/etcd /var/lib/kubelet /var/lib/containerd /var/log/moorage /var/lib/cni /opt/containerd /usr/libexec/kubernetes /run/containerd /run/cni-addresses /run/flannel /run/moorage /opt/moorage /var/lib/moorage; do
  awk -v d="$dir/" 'index($5, d) == 1 {print $5}' /proc/self/mountinfo | sort -r | while read -r point; do
    umount -l "$point"
  done
done
for cable in /sys/class/net/cni0/brif/*; do
  [ ! -e "$cable" ] || ip link delete "${cable##*/}" 2>/dev/null
done
for netns in /run/netns/cni-*; do
  [ ! -e "$netns" ] || { umount -l "$netns" 2>/dev/null; rm -f "$netns"; }
done
rmdir /run/netns 2>/dev/null
for link in cni0 flannel.1 flannel-wg moorage0; do ip link delete "$link" 2>/dev/null; done
nft delete table ip kube-proxy 2>/dev/null
nft delete table ip6 kube-proxy 2>/dev/null
nft delete table ip flannel-ipv4 2>/dev/null
nft delete table ip6 flannel-ipv6 2>/dev/null
nft delete table inet cni_hostport 2>/dev/null
for family in ip:iptables ip6:ip6tables; do
  tool=${family#*:}
  command -v "$tool-save" >/dev/null || continue
  for table in filter nat mangle; do
    nft list table "${family%:*}" "$table" >/dev/null 2>&1 || continue
    "$tool-save" -t "$table" 2>/dev/null | grep -v KUBE- | "$tool-restore" -T "$table" 2>/dev/null
    "$tool-save" -t "$table" 2>/dev/null | grep -Eq '^-A|^:[^ ]+ -' ||
      nft delete table "${family%:*}" "$table" 2>/dev/null
  done
done
rm -f /etc/moorage/node/ca.crt /etc/systemd/system/kubelet.service /opt/moorage/current
for dir in /var/lib/etcd /var/lib/kubelet /var/lib/containerd /var/log/moorage /var/lib/cni /opt/containerd /usr/libexec/kubernetes /run/containerd /run/cni-addresses /run/flannel /run/moorage /etc/moorage /opt/moorage; do
  find "$dir" -mindepth 1 -delete 2>/dev/null
  rmdir "$dir" 2>/dev/null
done
systemctl daemon-reload
rm -f /var/lib/moorage/manifest.json
find /var/lib/moorage -mindepth 1 -delete 2>/dev/null
rmdir /var/lib/moorage 2>/dev/null
exit 0
