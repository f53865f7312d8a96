#!/usr/bin/env bash
# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The bare path of remove_node, for a worker that is alive. kubeadm reset leaves behind what it did not create: programs, services,
# images and the files of the CNI.
#
#   remove.sh PLAN OUT HOST      see functions.sh
# shellcheck source=tests/bench/bare/functions.sh
. "${BASH_SOURCE[0]%/*}/functions.sh"
host=$3

kubectl_on_first drain "$host" --ignore-daemonsets --delete-emptydir-data --timeout=120s
ended drain
on "$host" kubeadm reset --force
ended reset
kubectl_on_first delete node "$host"
ended delete
