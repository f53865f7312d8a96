#!/bin/sh
# What a site may have on its hosts besides Kubernetes, chosen to look similar. Idempotent.
set -eu

# Packet filter: chains and rules, one with a comment that names a chain of Kubernetes.
for tool in iptables ip6tables; do
  $tool -C INPUT -j SITE_OWN 2>/dev/null && continue
  $tool -N SITE_OWN
  $tool -A SITE_OWN -p tcp --dport 9 -m comment --comment "as strict as -j KUBE-FIREWALL" -j DROP
  $tool -I INPUT 1 -j SITE_OWN
done
iptables -t nat -C POSTROUTING -s 198.51.100.0/24 -j MASQUERADE 2>/dev/null ||
  iptables -t nat -A POSTROUTING -s 198.51.100.0/24 -j MASQUERADE
nft list table inet site_own >/dev/null 2>&1 || {
  nft add table inet site_own
  nft add chain inet site_own input '{ type filter hook input priority 10; }'
  nft add rule inet site_own input tcp dport 9 drop
}

# Interfaces and routes: the bridge of LXC, and a cable. (Cilium itself removes interfaces called lxc...)
ip link show lxcbr0 >/dev/null 2>&1 || ip link add lxcbr0 type bridge
ip link show veth-site0 >/dev/null 2>&1 || ip link add veth-site0 type veth peer name veth-site1
ip rule show | grep -q '^500:' || ip rule add pref 500 from 198.51.100.0/24 lookup 2500
ip route replace blackhole 203.0.113.0/24 table 2500

# Files beside those of the collection.
mkdir -p /etc/sysctl.d /opt/cni/bin /etc/cni/net.d /var/lib/cni/results
echo 'net.ipv4.tcp_keepalive_time = 7200' >/etc/sysctl.d/90-site.conf
printf '#!/bin/sh\n' >/opt/cni/bin/site-plugin
chmod 0755 /opt/cni/bin/site-plugin
echo '{"cniVersion": "1.0.0", "name": "site", "plugins": [{"type": "site-plugin"}]}' >/etc/cni/net.d/87-site.conflist
echo '{}' >/var/lib/cni/results/site-1-eth0
printf '#!/bin/sh\n' >/usr/local/bin/site-tool
echo 'site' >/etc/site.conf
# As the role host comments out a swap entry. The device does not exist.
sed -i '/by-label/d' /etc/fstab
{
  echo '# /dev/disk/by-label/old none swap sw 0 0'
  echo '# baremetal.kubernetes: /dev/disk/by-label/swap none swap sw 0 0'
} >>/etc/fstab

# A service whose program has the name of one of ours.
[ -x /opt/kubelet ] || cp "$(command -v sleep)" /opt/kubelet
if [ -d /run/systemd/system ]; then
  printf '[Service]\nExecStart=/opt/kubelet 86400\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/site.service
  systemctl daemon-reload
  systemctl enable --now --quiet site.service
else
  printf '#!/sbin/openrc-run\nsupervisor=supervise-daemon\ncommand=/opt/kubelet\ncommand_args=86400\n' >/etc/init.d/site
  chmod 0755 /etc/init.d/site
  rc-update add site default >/dev/null
  rc-service site status >/dev/null 2>&1 || rc-service site start
fi
