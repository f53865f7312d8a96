# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: basic_auth_password
short_description: Keep passwords of basic authentication and their bcrypt hashes on the controller
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Generates each password that does not exist yet, and writes its bcrypt hash into a file beside it, as Prometheus and
    its exporters need it. A hash stays as long as it is that of the password, so that a second run changes nothing.
  - To replace a password, write another one into its file, or delete the file.
  - Files have mode 0600, directories that are created 0700. Neither passwords nor hashes are in the result.
  - Runs on the controller; it contacts no host.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows what is missing, and no content.
  idempotent:
    support: full
requirements:
  - bcrypt >= 4.0
options:
  paths:
    description:
      - Files on the controller, each with one line of 1 to 72 bytes. The hash is in a file with the suffix C(.bcrypt).
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Keep the password of Grafana's data source
  baremetal.kubernetes.basic_auth_password:
    paths:
      - "{{ inventory_dir }}/.credentials/metrics/prometheus.password"
  run_once: true
"""

RETURN = r"""
reasons:
  description: What was missing, by path; empty when nothing was.
  returned: success
  type: dict
  sample: {/srv/site/.credentials/metrics/prometheus.password: [there is no password]}
"""
