#!/usr/bin/env bash
# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The bare path of backup: a snapshot of etcd and the keys of the cluster, encrypted by age, on the controller. It does not read back
# what it has written.
#
#   backup.sh PLAN OUT RECIPIENT      see functions.sh
# shellcheck source=tests/bench/bare/functions.sh
. "${BASH_SOURCE[0]%/*}/functions.sh"

# Runs on the control plane. The file is where etcd's container sees it.
snapshot() {
	local keys=/etc/kubernetes/pki/etcd file=/var/lib/etcd/bench.db
	crictl exec "$(crictl ps --quiet --name '^etcd$')" etcdctl --cacert=$keys/ca.crt --cert=$keys/healthcheck-client.crt \
		--key=$keys/healthcheck-client.key snapshot save $file > /dev/null
	tar -cz -C / ${file#/} etc/kubernetes/pki etc/kubernetes/encryption
	rm $file
}

run_on "$FIRST" snapshot | age --encrypt --recipient "$3" --output "$out/archive.age"
ended snapshot
