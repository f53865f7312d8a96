#!/usr/bin/env bash
# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The bare path of upgrade for one worker, in the order of Kubernetes' guide (tasks/administer-cluster/kubeadm/upgrading-linux-nodes).
# The settings name the files of the new version.
#
#   upgrade.sh PLAN OUT HOST      see functions.sh
# shellcheck source=tests/bench/bare/functions.sh
. "${BASH_SOURCE[0]%/*}/functions.sh"
host=$3

# Both run on the host.
download() {
	mkdir -p /root/upgrade
	cd /root/upgrade
	get --parallel --output kubelet "$KUBELET" --output kubeadm "$KUBEADM" --output kubectl "$KUBECTL"
	chmod 0755 kubelet kubeadm kubectl
	mv kubeadm /usr/local/bin/
}
replace() {
	mv /root/upgrade/kubelet /root/upgrade/kubectl /usr/local/bin/
	if [ -d /run/systemd/system ]; then systemctl restart kubelet; else rc-service kubelet restart; fi
}

run_on "$host" download get
ended download
on "$host" kubeadm upgrade node "--ignore-preflight-errors=$PREFLIGHT"
ended configuration
kubectl_on_first drain "$host" --ignore-daemonsets --delete-emptydir-data --timeout=120s
ended drain
run_on "$host" replace
read -r _ version < <(on "$host" kubelet --version)
kubectl_on_first wait "node/$host" "--for=jsonpath='{.status.nodeInfo.kubeletVersion}'=$version" --timeout=300s
kubectl_on_first wait "node/$host" --for=condition=Ready --timeout=300s
ended kubelet
kubectl_on_first uncordon "$host"
# upgrade waits for these, too
for workload in daemonset/cilium deployment/coredns; do
	kubectl_on_first --namespace kube-system rollout status "$workload" --timeout=300s
done
ended ready
