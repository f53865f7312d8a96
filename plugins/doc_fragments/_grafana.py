# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules for Grafana share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  url:
    description:
      - URL of Grafana, with its path where it has one, as V(https://grafana.example.org/grafana). It is the URL of
        Grafana itself; a redirect is not followed.
    type: str
    required: true
  token:
    description: Token of a service account of Grafana. Its role V(Admin) has all permissions that are needed.
    type: str
    required: true
  ca:
    description: File with the certificates that the one of Grafana is verified by; by default those of the system.
    type: path
  timeout:
    description: Seconds that an answer may take. As long is a Grafana waited for that limits requests (429).
    type: int
    default: 30
  use_proxy:
    description: Whether the proxies of the environment (C(https_proxy), C(no_proxy)) are used.
    type: bool
    default: true
notes:
  - Runs where Grafana can be reached, usually on the controller (C(delegate_to=localhost)). Python's standard library
    is enough there.
"""

    # For modules whose objects have the mark of a cluster.
    OWNED = r"""
options:
  cluster:
    description:
      - Id of the cluster that the object belongs to. It is recorded with the object, and an object of another cluster
        is never touched.
    type: str
    required: true
  force:
    description:
      - Overwrite what somebody has edited in Grafana. Without it an edit is reported with a difference and a warning,
        and stays.
      - Also take over an object that has no mark, as one that somebody has created. An object of another cluster is
        refused all the same.
    type: bool
    default: false
  state:
    description: Whether the object exists.
    type: str
    choices: [present, absent]
    default: present
"""
