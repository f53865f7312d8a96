#!/usr/bin/env bash
# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The bare path: what a person with a shell would do, and nothing else. It makes a cluster of fresh hosts from the same
# files, settings and images as the site playbook. It looks at nothing, repairs nothing, and cannot be run twice.
#
#   bare.sh PLAN OUT
#
# PLAN is a directory that tests/bench/plan.py writes:
#   settings.sh   FIRST, WORKERS, PREFLIGHT, CONTROLLER_CA and CA (the mirror's, here and there), URLs of release files
#   addresses     name and address of each host
#   prepared.sh   PREPARED: whether files and images are in place, and helm and the chart in OUT
#   ssh_config    how to reach them
#   HOST.tar      what belongs to /etc of each host: units, containerd's and the kubelet's configuration
#   cluster.yml   ClusterConfiguration and KubeletConfiguration
#   values.yml    of Cilium's chart
# OUT gets the moment at which each stage ended.
set -euo pipefail

plan=$1
out=$2
# shellcheck source=/dev/null
. "$plan/settings.sh"
# shellcheck source=/dev/null
. "$plan/prepared.sh"

on() { ssh -F "$plan/ssh_config" "$@"; }
address() { awk -v host="$1" '$1 == host { print $2 }' "$plan/addresses"; }
ended() { echo "$1 $EPOCHREALTIME" >> "$out/stages"; }

# Waits for what was started with & and noted here, and fails when one of it failed.
started=()
all() {
	local job
	for job in "${started[@]}"; do wait "$job"; done
	started=()
}

# What every host does before it knows kubeadm; runs there.
prepare() {
	get() { curl --silent --show-error --fail --cacert "$CA" "$@"; }
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

join() {
	{
		cat <<-EOF
			apiVersion: kubeadm.k8s.io/v1beta4
			kind: JoinConfiguration
			discovery:
			  bootstrapToken: {apiServerEndpoint: "$2", token: "$3", caCertHashes: ["$4"]}
		EOF
		registration "$1"
	} | kubeadm_on "$1" join
}

# --- every host at once: files and containerd; the controller: helm and the chart
if [ "$PREPARED" = no ]; then
	for host in $FIRST $WORKERS; do
		{
			on "$host" "tar -x -C /" < "$plan/$host.tar"
			on "$host" "mkdir -p ${CA%/*} && cat > $CA" < "$CONTROLLER_CA"
			{
				echo "set -euo pipefail; started=()"
				cat "$plan/settings.sh"
				declare -f all prepare
				echo prepare
			} | on "$host" bash -s
		} &
		started+=($!)
	done
	curl --silent --show-error --fail --cacert "$CONTROLLER_CA" --output "$out/chart.tgz" "$CILIUM_CHART" &
	started+=($!)
	curl --silent --show-error --fail --cacert "$CONTROLLER_CA" "$HELM" | tar -xz -C "$out" --strip-components=1 &
	started+=($!)
	all
	ended prepare
fi

# --- the control plane
{
	cat <<-EOF
		apiVersion: kubeadm.k8s.io/v1beta4
		kind: InitConfiguration
		localAPIEndpoint: {advertiseAddress: $(address "$FIRST"), bindPort: 6443}
	EOF
	registration "$FIRST"
	echo ---
	cat "$plan/cluster.yml"
} | kubeadm_on "$FIRST" "init --skip-phases=addon/kube-proxy"
(umask 077 && on "$FIRST" cat /etc/kubernetes/admin.conf > "$out/kubeconfig")
ended init

# --- the network
"$out/helm" --kubeconfig "$out/kubeconfig" install cilium "$out/chart.tgz" --namespace kube-system --values "$plan/values.yml"
ended network

# --- the workers, all at once
# kubeadm join ADDRESS --token TOKEN --discovery-token-ca-cert-hash HASH
read -r _ _ endpoint _ token _ hash < <(on "$FIRST" kubeadm token create --ttl 15m --print-join-command)
for host in $WORKERS; do
	join "$host" "$endpoint" "$token" "$hash" &
	started+=($!)
done
all
ended join

on "$FIRST" kubectl --kubeconfig /etc/kubernetes/admin.conf wait node --all --for=condition=Ready --timeout=300s
ended ready

# site waits for these, too
for workload in daemonset/cilium deployment/cilium-operator deployment/coredns; do
	on "$FIRST" kubectl --kubeconfig /etc/kubernetes/admin.conf --namespace kube-system rollout status "$workload" --timeout=300s
done
ended pods
