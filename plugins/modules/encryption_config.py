# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: encryption_config
short_description: Manage the encryption configuration of a control plane
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Writes the C(EncryptionConfiguration) that the API server reads with C(--encryption-provider-config). Its keys
    belong to the cluster, are created on a control plane, and are copied only to other control planes.
  - Data is encrypted by C(secretbox), with a key of 32 random bytes.
  - A file that this module did not create is refused, and left as it is. So are keys that differ between control
    planes.
  - The API server must read the file again by itself (C(--encryption-provider-config-automatic-reload)); this module
    restarts nothing, and waits for it with O(wait_seconds).
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Names of keys are shown, never the keys.
  idempotent:
    support: full
options:
  path:
    description: Where the file is.
    type: path
    default: /etc/kubernetes/encryption/config.yaml
  content:
    description: The file of another control plane, whose keys this host has to have, too.
    type: str
  generate:
    description:
      - Whether a host without a file gets one with a new key, when O(content) is not given.
      - One run at a time decides that on a host. When several hosts may get the first key, choose the same one in every
        run, whatever the order of its inventory.
    type: bool
    default: false
  resources:
    description: What is encrypted, as the API server names it.
    type: list
    elements: str
    default: [secrets]
  writes:
    description:
      - The provider that encrypts what is stored from now on. V(identity) does not encrypt, but lets the API server
        read what others have encrypted already. It is for the time until all API servers have the key.
      - By default a file keeps its provider, and a new one gets V(secretbox).
    type: str
    choices: [secretbox, identity]
  rotation:
    description:
      - A step of the rotation of the key, for a host that has a file. All control planes have to do a step, and their
        API servers have to read the file, before the next step.
      - V(add) adds the keys of O(content), and a new one where O(generate) is true and no second key is known. What
        encrypts stays first.
      - V(promote) has the newest key encrypt, and V(remove) removes all others, once nothing is stored with them.
    type: str
    choices: [add, promote, remove]
  wait_seconds:
    description:
      - Seconds to wait at most until the API server of this host has read the file, which it does once a minute. 0 does
        not wait.
      - It tells with a metric which file it has read; one that has no such metric is given 75 seconds.
    type: int
    default: 0
  reveal:
    description: Whether RV(content) is returned, to copy the file to another control plane. Use it with C(no_log).
    type: bool
    default: false
seealso:
  - module: baremetal.kubernetes.reencrypt_resources
notes:
  - The keys are in no backup of etcd. Keep a copy of the file in a safe place.
"""

EXAMPLES = r"""
- name: Create a key where there is none
  baremetal.kubernetes.encryption_config:
    generate: true

- name: Read the file of a control plane that has one
  baremetal.kubernetes.encryption_config:
    reveal: true
  delegate_to: cp1
  register: encryption
  no_log: true

- name: Use the same keys here
  baremetal.kubernetes.encryption_config:
    content: "{{ encryption.content }}"
  no_log: true
"""

RETURN = r"""
exists:
  description: Whether the host has the file afterwards.
  returned: success
  type: bool
  sample: true
digest:
  description: Hash of the keys, the same on all control planes; V(null) without a file.
  returned: success
  type: str
  sample: sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
writes:
  description: What encrypts, V(secretbox) or V(identity); V(null) without a file.
  returned: success
  type: str
  sample: secretbox
key_names:
  description: Names of the keys, the one that encrypts first.
  returned: success
  type: list
  elements: str
  sample: [key-20261121-8d1c0b53]
waited:
  description: Seconds until the API server of this host had read the file.
  returned: O(wait_seconds) is given and the host has the file
  type: float
  sample: 31.5
content:
  description: The file.
  returned: O(reveal) is true and the host has the file
  type: str
  sample: "..."
"""

import base64
import contextlib
import fcntl
import os
import secrets
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._encryption import plan, reload
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import files

LOCK_SECONDS = 30
ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "default": "/etc/kubernetes/encryption/config.yaml"},
    "content": {"type": "str", "no_log": True},
    "generate": {"type": "bool", "default": False},
    "resources": {"type": "list", "elements": "str", "default": ["secrets"]},
    "writes": {"type": "str", "choices": [plan.SECRETBOX, plan.IDENTITY]},
    "rotation": {"type": "str", "choices": [plan.ADD, plan.PROMOTE, plan.REMOVE]},
    "wait_seconds": {"type": "int", "default": 0},
    "reveal": {"type": "bool", "default": False},
}


def read(path: str) -> str | None:
    """The file, C(None) when there is none.

    :raises OperatorError: when it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise OperatorError(
            f"{os.uname().nodename}: {path} cannot be read: {exc}.",
            "Run this as root, and check what the file is.",
        ) from exc


