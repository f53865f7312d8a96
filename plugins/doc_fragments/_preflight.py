# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option of C(node_info) for a preflight."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  preflight:
    description:
      - Also reads the facts that only M(baremetal.kubernetes.preflight_report) needs, as RV(node.preflight).
    type: dict
    version_added: 0.1.0
    suboptions:
      kernel_options:
        description: Kernel options to look up, such as C(CONFIG_OVERLAY_FS).
        type: list
        elements: str
        default: []
      ports:
        description: Ports to check, such as C(6443/tcp).
        type: list
        elements: str
        default: []
      paths:
        description: Paths whose free space is read. They need not exist.
        type: list
        elements: str
        default: []
      urls:
        description:
          - URLs that the host must reach; all are requested at once. C({arch}) is replaced by the host's architecture.
        type: list
        elements: str
        default: []
      ca_pem:
        description:
          - CA certificates in PEM format that O(preflight.urls) are verified with, in addition to the host's own.
        type: str
        default: ""
      names:
        description: Names that the host must resolve.
        type: list
        elements: str
        default: []
      virtual_address:
        description:
          - An IPv4 address that this host may get later; whether another host in the network of O(preflight.interface)
            answers for it is read by an ARP probe. Empty for none.
        type: str
        default: ""
      interface:
        description: Interface for O(preflight.virtual_address). Empty means the one that has O(preflight.node_address).
        type: str
        default: ""
      node_address:
        description: Address that the node has in the cluster. Empty means RV(node.address).
        type: str
        default: ""
      resolv_conf:
        description: File with the name servers of pods that the site gives to the kubelet; empty when it gives none.
        type: str
        default: ""
      timeout:
        description: Seconds for each of O(preflight.urls) and O(preflight.names).
        type: float
        default: 3
"""
