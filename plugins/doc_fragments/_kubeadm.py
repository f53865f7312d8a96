# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that the modules of kubeadm share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  skip_phases:
    description:
      - Phases of C(kubeadm init) or C(kubeadm join) that are left out, for example V(addon/kube-proxy).
    type: list
    elements: str
    default: []
  patches:
    description: Directory on the host with patches for kubeadm's manifests and for the kubelet's configuration.
    type: path
  files:
    description:
      - Files that the components read, for example an audit policy. They are placed before the components need them,
        and when one changes, the components that mount it (C(extraVolumes) of the ClusterConfiguration) restart.
      - A file that is no longer listed stays where it is.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Its path on the host.
        type: path
        required: true
      content:
        description: Its text. It is not logged.
        type: str
        required: true
      mode:
        description: Permission bits, octal.
        type: str
        default: '0600'
      owner:
        description: Name of the user that owns it.
        type: str
        default: root
      group:
        description: Name of the group that owns it.
        type: str
        default: root
      secret:
        description: Whether a diff leaves its contents out.
        type: bool
        default: true
  timeout:
    description: Seconds that kubeadm may take, and that an earlier run on this host may take to end.
    type: int
    default: 600
  ready_timeout:
    description: Seconds that a component or the kubelet may take to be healthy.
    type: int
    default: 180
  kubeadm_path:
    description: The kubeadm program, by path or by name.
    type: str
    default: kubeadm
  root:
    description:
      - Directory below which the module reads kubeadm's files. kubeadm itself does not know about it, so that it is
        useful for tests only.
    type: path
    default: /
"""
