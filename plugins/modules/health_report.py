# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_report
short_description: Report the health of a whole cluster
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Evaluates what M(baremetal.kubernetes.node_info), M(baremetal.kubernetes.certificates_info),
    M(baremetal.kubernetes.etcd_info) and M(baremetal.kubernetes.backup_schedule_info) found on every host, and what the
    API servers say, and returns every finding with its host and the next step. It changes nothing, and does not fail
    when something is not healthy.
  - The checks are described in C(docs/health.md) of the collection.
  - Runs on the controller, with its kubeconfig and its Python packages; it contacts API servers and no host.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._attributes.info
requirements:
  - kubernetes >= 31.0
options:
  hosts:
    description:
      - Registered result of M(baremetal.kubernetes.node_info) by the host's name in the inventory, with facts for a
        preflight, which have the clock. One that failed is a finding.
    type: dict
    required: true
  certificates:
    description: Registered result of M(baremetal.kubernetes.certificates_info) by host.
    type: dict
    default: {}
  etcd:
    description: Registered result of M(baremetal.kubernetes.etcd_info) by host.
    type: dict
    default: {}
  backups:
    description: Registered result of M(baremetal.kubernetes.backup_schedule_info) by host.
    type: dict
    default: {}
  control_planes:
    description: All control planes of the inventory.
    type: list
    elements: str
    required: true
  inventory:
    description: All hosts of the inventory. Nodes that are none of them are a finding when all are in O(hosts).
    type: list
    elements: str
    default: []
  kubeconfig:
    description: File with address and credentials of the cluster; by default the one that C(kubectl) would use.
    type: path
  kubernetes_version:
    description: Version of Kubernetes by the inventory, without a leading C(v). When empty, it is not compared.
    type: str
    default: ""
  certificate_days:
    description: Certificates that end within this number of days are a warning.
    type: int
    default: 30
  database_used:
    description: Percent of its quota from which on the size of etcd's database is a warning.
    type: int
    default: 80
  database_free:
    description: Percent of the database that defragmentation would give back from which on that is a warning.
    type: int
    default: 50
  clock_skew:
    description: Seconds that a host's clock may differ from the others.
    type: float
    default: 5
seealso:
  - module: baremetal.kubernetes.cluster_health
  - module: baremetal.kubernetes.etcd_info
"""

EXAMPLES = r"""
- name: Evaluate the health of the cluster
  baremetal.kubernetes.health_report:
    hosts: "{{ dict(groups.all | zip(groups.all | map('extract', hostvars, 'node_info'))) }}"
    control_planes: [cp1]
    kubeconfig: ~/.kube/example
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
healthy:
  description: Whether nothing is critical.
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
      description: Host by its name in the inventory, empty for the cluster as a whole.
      type: str
      sample: cp2
    check:
      description: Name of the check.
      type: str
      sample: etcd_member
    severity:
      description: V(critical) or V(warning).
      type: str
      sample: critical
    found:
      description: What was found.
      type: str
      sample: "a member that does not serve: https://192.0.2.12:2379: Connection refused"
    expected:
      description: What was expected.
      type: str
      sample: ok
    next_step:
      description: What to do about it.
      type: str
      sample: Look at etcd's container on that host (crictl ps -a, crictl logs)
counts:
  description: Number of findings by severity.
  returned: always
  type: dict
  sample: {critical: 1, warning: 0}
message:
  description: How many findings there are, and those that are critical, one line each.
  returned: always
  type: str
  sample: 0 critical finding(s) and 0 warning(s). Nothing was changed.
report:
  description:
    - The report for people. It has all findings, the members of etcd with the quorum after the loss of each, and all
      certificates with their end.
  returned: always
  type: list
  elements: str
  sample: ["healthy: nothing was found"]
"""