def misplaced(path: str) -> bool:
    """Whether mode or owner are wrong, so that others than root may read or replace the file."""
    state = os.stat(path)
    return (state.st_mode & 0o777, state.st_uid, state.st_gid) != (0o600, os.geteuid(), os.getegid())


def unwritable(path: str, exc: OSError) -> OperatorError:
    """The error for a file or directory that cannot be written."""
    return OperatorError(
        f"{os.uname().nodename}: {path} cannot be written: {exc.strerror}. Nothing was changed.",
        "Run this as root, on a file system that can be written.",
    )


@contextlib.contextmanager
def exclusive(path: str) -> t.Iterator[None]:
    """Let one run at a time read the file, decide and write it: two operators would make two keys.

    The lock is on the directory, so that it leaves nothing behind, and ends with the process, whatever ends that.

    :raises OperatorError: when the directory cannot be made, or another run keeps the lock.
    """
    directory = os.path.dirname(path)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as exc:
        raise unwritable(directory, exc) from exc
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise OperatorError(
                        f"{os.uname().nodename}: another run works on {path} for {LOCK_SECONDS} s already; expected one"
                        " at a time. Nothing was changed.",
                        "Wait until the other run ends, and run again.",
                    ) from None
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def write(path: str, text: str) -> None:
    """Replace the file, which only root may read, as its directory.

    :raises OperatorError: when it cannot be written; the old one stays.
    """
    try:
        files.write_atomic(path, text.encode(), 0o600, (os.geteuid(), os.getegid()))
    except OSError as exc:
        raise unwritable(path, exc) from exc


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan, apply."""
    # What has nothing to write waits for nobody.
    writes = any(module.params[name] for name in ("generate", "content", "writes", "rotation"))
    lock = exclusive(module.params["path"]) if writes and not module.check_mode else contextlib.nullcontext()
    with lock:
        result = converge(module)
    if module.params["wait_seconds"] and not module.check_mode and result["exists"]:
        result["waited"] = reload.wait(module.params["path"], module.params["wait_seconds"])
    return result


def fresh_key(keys: t.Sequence[plan.Key]) -> plan.Key:
    """A new key, newer than those."""
    secret = base64.b64encode(secrets.token_bytes(plan.KEY_BYTES)).decode()
    return plan.named_key(secret, plan.created_after(keys, time.strftime("%Y%m%d%H%M%S", time.gmtime())))


def rotate(
    found: plan.Config | None, given: plan.Config | None, params: t.Mapping[str, t.Any], where: str
) -> plan.Config:
    """The configuration after a step of a rotation.

    :raises OperatorError: without a file that encrypts.
    """
    if found is None or found.writes != plan.SECRETBOX:
        raise OperatorError(
            f"{where} {'does not exist' if found is None else 'does not encrypt'}; expected the file of a cluster that"
            " encrypts.",
            "Run the playbook site, which writes it, before rotate_encryption_key.",
        )
    new = params["rotation"] == plan.ADD and params["generate"] and len(found.keys) == 1 and given is None
    return plan.rotated(found, given, params["rotation"], fresh_key(found.keys) if new else None)


def converge(module: AnsibleModule) -> dict[str, t.Any]:
    """The same, while nobody else does."""
    params, host = module.params, os.uname().nodename
    path = params["path"]
    text = read(path)
    found = None if text is None else plan.parse(text, f"{host}: {path}")
    given = None
    if params["content"]:
        given = plan.parse(params["content"], "The given content")
    if params["rotation"]:
        wanted = rotate(found, given, params, f"{host}: {path}")
    else:
        new_key = fresh_key(()) if params["generate"] and not found and not given else None
        base = found or given
        writes = params["writes"] or (base.writes if base else plan.SECRETBOX)
        wanted = plan.desired(found, given, params["resources"], writes, new_key, host)
    result: dict[str, t.Any] = {
        "changed": False,
        "exists": wanted is not None,
        "digest": wanted.digest if wanted else None,
        "writes": wanted.writes if wanted else None,
        "key_names": [key.name for key in wanted.keys] if wanted else [],
    }
    if wanted is None:
        return result
    after = plan.render(wanted)
    result["changed"] = text != after or misplaced(path)
    if result["changed"] and not module.check_mode:
        write(path, after)
    if module._diff and result["changed"]:
        before, then = plan.difference(found, wanted)
        result["diff"] = {"before": before, "after": then, "before_header": path, "after_header": path}
    if params["reveal"]:
        result["content"] = after
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
