#!/usr/bin/env bash
# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The bare path of add_node: the files of one worker, and kubeadm join.
#
#   add.sh PLAN OUT HOST      see functions.sh
# shellcheck source=tests/bench/bare/functions.sh
. "${BASH_SOURCE[0]%/*}/functions.sh"
host=$3

place "$host"
ended prepare
join_workers "$host"
ended join
kubectl_on_first wait "node/$host" --for=condition=Ready --timeout=300s
ended ready
