# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: reencrypt_resources
short_description: Re-encrypt stored Secrets with the current key, or decrypt them
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - An API server encrypts only what is written after it has read its key. This module finds in etcd what was stored
    before, and has the API server write it again. Before encryption is disabled, it does the opposite.
  - It runs on a control plane with its own etcd, once for a cluster. Contents are neither changed nor returned.
  - It waits for an API server that has not read its new configuration yet.
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
  path:
    description: The file that M(baremetal.kubernetes.encryption_config) keeps.
    type: path
    default: /etc/kubernetes/encryption/config.yaml
  resources:
    description: What to re-encrypt.
    type: list
    elements: str
    choices: [secrets, configmaps]
    default: [secrets]
  writes:
    description:
      - How everything has to be stored, V(secretbox) for encrypted with the first key of O(path), V(identity) for not
        encrypted.
      - The file must have this provider first, except in check mode.
    type: str
    choices: [secretbox, identity]
    default: secretbox
  timeout:
    description: Seconds that the API server may take to read its configuration, which it does once a minute.
    type: int
    default: 180
seealso:
  - module: baremetal.kubernetes.encryption_config
"""

EXAMPLES = r"""
- name: Encrypt all Secrets at rest
  baremetal.kubernetes.reencrypt_resources:

- name: Stop encrypting new data
  baremetal.kubernetes.encryption_config:
    writes: identity

- name: Decrypt all Secrets in etcd
  baremetal.kubernetes.reencrypt_resources:
    writes: identity
"""

RETURN = r"""
rewritten:
  description: Number of objects that were written again, or would be in check mode.
  returned: success
  type: int
  sample: 12
stored:
  description: Number of objects that were checked.
  returned: success
  type: int
  sample: 40
key:
  description:
    - Name of the current key; V(null) with O(writes=identity), or while the key does not exist yet.
  returned: success
  type: str
  sample: key-20261121-8d1c0b53
"""

import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._encryption import plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.client import Etcd
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import StatusError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module

_POLL_SECONDS = 3.0
_ATTEMPTS = 5
#: The prefix of everything that the API server has encrypted (k8s.io/apiserver, pkg/storage/value).
_ENCRYPTED = b"k8s:enc:"


ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "default": "/etc/kubernetes/encryption/config.yaml"},
    "resources": {
        "type": "list",
        "elements": "str",
        "choices": ["secrets", "configmaps"],
        "default": ["secrets"],
    },
    "writes": {"type": "str", "choices": [plan.SECRETBOX, plan.IDENTITY], "default": plan.SECRETBOX},
    "timeout": {"type": "int", "default": 180},
}


def current_key(path: str, writes: str, predict: bool = False) -> str | None:
    """Name of the key that encrypts, C(None) when nothing is to be encrypted or the key does not exist yet.

    :param writes: provider that the file must have first. :param predict: whether a task before only predicted that.
    :raises OperatorError: without a file, or when it has another provider first.
    """
    host = os.uname().nodename
    try:
        with open(path, encoding="utf-8") as handle:
            config = plan.parse(handle.read(), f"{host}: {path}")
    except OSError as exc:
        if predict and isinstance(exc, FileNotFoundError):
            return None
        raise OperatorError(
            f"{host}: {path} cannot be read: {exc.strerror}.", "Run the playbook site, which writes it."
        ) from exc
    if config.writes != writes and not predict:
        says = "encrypt" if config.writes == plan.SECRETBOX else "store as it is"
        wanted = "true" if writes == plan.SECRETBOX else "false"
        raise OperatorError(
            f"{host}: {path} says to {says}.",
            f"Run the playbook site with cluster_encryption_at_rest: {wanted}, which changes it first.",
        )
    return config.keys[0].name if writes == plan.SECRETBOX else None


def stale(
    etcd: Etcd, resources: t.Sequence[str], writes: str, key: str | None
) -> tuple[list[tuple[str, str, str]], int]:
    """What has to be written again: resource, namespace and name of each; and how many objects there are.

    :param writes: provider that everything has to be stored by.
    :param key: name of the key to encrypt with; without one, nothing is encrypted yet.
    """
    wanted = b"%s%s:v1:%s:" % (_ENCRYPTED, plan.SECRETBOX.encode(), (key or "").encode())
    found, count = [], 0
    for resource in resources:
        prefix = f"/registry/{resource}/"
        for name, value in etcd.values(prefix):
            count += 1
            right = value.startswith(wanted) if writes == plan.SECRETBOX else not value.startswith(_ENCRYPTED)
            if not right:
                namespace, _slash, own = name[len(prefix) :].partition("/")
                found.append((resource, namespace, own))
    return found, count


def rewrite(api: Api, resource: str, namespace: str, name: str) -> None:
    """Have the API server store an object again, unchanged.

    :raises OperatorError: when it refuses, or others keep changing the object.
    """
    path = f"/api/v1/namespaces/{namespace}/{resource}/{name}"
    if not any(_stored_again(api, path) for _attempt in range(_ATTEMPTS)):
        raise OperatorError(
            f"{os.uname().nodename}: {namespace}/{name} of {resource} was changed by others {_ATTEMPTS} times while it"
            " was to be stored again.",
            "Run again.",
        )


def _stored_again(api: Api, path: str) -> bool:
    """Whether the object was stored again, or is gone; false when somebody else changed it in between."""
    try:
        api.update(path, api.read(path))
    except StatusError as exc:
        if exc.status not in (404, 409):
            raise
        return exc.status == 404
    return True


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Write again what is stale, until nothing is."""
    params = module.params
    writes = params["writes"]
    # In check mode, a task before has only predicted the file.
    key = current_key(params["path"], writes, predict=module.check_mode)
    etcd = Etcd()
    left, stored = stale(etcd, params["resources"], writes, key)
    result = {"changed": bool(left), "rewritten": len(left), "stored": stored, "key": key}
    if module.check_mode or not left:
        return result
    api = Api()
    deadline = time.monotonic() + params["timeout"]
    while left:
        if time.monotonic() > deadline:
            state = f"not encrypted with {key}" if key else "encrypted"
            raise OperatorError(
                f"{os.uname().nodename}: {len(left)} objects are still {state}, {params['timeout']} s"
                f" after the first try; one is {'/'.join(left[0])}.",
                "Check in the API server's log (crictl logs) that it reads its encryption configuration; run again.",
            )
        for resource, namespace, name in left:
            rewrite(api, resource, namespace, name)
        left, _count = stale(etcd, params["resources"], writes, key)
        if left:
            time.sleep(_POLL_SECONDS)
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
