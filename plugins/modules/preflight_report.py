# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_report
short_description: Evaluate the preflight checks of all hosts
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Compares what M(baremetal.kubernetes.node_info) found on every host with the site's requirements.
  - When a check fails, the task fails once, with all findings of all hosts.
  - Each check, and how to fix what it finds, is described in C(docs/preflight.md) of the collection.
  - Runs on the controller and contacts no host.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - netaddr >= 1.0
options:
  hosts:
    description: Registered result of M(baremetal.kubernetes.node_info) by the host's name in the inventory.
    type: dict
    required: true
  control_planes:
    description: All control planes of the inventory.
    type: list
    elements: str
    required: true
  workers:
    description: All workers of the inventory.
    type: list
    elements: str
    default: []
  node_names:
    description: Name of the node by host, if the site sets it.
    type: dict
    default: {}
  node_addresses:
    description: Address of the node by host, if the site sets it.
    type: dict
    default: {}
  connections:
    description: C(ansible_host) by host. An address there confirms what the host reports.
    type: dict
    default: {}
  cert_sans:
    description: C(control_plane_cert_sans) by host, if the site sets it.
    type: dict
    default: {}
  node_labels:
    description: C(node_labels) by host, if the site sets it.
    type: dict
    default: {}
  node_annotations:
    description: C(node_annotations) by host, if the site sets it.
    type: dict
    default: {}
  node_taints:
    description: C(node_taints) by host, if the site sets it.
    type: dict
    default: {}
  control_plane_taints:
    description: C(control_plane_taints) by host, if the site sets it.
    type: dict
    default: {}
  kubeconfig:
    description:
      - Kubeconfig of a cluster that stands already, if it exists. When all hosts of the inventory were read, nodes of
        the cluster that are none of them are a warning.
    type: path
  api_proxy:
    description: Proxy through which the controller reaches the API server.
    type: str
    default: ""
  swap_off:
    description: C(host_swap_off) by host, if the site sets it. A host that is not listed has V(true).
    type: dict
    default: {}
  packages_managed:
    description: C(host_packages_managed) by host, if the site sets it. A host that is not listed has V(true).
    type: dict
    default: {}
  kubelet_config:
    description: Fields of KubeletConfiguration by host.
    type: dict
    default: {}
  cluster_kubelet_config:
    description: Fields of KubeletConfiguration of all hosts.
    type: dict
    default: {}
  kubernetes_version:
    description: Version of Kubernetes, without a leading C(v).
    type: str
    required: true
  supported_minors:
    description: Minor versions of Kubernetes that are supported.
    type: list
    elements: str
    default: ["1.35", "1.36", "1.37"]
  endpoint:
    description: Address and port of the API.
    type: str
    default: ""
  dns_domain:
    description: DNS domain of the cluster.
    type: str
    default: cluster.local
  pod_cidr:
    description: Network of the Pods.
    type: str
    required: true
  service_cidr:
    description: Network of the Services.
    type: str
    required: true
  ca_file:
    description: File on the controller with the CA of the mirror; empty when there is none.
    type: str
    default: ""
  http_proxy:
    description: Proxy of the site for http.
    type: str
    default: ""
  https_proxy:
    description: Proxy of the site for https.
    type: str
    default: ""
  no_proxy:
    description: What is reached without these proxies.
    type: list
    elements: str
    default: []
  tested_systems:
    description: Distributions that are tested, by C(ID) in os-release(5). Others are a warning.
    type: list
    elements: str
    default: []
  unsupported_systems:
    description: Distributions that are known not to work.
    type: list
    elements: str
    default: []
  package_managers:
    description: Package managers that missing commands can be installed with.
    type: list
    elements: str
    default: []
  kernel_min:
    description: Oldest version of the kernel.
    type: str
    default: "5.10"
  kernel_options:
    description: Options that the kernel needs.
    type: list
    elements: dict
    default: []
    suboptions:
      any_of:
        description: Symbols, one of which is enough.
        type: list
        elements: str
        required: true
      needed_by:
        description: Program that needs the option.
        type: str
        required: true
      reason:
        description: What the program needs it for.
        type: str
        required: true
      required:
        description: Whether a node cannot work without it. Otherwise a missing option is a warning.
        type: bool
        default: true
  memory_min_mib:
    description: Minimum of memory in MiB by role, V(control_plane) and V(worker).
    type: dict
    default: {}
  cpus_min:
    description: Minimum number of CPUs by role.
    type: dict
    default: {}
  disk_min_mib:
    description: Minimum of free space in MiB by path.
    type: dict
    default: {}
  ports:
    description: Ports of a node by role, such as C(6443/tcp).
    type: dict
    default: {}
  clock_skew_max:
    description: Seconds that a host's clock may differ from the others.
    type: float
    default: 5
  ignore:
    description: Checks whose findings are ignored.
    type: list
    elements: str
    default: []
  warn:
    description: Checks whose errors are reported as warnings.
    type: list
    elements: str
    default: []
  path:
    description: File on the controller that the findings are written to, as JSON. It is not written in check mode.
    type: path
seealso:
  - module: baremetal.kubernetes.node_info
"""

EXAMPLES = r"""
- name: Evaluate the preflight checks
  baremetal.kubernetes.preflight_report:
    hosts: "{{ dict(groups.all | zip(groups.all | map('extract', hostvars, 'node_info'))) }}"
    control_planes: [cp1]
    workers: [w1, w2]
    kubernetes_version: 1.36.4
    pod_cidr: 10.244.0.0/16
    service_cidr: 10.96.0.0/16
    ignore: [duplicate_product_uuid]
    path: preflight.json
  run_once: true
"""

RETURN = r"""
ok:
  description: Whether no check ended with an error.
  returned: always
  type: bool
  sample: false
findings:
  description: All findings, in the order of the report.
  returned: always
  type: list
  elements: dict
  contains:
    host:
      description: Host by its name in the inventory, empty for the site as a whole.
      type: str
      sample: w1
    check:
      description: Name of the check.
      type: str
      sample: ports
    severity:
      description: V(error), V(warning) or V(ignored).
      type: str
      sample: error
    found:
      description: What was found.
      type: str
      sample: 10250/tcp is in use on 0.0.0.0 by python3
    expected:
      description: What was expected.
      type: str
      sample: 10250/tcp free for the node
    fix:
      description: What to do.
      type: str
      sample: Stop that program, or give it another port.
counts:
  description: Number of findings by severity.
  returned: always
  type: dict
  sample: {error: 1, warning: 0, ignored: 2}
report_path:
  description: File with the findings.
  returned: O(path) is given
  type: str
  sample: /home/admin/preflight.json
"""
