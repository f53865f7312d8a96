# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules that have kubeadm issue certificates."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kubeadm_path:
    description: The program, by path or by name.
    type: str
    default: kubeadm
  kubeadm_timeout:
    description: Seconds that a run of kubeadm may take.
    type: int
    default: 60
  root:
    description: Directory below which the module looks for kubeadm's files, for tests.
    type: path
    default: /
"""
