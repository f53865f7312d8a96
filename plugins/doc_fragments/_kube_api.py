# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules share that ask the API server from the controller, as C(API_OPTIONS) of their actions."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - kubernetes >= 31.0
options:
  kubeconfig:
    description: File with address and credentials of the cluster; by default the one that C(kubectl) would use.
    type: path
  context:
    description: Context of the file; by default its current one.
    type: str
"""

    # For modules that ask again while the API server does not answer, as C(PATIENCE) of their actions.
    PATIENCE = r"""
options:
  timeout:
    description: Seconds for which the API server may be without an answer.
    type: int
    default: 120
"""
