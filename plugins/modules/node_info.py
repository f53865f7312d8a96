# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_info
short_description: Read the state of a host in a Kubernetes cluster
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Reads in one call the facts that determine how a host becomes a node, or which node it is. It changes nothing.
  - A host is V(fresh) without any file of kubeadm, V(member) when it has all files that a node of its role has, and
    V(partial) in between, for example after an interrupted join.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes.info
  - baremetal.kubernetes._preflight
  - baremetal.kubernetes._proxy
options:
  address_probe:
    description:
      - Destination for which RV(node.address) is determined; nothing is sent to it. By default an address that only
        the default route reaches, IPv4 before IPv6.
    type: str
  root:
    description:
      - Directory that stands for C(/), for a mounted host and for tests.
    type: path
    default: /
seealso:
  - module: baremetal.kubernetes.cluster_health
  - module: baremetal.kubernetes.preflight_report
  - module: ansible.builtin.setup
"""

EXAMPLES = r"""
- name: Read the state of every host
  baremetal.kubernetes.node_info:
  register: node_info

- name: Read the facts for preflight checks
  baremetal.kubernetes.node_info:
    preflight:
      kernel_options: [CONFIG_OVERLAY_FS, CONFIG_BPF_SYSCALL]
      ports: [6443/tcp, 8472/udp]
      paths: [/var/lib]
      urls: ["https://registry.k8s.io/v2/"]
  register: node_info
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
        - Name of the node. After the join, the one in the kubelet's client certificate; before, the host name in lower
          case, as kubeadm would choose it.
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
      description: Architecture, as in the names of release files.
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
        - The distribution's native package manager, as in C(ansible_facts.pkg_mgr), V(unknown) when the collection
          knows none.
      type: str
      sample: portage
    missing_commands:
      description:
        - Commands that a node or kubeadm's preflight needs and the host lacks, of C(conntrack), C(ethtool), C(ip),
          C(iptables), C(losetup), C(modprobe), C(mount), C(nsenter), C(socat) and C(tc).
      type: list
      elements: str
      sample: [conntrack, socat]
    optional_commands:
      description: Paths of programs that some roles need; V(null) for what the host lacks.
      type: dict
      sample: {age: null, curl: /usr/bin/curl, gpg: /usr/bin/gpg, mount.nfs: /usr/sbin/mount.nfs}
    python_version:
      description: Version of the Python that runs modules.
      type: str
      sample: 3.13.5
    python:
      description:
        - Path of that Python, as services name it. It is C(/usr/bin/python3) where that is the same one, so that it
          survives an update of the distribution.
      type: str
      sample: /usr/bin/python3
    address:
      description: Source address towards O(address_probe), V(null) without a route.
      type: str
      sample: 192.0.2.11
    addresses:
      description: Addresses of the host without loopback and link-local ones.
      type: list
      elements: str
      sample: [192.0.2.11, "2001:db8::11"]
    interfaces:
      description:
        - Network interfaces with an address that others can reach, each with C(name), C(mac) (V(null) without one),
          C(addresses) with their prefix lengths, C(kind) as of C(ip -d link), C(member) of a bridge or bond,
          C(default_route), and whether other networks are C(routed) through it.
      type: list
      elements: dict
      sample: [{name: eth0, mac: "02:00:00:00:00:0b", addresses: [192.0.2.11/24]}]
    memory_bytes:
      description: Memory in bytes.
      type: int
      sample: 16658722816
    swap_bytes:
      description: Swap space in bytes.
      type: int
      sample: 0
    cgroup:
      description: Version of the control groups (V(1), V(2) or V(hybrid)) and available controllers.
      type: dict
      sample: {version: "2", controllers: [cpu, cpuset, io, memory, pids]}
    root_propagation:
      description: Mount propagation of C(/), V(shared) or V(private).
      type: str
      sample: shared
    resolver:
      description:
        - Each C(resolv.conf) of the host, with its name servers and why pods cannot use them (empty when they can), and
          in C(kubelet) the file that the kubelet has to be given, empty when its default is right.
      type: dict
      sample:
        files: [{path: /etc/resolv.conf, nameservers: [192.0.2.53], problem: ""}]
        kubelet: ""
    kubernetes:
      description: State of the host in its cluster.
      type: dict
      contains:
        state:
          description: V(fresh), V(partial) or V(member).
          type: str
          sample: member
        role:
          description: V(control_plane) or V(worker); V(null) when the files do not determine it.
          type: str
          sample: control_plane
        missing:
          description: Files that a member of this role has and this host lacks.
          type: list
          elements: str
          sample: []
        cluster_id:
          description:
            - Hash of the public key of the cluster's CA, in the form of kubeadm's discovery; V(null) without a CA.
          type: str
          sample: sha256:8cb2de97839780a412b93877f8507ad6c94f73add17d5d7058e91741c9d5ec78
        new_cluster_id:
          description: The same of the new CA during a CA rotation, V(null) otherwise.
          type: str
          sample: null
        api_server:
          description: URL of the API server in the kubelet's kubeconfig, V(null) before the join.
          type: str
          sample: https://192.0.2.11:6443
        files:
          description: Files of kubeadm that exist.
          type: list
          elements: str
          sample: [/etc/kubernetes/kubelet.conf, /etc/kubernetes/pki/ca.crt]
        static_pods:
          description: Names of the static Pods, by their manifests.
          type: list
          elements: str
          sample: [etcd, kube-apiserver]
        verifies_kubelets:
          description:
            - Whether the API server on this host verifies serving certificates of kubelets. Without an API server,
              whether this host's kubelet has a certificate that the cluster's CA has issued.
          type: bool
          sample: true
        encrypts:
          description: Whether the API server on this host runs with a configuration of encryption at rest.
          type: bool
          sample: true
    versions:
      description: Versions of kubelet, kubeadm, containerd, runc and crictl; V(null) for what is not installed.
      type: dict
      sample: {kubelet: 1.36.4, kubeadm: 1.36.4, containerd: 2.3.4, runc: 1.4.3, crictl: null}
    daemons:
      description:
        - The daemons of the collection, each with C(enabled), C(running), C(masked), C(stale) (the service manager has
          read an older definition than the one on disk), C(started_at) (seconds since the epoch, V(null) when it is
          not known) and C(reloaded_at) (when it was last told to read its configuration again, V(null) for never).
      type: dict
      sample:
        kubelet: {enabled: true, running: true, masked: false, stale: false, started_at: 1790000000.5}
    observed_at:
      description: When the host was observed, in seconds since the epoch by its own clock.
      type: float
      sample: 1790000123.25
    security:
      description: State of the node's hardening, without secrets.
      type: dict
      contains:
        encryption:
          description:
            - The configuration of encryption at rest. C(usable) says that the collection wrote it, C(private) that
              root alone may read it, C(digest) identifies its keys without revealing them.
          type: dict
          sample:
            exists: true
            usable: true
            private: true
            digest: sha256:41f7a5e3c7b0a4a5d7c6c36a2f7ac20ec3c4bd3c0b3a3b76ac56a2d1ed1b3b5e
            writes: secretbox
            resources: [secrets]
        serving_certificate:
          description: The certificate that the kubelet was issued to serve, V(null) without one.
          type: dict
          sample:
            common_name: system:node:w1
            organizations: ["system:nodes"]
            not_after: "2027-11-28T12:00:00Z"
            days_left: 364
            issued_by_cluster_ca: true
        kubeconfigs:
          description:
            - Kubeconfigs that the collection manages on the host, by path, each with C(server), C(has_cluster_ca),
              C(private), C(modified_at) and what RV(node.security.serving_certificate) has of a certificate.
          type: dict
          sample: {}
        serving_nodes:
          description:
            - The allow-list of the kubelet CSR approver on a control plane, in which names and addresses of hosts are
              pinned. Empty without one.
          type: dict
          sample:
            w1: {host: w1.example.org, addresses: [192.0.2.21], names: []}
        users:
          description: Users that have a group of the same name.
          type: list
          elements: str
          sample: [etcd, root]
    preflight:
      description: Facts that O(preflight) asked for.
      returned: O(preflight) is given
      type: dict
      contains:
        kernel:
          description:
            - Source of the options (a file, or V(probe) for evidence in C(/proc) and C(/sys)), each option (V(y), V(m),
              V(n) or V(unknown)), and whether the running kernel's modules are installed.
          type: dict
          sample: {source: /proc/config.gz, options: {CONFIG_OVERLAY_FS: m}, modules_installed: true}
        cpus:
          description: Number of available CPUs.
          type: int
          sample: 4
        ports:
          description: Those of O(preflight.ports) that are in use, with address and process (V(null) when unknown).
          type: list
          elements: dict
          sample: [{protocol: tcp, port: 6443, address: "::", process: kube-apiserver}]
        disks:
          description: Free bytes at each of O(preflight.paths), the device number, and whether it is writable.
          type: list
          elements: dict
          sample: [{path: /var/lib, free_bytes: 21474836480, device: 2049, writable: true}]
        networks:
          description: Networks that the host has routes to.
          type: list
          elements: dict
          sample: [{network: 192.0.2.0/24, interface: eth0}]
        etcd_directory:
          description: Names in C(/var/lib/etcd), the first five.
          type: list
          elements: str
          sample: [lost+found]
        apiserver_version:
          description: Version of the API server by its static Pod's manifest, V(null) without one.
          type: str
          sample: 1.36.4
        clock:
          description:
            - The host's time, in seconds since the epoch, at the module's start and end; its offset from the
              controller's, and the uncertainty of that in seconds.
          type: dict
          sample: {began: 1790000000.123, ended: 1790000000.434, offset: -0.011, uncertainty: 0.221}
        urls:
          description: Whether each of O(preflight.urls) answered, with its status or the error, and by which proxy.
          type: list
          elements: dict
          sample: [{url: "https://registry.k8s.io/v2/", ok: true, answer: HTTP 200, proxy: ""}]
        names:
          description: Addresses of each of O(preflight.names), or why it was not resolved.
          type: list
          elements: dict
          sample: [{name: k8s.example.org, addresses: [192.0.2.10], error: ""}]
        virtual_address:
          description: Whether the host has O(preflight.virtual_address), and who answers for it on which interface.
          type: dict
          sample: {address: 192.0.2.10, interface: eth0, own: false, macs: ["02:00:00:00:00:0c"], error: null}
        overrides:
          description: Files of others that change the command or the environment of a node's daemon.
          type: list
          elements: dict
          sample: [{daemon: kubelet, path: /etc/systemd/system/kubelet.service.d/x.conf, settings: [ExecStart]}]
        resolv_conf:
          description: O(preflight.resolv_conf), in the form of C(node.resolver.files); V(null) without it.
          type: dict
          sample: {path: /etc/kubernetes/resolv.conf, nameservers: [192.0.2.53], problem: ""}
        proxy_variables:
          description: Variables of the login's environment that name a proxy, as in V([https_proxy]).
          type: list
        foreign_files:
          description: Configuration that the collection did not write and will replace.
          type: list
