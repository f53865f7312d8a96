# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_info
short_description: Read what a host is to a Kubernetes cluster
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Reads in one call what decides how a host becomes a node, or which node it is already. It changes nothing.
  - A host is V(fresh) when nothing of kubeadm is on it, V(member) when it has everything that a node of its role has,
    and V(partial) in between, for example after an interrupted join.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes.info
options:
  address_probe:
    description:
      - Address to which the source address is determined; nothing is sent to it. By default the way of the default
        route, IPv4 before IPv6.
    type: str
  root:
    description:
      - Folder that stands for C(/), for hosts that are mounted somewhere and for tests.
    type: path
    default: /
seealso:
  - module: baremetal.kubernetes.cluster_health
  - module: ansible.builtin.setup
"""

EXAMPLES = r"""
- name: Read the state of every host
  baremetal.kubernetes.node_info:
  register: __cluster_node

- name: Show which hosts belong to which cluster
  ansible.builtin.debug:
    msg: "{{ __cluster_node.node.kubernetes.state }} {{ __cluster_node.node.kubernetes.cluster_id }}"
"""

RETURN = r"""
node:
  description: The host.
  returned: always
  type: dict
  contains:
    hostname:
      description: Name of the host.
      type: str
      sample: cp1.example.org
    node_name:
      description:
        - Name of the node. Of a host that joined, the one in the kubelet's client certificate; otherwise the host name
          in lower case, which is what kubeadm would choose.
      type: str
      sample: cp1.example.org
    node_name_source:
      description: Where RV(node.node_name) comes from, V(certificate) or V(hostname).
      type: str
      sample: hostname
    machine_id:
      description: Content of C(/etc/machine-id), V(null) without one.
      type: str
      sample: 4c4c4544004a3910804ac4c04f4d3332
    product_uuid:
      description: UUID of the hardware, V(null) where it cannot be read.
      type: str
      sample: 4c4c4544-004a-3910-804a-c4c04f4d3332
    architecture:
      description: Architecture as release files call it.
      type: str
      sample: amd64
    kernel:
      description: Release of the kernel.
      type: str
      sample: 6.12.41-gentoo
    distribution:
      description: The distribution by os-release(5).
      type: dict
      sample: {id: gentoo, version_id: "2.18", pretty_name: Gentoo Linux, like: []}
    service_manager:
      description: V(systemd), V(openrc), V(sysvinit) or V(other).
      type: str
      sample: openrc
    package_manager:
      description:
        - The distribution's own package manager, as C(ansible_facts.pkg_mgr) names it, V(unknown) when there is none
          that the collection knows.
      type: str
      sample: portage
    missing_commands:
      description:
        - Commands that a node needs or kubeadm looks for, and the host has not. Of C(conntrack), C(ethtool), C(ip),
          C(iptables), C(losetup), C(modprobe), C(mount), C(nsenter), C(socat) and C(tc).
      type: list
      elements: str
      sample: [conntrack, socat]
    python_version:
      description: Version of the Python that runs modules.
      type: str
      sample: 3.13.5
    address:
      description: Source address towards O(address_probe), V(null) without a route.
      type: str
      sample: 192.0.2.11
    addresses:
      description: Addresses of the host without loopback and link-local ones.
      type: list
      elements: str
      sample: [192.0.2.11, "2001:db8::11"]
    memory_bytes:
      description: Memory in bytes.
      type: int
      sample: 16658722816
    swap_bytes:
      description: Swap space in bytes.
      type: int
      sample: 0
    cgroup:
      description: Version of the control groups (V(1), V(2) or V(hybrid)) and usable controllers.
      type: dict
      sample: {version: "2", controllers: [cpu, cpuset, io, memory, pids]}
    root_propagation:
      description: Whether mounts below C(/) reach other mount namespaces, V(shared) or V(private).
      type: str
      sample: shared
    kubernetes:
      description: What the host is to a cluster.
      type: dict
      contains:
        state:
          description: V(fresh), V(partial) or V(member).
          type: str
          sample: member
        role:
          description: V(control_plane) or V(worker); V(null) when nothing tells.
          type: str
          sample: control_plane
        missing:
          description: Files that a member of this role has and this host has not.
          type: list
          elements: str
          sample: []
        cluster_id:
          description:
            - Hash of the public key of the cluster's CA, in the form of kubeadm's discovery; V(null) without a CA.
          type: str
          sample: sha256:8cb2de97839780a412b93877f8507ad6c94f73add17d5d7058e91741c9d5ec78
        api_server:
          description: URL that the kubelet uses, V(null) before the host joined.
          type: str
          sample: https://192.0.2.11:6443
        files:
          description: Files of kubeadm that exist.
          type: list
          elements: str
          sample: [/etc/kubernetes/kubelet.conf, /etc/kubernetes/pki/ca.crt]
        static_pods:
          description: Names of the static Pods' manifests.
          type: list
          elements: str
          sample: [etcd, kube-apiserver]
    versions:
      description: Versions of kubelet, kubeadm, containerd, runc and crictl; V(null) for what is not installed.
      type: dict
      sample: {kubelet: 1.36.4, kubeadm: 1.36.4, containerd: 2.3.4, runc: 1.4.3, crictl: null}
    kubelet:
      description: Whether the kubelet starts at boot and runs now.
      type: dict
      sample: {enabled: true, running: true}
    containerd:
      description: Whether containerd starts at boot and runs now.
      type: dict
      sample: {enabled: true, running: true}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.facts import collect


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"address_probe": {"type": "str"}, "root": {"type": "path", "default": "/"}},
        supports_check_mode=True,
    )
    root = module.params["root"]
    if not os.path.isdir(root):
        module.fail_json(msg=f"root {root} is not a directory. Give the folder that the host is mounted on.")
    module.exit_json(changed=False, node=collect(root, module.params["address_probe"]))


if __name__ == "__main__":
    main()
