# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fetch_kubeconfig
short_description: Copy a kubeconfig from a host to the controller
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Reads a kubeconfig of kubeadm on the host and writes one on the controller, with mode 0600.
  - The controller does not trust the host. It parses what the host gave and writes a file from scratch, which has one
    cluster with its URL and CA, one user with a certificate and its key, and one context. Anything else is refused by
    name, as C(exec), C(auth-provider), C(tokenFile), C(proxy-url) or a path would let the host run programs on the
    controller or read its files.
  - The content is never in a result, a diff or a log, whatever the verbosity.
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
    description: Path of the kubeconfig on the host.
    type: str
    default: /etc/kubernetes/admin.conf
  dest:
    description:
      - Path of the kubeconfig on the controller.
      - Missing directories are created with mode 0700; existing ones keep their mode.
    type: path
    required: true
  proxy_url:
    description:
      - The proxy through which the controller reaches the API server, as C(http://proxy.example.org:3128); written as
        C(proxy-url).
    type: str
    default: ""
notes:
  - The copy replaces an older one atomically.
  - A directory of O(dest) that others can write to is a warning, as they could replace the file.
seealso:
  - module: baremetal.kubernetes.client_kubeconfig
"""

EXAMPLES = r"""
- name: Fetch the administrator's kubeconfig
  baremetal.kubernetes.fetch_kubeconfig:
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
