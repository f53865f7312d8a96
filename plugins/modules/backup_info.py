# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
short_description: Verify a backup, and whether it can become the cluster of an inventory
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Decrypts all of a backup on the controller, and verifies each file of it against its hash.
  - With O(cluster), it fails with one message that lists everything which is against a restore on O(hosts), and
    otherwise says which control plane gets the data.
  - Runs on the controller and contacts no host. Nothing of the backup is written.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes.info
options:
  archive:
    description: The backup on the controller, as M(baremetal.kubernetes.etcd_snapshot) makes it.
    type: path
    required: true
  identity:
    description: File on the controller with the private key of a recipient of the backup, for one that age encrypted.
    type: path
    default: ""
  cluster:
    description: The cluster of the inventory.
    type: dict
    suboptions:
      cluster_name:
        description: Its name.
        type: str
        required: true
      kubernetes_version:
        description: Version that is going to run.
        type: str
        required: true
      etcd_version:
        description: Version of etcd's image.
        type: str
        required: true
      endpoint:
        description: Address and port of its API; empty for those of its one control plane.
        type: str
        default: ""
      service_cidr:
        description: Network of Services.
        type: str
        default: ""
      pod_cidr:
        description: Network of pods.
        type: str
        default: ""
      dns_domain:
        description: DNS domain of Services.
        type: str
        default: ""
  hosts:
    description:
      - What RV(baremetal.kubernetes.node_info#module:node.kubernetes) says of each host, empty for one that does not
        answer. Control planes are in the order of the inventory.
    type: dict
    default: {}
  control_planes:
    description: Those of O(hosts) that are control planes.
    type: list
    elements: str
    default: []
  addresses:
    description: Addresses of control planes in the cluster.
    type: dict
    default: {}
seealso:
  - module: baremetal.kubernetes.etcd_snapshot
  - module: baremetal.kubernetes.etcd_restore
"""

EXAMPLES = r"""
- name: Verify a backup
  baremetal.kubernetes.backup_info:
    archive: /srv/backups/site-a/site-a-20261129T030000Z.tar.gz.age
    identity: /root/backup.key
"""

RETURN = r"""
manifest:
  description: What it is a backup of, without secrets.
  returned: success
  type: dict
  sample: {created: "2026-11-29T03:00:00Z", host: cp1, etcd: {revision: 4711, keys: 900}}
host:
  description: The control plane that gets the data; empty without O(cluster).
  returned: success
  type: str
  sample: cp1
reset:
  description: Control planes that have to be reset, as they have data of the former etcd.
  returned: success
  type: list
  elements: str
  sample: [cp2]
findings:
  description: What is against a restore.
  returned: success
  type: list
  elements: str
  sample: []
"""
