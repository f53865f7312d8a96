#!/usr/bin/env bash
# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The bare path: what a person with a shell would do, and nothing else. It makes a cluster of fresh hosts from the same
# files, settings and images as the site playbook. It looks at nothing, repairs nothing, and cannot be run twice.
#
#   create.sh PLAN OUT      see functions.sh
# shellcheck source=tests/bench/bare/functions.sh
. "${BASH_SOURCE[0]%/*}/functions.sh"

# --- every host at once: files and containerd; the controller: helm and the chart
if [ "$PREPARED" = no ]; then
	for host in $FIRST $WORKERS; do
		place "$host" &
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
# shellcheck disable=SC2086
join_workers $WORKERS
ended join

kubectl_on_first wait node --all --for=condition=Ready --timeout=300s
ended ready

# site waits for these, too
for workload in daemonset/cilium deployment/cilium-operator deployment/coredns; do
	kubectl_on_first --namespace kube-system rollout status "$workload" --timeout=300s
done
ended pods
