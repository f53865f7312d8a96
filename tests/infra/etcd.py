# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""etcdctl beside a member of etcd."""

from __future__ import annotations

from tests.infra.cluster import Cluster
from tests.infra.waiting import wait_for

_PKI = "/etc/kubernetes/pki/etcd"


def etcdctl(cluster: Cluster, node: str, *arguments: str) -> str:
    """Output of etcdctl in the pod of a node's member.

    The pod is missing while the kubelet creates it again, and an API server that has just begun may not reach the
    kubelet.
    """
    argv = ["etcdctl", f"--cacert={_PKI}/ca.crt", f"--cert={_PKI}/peer.crt", f"--key={_PKI}/peer.key"]

    def output() -> str:
        code, text = cluster.execute("kube-system", f"etcd-{node}", [*argv, *arguments])
        if code != 0:
            raise RuntimeError(text)
        return text

    return wait_for(f"etcdctl {' '.join(arguments)} on {node}", output, seconds=60)
