# shellcheck shell=bash
# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What the scripts of the bare path share. Each is called with
#
#   PLAN   a directory that tests/bench/plan.py writes:
#     settings.sh   FIRST, WORKERS, PREFLIGHT, CONTROLLER_CA and CA (the mirror's, here and there), URLs of release files
#     addresses     name and address of each host
#     prepared.sh   PREPARED: whether files and images are in place, and helm and the chart in OUT
#     ssh_config    how to reach them
#     HOST.tar      what site writes on each host: units, a program of theirs, containerd's and the kubelet's configuration
#     cluster.yml   ClusterConfiguration and KubeletConfiguration
#     values.yml    of Cilium's chart
#   OUT    a directory that gets the moment at which each stage ended
set -euo pipefail

plan=$1
out=$2
# shellcheck source=/dev/null
. "$plan/settings.sh"
# shellcheck source=/dev/null
. "$plan/prepared.sh"

on() { ssh -F "$plan/ssh_config" "$@"; }
# kubectl of the control plane, where it needs no credentials from elsewhere.
kubectl_on_first() { on "$FIRST" kubectl --kubeconfig /etc/kubernetes/admin.conf "$@"; }
address() { awk -v host="$1" '$1 == host { print $2 }' "$plan/addresses"; }
ended() { echo "$1 $EPOCHREALTIME" >> "$out/stages"; }

# Waits for what was started with & and noted here, and fails when one of it failed.
started=()
all() {
	local job
	for job in "${started[@]}"; do wait "$job"; done
	started=()
}

# Runs a function on a host, with the settings and the functions that it calls: run_on HOST FUNCTION [NAME...]
run_on() {
	{
		echo "set -euo pipefail; started=()"
		cat "$plan/settings.sh"
		declare -f "${@:2}"
		echo "$2"
	} | on "$1" bash -s
}

get() { curl --silent --show-error --fail --cacert "$CA" "$@"; }

# What every host does before it knows kubeadm; runs there.
prepare() {
	mkdir -p /opt/cni/bin /usr/local/sbin
	get --parallel --output /usr/local/bin/kubelet "$KUBELET" --output /usr/local/bin/kubeadm "$KUBEADM" \
		--output /usr/local/bin/kubectl "$KUBECTL" --output /usr/local/sbin/runc "$RUNC" &
	started+=($!)
	get "$CONTAINERD" | tar -xz -C /usr/local bin/containerd bin/containerd-shim-runc-v2 bin/ctr &
	started+=($!)
	get "$CRICTL" | tar -xz -C /usr/local/bin crictl &
	started+=($!)
	get "$CNI_PLUGINS" | tar -xz -C /opt/cni/bin &
	started+=($!)
	sysctl --quiet --load /etc/sysctl.d/baremetal-kubernetes.conf
	all
	chmod 0755 /usr/local/bin/kubelet /usr/local/bin/kubeadm /usr/local/bin/kubectl /usr/local/sbin/runc
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload
		systemctl enable --now containerd
		systemctl enable kubelet
	else
		rc-update add containerd default
		rc-update add kubelet default
		rc-service containerd start
	fi
}

# Copies the files of a host, and prepares it.
place() {
	on "$1" "tar -x -C /" < "$plan/$1.tar"
	on "$1" "mkdir -p ${CA%/*} && cat > $CA" < "$CONTROLLER_CA"
	run_on "$1" prepare get all
}

# nodeRegistration of Init- and JoinConfiguration.
registration() {
	cat <<-EOF
		nodeRegistration:
		  name: $1
		  criSocket: unix:///run/containerd/containerd.sock
		  kubeletExtraArgs:
		    - {name: node-ip, value: $(address "$1")}
	EOF
}

# Runs kubeadm with the configuration on standard input.
kubeadm_on() {
	on "$1" "umask 077 && cat > /root/kubeadm.yml && kubeadm $2 --config /root/kubeadm.yml \
		--ignore-preflight-errors=$PREFLIGHT; code=\$?; rm /root/kubeadm.yml; exit \$code"
}

# Joins workers, all at once.
join_workers() {
	local host endpoint token hash
	# kubeadm join ADDRESS --token TOKEN --discovery-token-ca-cert-hash HASH
	read -r _ _ endpoint _ token _ hash < <(on "$FIRST" kubeadm token create --ttl 15m --print-join-command)
	for host in "$@"; do
		{
			cat <<-EOF
				apiVersion: kubeadm.k8s.io/v1beta4
				kind: JoinConfiguration
				discovery:
				  bootstrapToken: {apiServerEndpoint: "$endpoint", token: "$token", caCertHashes: ["$hash"]}
			EOF
			registration "$host"
		} | kubeadm_on "$host" join &
		started+=($!)
	done
	all
}
