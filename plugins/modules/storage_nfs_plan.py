# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_nfs_plan
short_description: Refuse NFS storage that nodes could not use, and plan its classes
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Compares what is declared for NFS storage with what the nodes have found of the servers, and with the cluster. It
    fails with all problems in one message, before anything is changed.
  - Refused are classes that csi-driver-nfs could not use, exports that a node cannot use, another installation of the
    driver, and a second default C(StorageClass). With O(enabled=false), so are pods that have a volume of the driver,
    as nodes cannot unmount it without.
  - Runs on the controller, with its kubeconfig and its Python packages; it contacts no host, and changes nothing.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._attributes.info
  - baremetal.kubernetes._kube_api
  - baremetal.kubernetes._kube_api.patience
options:
  enabled:
    description: Whether the driver is deployed, or removed.
    type: bool
    default: true
  namespace:
    description: The driver's namespace, which gets the Secrets with mount options.
    type: str
    required: true
  part_of:
    description: As of M(baremetal.kubernetes.api_objects), for all that is deployed.
    type: str
    required: true
  labels:
    description: Labels of the objects.
    type: dict
    default: {}
  classes:
    description: StorageClasses.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      server:
        description: Name or address of the NFS server.
        type: str
        required: true
      path:
        description: The exported directory, in which each volume is a directory.
        type: str
        required: true
      mount_options:
        description: Options that volumes are mounted with, as C(mount.nfs) takes them.
        type: list
        elements: str
        default: []
      reclaim_policy:
        description: What becomes of a volume whose claim is deleted.
        type: str
        choices: [Delete, Retain]
        default: Delete
      on_delete:
        description:
          - What becomes of the directory of a volume that is deleted. V(delete) deletes it, V(retain) leaves it, and
            V(archive) renames it.
        type: str
        choices: [delete, retain, archive]
        default: delete
      subdirectory:
        description:
          - Path of a volume's directory in O(classes[].path), with C(${pvc.metadata.namespace}),
            C(${pvc.metadata.name}) and C(${pv.metadata.name}). The name of the C(PersistentVolume) when it is empty.
        type: str
        default: ""
      permissions:
        description: Octal mode that a volume's directory gets; empty for the driver's own, which is 0755.
        type: str
        default: ""
      default:
        description: Whether claims without a class get this one.
        type: bool
        default: false
  snapshot_classes:
    description: VolumeSnapshotClasses.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      server:
        description: NFS server for the archives; empty for that of the volume.
        type: str
        default: ""
      path:
        description: Exported directory for the archives; empty for that of the volume.
        type: str
        default: ""
      mount_options:
        description: Options that exports are mounted with while an archive is made.
        type: list
        elements: str
        default: []
      deletion_policy:
        description: What becomes of the archive when the C(VolumeSnapshot) is deleted.
        type: str
        choices: [Delete, Retain]
        default: Delete
      default:
        description: Whether snapshots without a class get this one.
        type: bool
        default: false
  exports:
    description:
      - Host -> RV(baremetal.kubernetes.nfs_export_info#module:exports), for every node; empty for one that did not ask.
    type: dict
    default: {}
seealso:
  - module: baremetal.kubernetes.nfs_export_info
  - module: baremetal.kubernetes.api_objects
"""

EXAMPLES = r"""
- name: Ask the NFS server
  baremetal.kubernetes.nfs_export_info:
    exports: [{server: nfs.example.org, path: /srv/kubernetes}]
  register: nfs

- name: Plan the classes
  baremetal.kubernetes.storage_nfs_plan:
    kubeconfig: ~/.kube/example
    namespace: storage-nfs
    part_of: storage-nfs
    classes: [{name: nfs, server: nfs.example.org, path: /srv/kubernetes, default: true}]
    exports: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, ['nfs', 'exports']))) }}"
  run_once: true
"""

RETURN = r"""
objects:
  description:
    - StorageClasses, VolumeSnapshotClasses, and Secrets with mount options. Secrets of former classes are among them as
      long as a volume or a snapshot needs them to be deleted.
  returned: success
  type: list
  elements: dict
  sample:
    - apiVersion: storage.k8s.io/v1
      kind: StorageClass
      metadata: {name: nfs, labels: {}, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
      provisioner: nfs.csi.k8s.io
      parameters: {server: nfs.example.org, share: /srv/kubernetes, onDelete: delete}
      reclaimPolicy: Delete
      volumeBindingMode: Immediate
      allowVolumeExpansion: false
volumes:
  description: PersistentVolumes of the driver, where it was deployed as O(part_of).
  returned: success
  type: list
  elements: dict
  sample:
    - name: pvc-5f0c
      claim: shop/uploads
      place: nfs.example.org:/srv/kubernetes/pvc-5f0c
      reclaim_policy: Delete
      phase: Bound
"""