"""

import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import preflight_option
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.facts import architecture, collect
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.proxy import OPTION

ARGUMENT_SPEC: dict[str, t.Any] = {
    "address_probe": {"type": "str"},
    "root": {"type": "path", "default": "/"},
    "preflight": preflight_option.OPTION,
    "proxy": OPTION,
}


def read(module: AnsibleModule, began: float) -> dict[str, t.Any]:
    """Read the facts, and those of a preflight if it is asked for."""
    root, probe, asked = (module.params[name] for name in ("root", "address_probe", "preflight"))
    if asked is None:
        return collect(root, probe)
    # Imported only here: importing TLS and HTTP takes longer than reading all other facts.
    from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import preflight_facts

    try:
        request = preflight_facts.read_request(asked, module.params["proxy"])
    except OperatorError as exc:
        module.fail_json(msg=str(exc))
    running = preflight_facts.probes(request, architecture())
    node = collect(root, probe)
    node["preflight"] = preflight_facts.gather(root, request, node, running, began)
    return node


def main() -> None:
    """Run the module."""
    began = time.time()
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    root = module.params["root"]
    if not os.path.isdir(root):
        module.fail_json(
            msg=f"root {root} is not a directory. Give the directory that the host is mounted on."
        )
    module.exit_json(changed=False, node=read(module, began))


if __name__ == "__main__":
    main()
