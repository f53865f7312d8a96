# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fetch_private
short_description: Copy a secret file from a host to the controller
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Copies a file from the host to the controller. The copy has mode 0600 from the beginning, its directory 0700.
  - The content is never in a result or a diff.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
    details:
      - A source that does not exist yet counts as a change.
  diff_mode:
    support: full
    details:
      - Says what differs, without the content.
  idempotent:
    support: full
options:
  src:
    description: Path of the file on the host.
    type: str
    required: true
  dest:
    description: Path of the copy on the controller. Missing directories are created.
    type: path
    required: true
notes:
  - The copy replaces an older one atomically.
seealso:
  - module: ansible.builtin.fetch
"""

EXAMPLES = r"""
- name: Fetch the administrator's kubeconfig
  baremetal.kubernetes.fetch_private:
    src: /etc/kubernetes/admin.conf
    dest: "{{ inventory_dir }}/.credentials/admin.kubeconfig"
"""

RETURN = r"""
dest:
  description: The copy.
  returned: success
  type: str
  sample: /home/operator/site/.credentials/admin.kubeconfig
reasons:
  description: What was not as expected.
  returned: success
  type: list
  elements: str
  sample: [content differs]
"""
