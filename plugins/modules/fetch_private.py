# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fetch_private
short_description: Keep a copy of a secret file on the controller, for its owner alone
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Copies a file from the host to the controller. The copy has mode 0600 from its first moment on and its folder 0700.
  - The content is in no result and no diff.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
    details:
      - A source that is not there yet counts as a change.
  diff_mode:
    support: full
    details:
      - Tells in words what differs.
  idempotent:
    support: full
options:
  src:
    description: Path of the file on the host.
    type: str
    required: true
  dest:
    description: Path of the copy on the controller. Missing folders are made.
    type: path
    required: true
notes:
  - The copy replaces an older one by a rename.
seealso:
  - module: ansible.builtin.fetch
"""

EXAMPLES = r"""
- name: Keep the administrator's kubeconfig
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
  description: What was not as it shall be.
  returned: success
  type: list
  elements: str
  sample: [content differs]
"""
