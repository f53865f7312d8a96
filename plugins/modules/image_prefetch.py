# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_prefetch
short_description: Begin to pull images, and do not wait for them
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Starts C(crictl pull) for the images that containerd does not have, one after the other, in a process that goes on
    when the module has ended.
  - It is there to save time only. An image that cannot be pulled is pulled again by the kubelet, which reports why it
    fails.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  images:
    description: References of the images, as Pods have them, with a tag, a digest, or both.
    type: list
    elements: str
    required: true
seealso:
  - module: baremetal.kubernetes.node_plan
"""

EXAMPLES = r"""
- name: Begin to pull the image of the CNI
  baremetal.kubernetes.image_prefetch:
    images: [quay.io/cilium/cilium:v1.19.5]
"""

RETURN = r"""
images:
  description: Images that are being pulled, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [quay.io/cilium/cilium:v1.19.5]
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import images
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import programs

ARGUMENT_SPEC: dict[str, t.Any] = {"images": {"type": "list", "elements": "str", "required": True}}
_PULL = 'for image; do crictl pull "$image"; done'


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """List what is missing, and start."""
    wanted = module.params["images"]
    try:
        missing = images.missing(os.uname().nodename, wanted) if wanted else []
    except KubeadmError:
        # A run that changes nothing has not installed containerd.
        if not module.check_mode:
            raise
        missing = list(dict.fromkeys(wanted))
    if missing and not module.check_mode:
        programs.detach(["/bin/sh", "-c", _PULL, "sh", *missing])
    return {"changed": bool(missing), "images": missing}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
