# Says everything the installer wants to know about this host as lines of key, tab, value. Changes nothing.
# Needs a POSIX shell, coreutils and systemd. Standard input: one request a line (file|cert|unit|disk and a name).
# A busy host takes milliseconds to start a program, so nothing here starts one for each of many things.
say() { printf '%s\t%s\n' "$1" "$2"; }
first() { line=; [ ! -r "$1" ] || read -r line <"$1" || true; }
say clock "$(date +%s.%N)"
. /etc/os-release 2>/dev/null || true
say os_id "${ID:-unknown}"
say os_version "${VERSION_ID:-}"
say os_name "${PRETTY_NAME:-unknown}"
say kernel "$(uname -r)"
say arch "$(uname -m)"
say hostname "$(uname -n)"
first /etc/machine-id; say machine_id "$line"
first /sys/class/dmi/id/product_uuid 2>/dev/null; say product_uuid "$line"
say uid "$(id -u)"
say cpus "$(getconf _NPROCESSORS_ONLN)"
awk '/^MemTotal|^MemAvailable|^SwapTotal/ {sub(":", "", $1); printf "%s\t%.0f\n", tolower($1), $2 * 1024}' /proc/meminfo
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  say cgroup_version 2
  say cgroup_controllers "$(cat /sys/fs/cgroup/cgroup.controllers)"
else
  say cgroup_version 1
  say cgroup_controllers "$(awk '!/^#/ && $4 == 1 {printf "%s ", $1}' /proc/cgroups)"
fi
virt=none
command -v systemd-detect-virt >/dev/null && virt=$(systemd-detect-virt --container) || true
say container "$virt"
first /proc/1/comm; say init "$line"
say systemd "$(systemctl --version 2>/dev/null | awk 'NR == 1 {print $2}')"
say filesystems "$(awk '{printf "%s ", $NF}' /proc/filesystems)"
say modules "$(cut -d" " -f1 /proc/modules 2>/dev/null | tr '\n' ' ')"
say builtin "$(sed 's|.*/||; s|\.ko.*||; s|-|_|g' "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null | tr '\n' ' ')"
if [ -d /sys/module/wireguard ] || modprobe -nq wireguard 2>/dev/null; then say wireguard yes; fi
# Not by the shell's read: it takes a byte at a time, and a kernel setting is only given whole.
grep -Hs . /proc/sys/net/ipv4/ip_forward /proc/sys/net/bridge/bridge-nf-call-iptables \
  /proc/sys/fs/inotify/max_user_instances /proc/sys/fs/inotify/max_user_watches \
  /proc/sys/net/netfilter/nf_conntrack_max |
  awk '{sub("^/proc/sys/", "sysctl."); sub(":", "\t"); print}'
for tool in bash nft iptables ip mount umount modprobe conntrack tar sha256sum systemctl sysctl curl; do
  command -v "$tool" >/dev/null 2>&1 && say tool "$tool"
done
ip -o -4 addr show 2>/dev/null | awk '{print "address\t" $2 " " $4}'
ip -o link show 2>/dev/null | awk '{for (i = 1; i < NF; i++) if ($i == "mtu") {sub("[:@].*", "", $2); print "mtu\t" $2 " " $(i + 1)}}'
ip -4 route show default 2>/dev/null | awk 'NR == 1 {print "default_route\t" $0}'
ss -Hltnp 2>/dev/null | awk '{n = split($4, part, ":"); port[part[n]]
    if (match($0, /users:\(\("[^"]*"/)) listener[part[n]] = substr($0, RSTART + 9, RLENGTH - 10)}
  END {for (p in port) {print "port\t" p; if (p in listener) print "listener\t" p " " listener[p]}}'
for path in /etc/kubernetes /var/lib/rancher /var/lib/k0s /var/lib/k3s /var/lib/microk8s /etc/rancher; do
  [ -e "$path" ] && say leftover "$path"
done
for unit in docker k3s k3s-agent rke2-server rke2-agent k0scontroller k0sworker crio kubelet containerd etcd; do
  [ -e "/etc/systemd/system/$unit.service" ] || [ -e "/lib/systemd/system/$unit.service" ] || continue
  say leftover_unit "$unit.service"
done
[ -d /var/lib/etcd/member ] && say etcd_data yes
[ -r /var/lib/moorage/manifest.json ] && say manifest "$(base64 -w0 /var/lib/moorage/manifest.json)"
for release in /opt/moorage/releases/*/manifest.json; do
  [ ! -r "$release" ] || awk -F'"' '$2 == "release" {n = split(FILENAME, part, "/"); print "release\t" part[n - 1], $4}' "$release"
done
units= files= directories= certs=
while read -r kind name; do
  case $kind in
    file)
      if [ -L "$name" ]; then say link "$name $(readlink "$name")"
      elif [ -f "$name" ]; then files="$files $name"
      elif [ -d "$name" ]; then directories="$directories $name"
      fi ;;
    cert) [ ! -f "$name" ] || certs="$certs $name" ;;
    disk)
      while [ ! -e "$name" ]; do name=$(dirname "$name"); done
      say disk "$name $(df -kP "$name" | awk 'NR == 2 {printf "%.0f %.0f", $2 * 1024, $4 * 1024}')" ;;
    unit) units="$units $name" ;;
  esac
done
[ -z "$files" ] || { stat -c 'mode %n %a %u:%g' $files; sha256sum $files; } |
  awk '$1 == "mode" {mode[$2] = $3 " " $4; next} {print "file\t" $2 " " mode[$2] " " $1}'
[ -z "$directories" ] || stat -c 'directory %n %a %u:%g' $directories | awk '{print $1 "\t" $2 " " $3 " " $4}'
# One line a certificate; a bar, which no PEM file has, stands for the end of a line.
[ -z "$certs" ] || awk 'FNR == 1 {if (NR > 1) print ""; printf "cert\t%s ", FILENAME} {printf "%s|", $0}
  END {print ""}' $certs
# One that waits for its turn to start, behind others, is inactive, with a job.
[ -z "$units" ] || { systemctl show --property=Id,ActiveState,SubState,UnitFileState,NRestarts,Job $units 2>/dev/null; echo; } |
  awk -F= '$1 != "" {v[$1] = $2} $1 == "" && v["Id"] != "" {
    if (v["Job"] + 0 > 0 && v["ActiveState"] == "inactive") {v["ActiveState"] = "activating"; v["SubState"] = "queued"}
    print "unit\t" v["Id"], v["ActiveState"], v["SubState"], (v["UnitFileState"] == "" ? "none" : v["UnitFileState"]), v["NRestarts"] + 0
    delete v
  }'
say done yes
