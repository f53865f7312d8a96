# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_restore
short_description: Give a control plane the data and keys of a backup, or make its member of etcd a cluster of its own
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Decrypts and verifies a backup on the controller, and makes of its snapshot the data of a new etcd with one member
    on the host. Then it places the authorities and keys that the host lacks.
  - Without O(archive), it does the same with the database that the host has. A control plane that is left of a cluster
    without quorum thus becomes the first one of it again.
  - On a host that runs a control plane, the new data is ready and verified before anything is stopped. What was there
    stays in C(/var/lib/etcd) as C(before-restore-) and the time.
  - On an empty host, C(kubeadm init) has to follow; it keeps the data and keys that it finds.
  - Revisions of the new etcd begin one billion above those of the snapshot, so that no client mistakes old data for
    what it knows.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - A host whose etcd was made of the same snapshot already is left as it is, but for O(force).
options:
  archive:
    description: The backup on the controller, as M(baremetal.kubernetes.etcd_snapshot) makes it.
    type: path
  identity:
    description: File on the controller with the private key of a recipient of the backup, for one that age encrypted.
    type: path
    default: ""
  node_name:
    description: Name of the node, and so of the member.
    type: str
    required: true
  address:
    description: Address of the node in the cluster.
    type: str
    required: true
  image:
    description: Reference of etcd's image, whose C(etcdutl) restores.
    type: str
    required: true
  images:
    description: Digest by reference, for an image that is verified when it is pulled.
    type: dict
    default: {}
  force:
    description: Whether to restore a host again that was restored from this backup.
    type: bool
    default: false
  timeout:
    description:
      - Seconds that etcd may take to become healthy where it ran before, and that the image may take to arrive.
    type: int
    default: 300
  snapshot:
    description: The snapshot on the host. The action sets it.
    type: path
  sha256:
    description: SHA-256 of O(snapshot). The action sets it.
    type: str
  files:
    description: Content in base64 and mode of files by path. The action sets it.
    type: dict
    default: {}
  root:
    description: Directory below which the module works, for tests.
    type: path
    default: /
seealso:
  - module: baremetal.kubernetes.etcd_snapshot
  - module: baremetal.kubernetes.backup_info
"""

EXAMPLES = r"""
- name: Restore the data of the cluster
  baremetal.kubernetes.etcd_restore:
    archive: /srv/backups/site-a/site-a-20261129T030000Z.tar.gz.age
    identity: /root/backup.key
    node_name: cp1
    address: 192.0.2.11
    image: registry.k8s.io/etcd:3.6.8-0
"""

RETURN = r"""
steps:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [etcd's data restored, /etc/kubernetes/pki/ca.key placed]
kept:
  description: Where etcd's former data is now; empty when there was none.
  returned: success
  type: str
  sample: /var/lib/etcd/before-restore-20261129T030000Z
"""

import base64
import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup import data
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup.etcdutl import Etcdutl
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.client import Etcd
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.members import EtcdError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import images
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import programs

ARGUMENT_SPEC: dict[str, t.Any] = {
    "archive": {"type": "path"},
    "identity": {"type": "path", "default": ""},
    "node_name": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    "image": {"type": "str", "required": True},
    "images": {"type": "dict", "default": {}},
    "force": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 300},
    "snapshot": {"type": "path"},
    "sha256": {"type": "str"},
    "files": {"type": "dict", "default": {}, "no_log": True},
    "root": {"type": "path", "default": "/"},
}
_POLL_SECONDS = 0.5


def etcd_of(root: str) -> tuple[int, str | None]:
    """The id of the cluster of the etcd that runs here, 0 when none answers, and why it is not healthy."""
    try:
        etcd = Etcd(root, 0)
        failure = etcd.local_failure()
        return int((etcd.status().get("header") or {}).get("cluster_id") or 0), failure
    except EtcdError as exc:
        return 0, exc.message


def restored(params: t.Mapping[str, t.Any], identity: data.Identity) -> bool:
    """Whether the data is in place already."""
    if params["force"]:
        return False
    cluster_id, failure = etcd_of(params["root"])
    # Data that a host has is restored because its etcd has no quorum.
    return cluster_id == identity.cluster_id if params["sha256"] else failure is None


def ensure_image(params: t.Mapping[str, t.Any], host: str) -> None:
    """Have etcd's image on the host."""
    digest = params["images"].get(params["image"])
    if digest:
        images.ensure(host, {params["image"]: digest}, params["timeout"])
    elif programs.command(["crictl", "inspecti", "--quiet", params["image"]])[0] != 0:
        code, output = programs.command(["crictl", "pull", params["image"]], params["timeout"])
        if code != 0:
            raise data.RestoreError(
                f"{host}: {params['image']} cannot be pulled: {output.strip()[-300:]}",
                "Check that the registry or the mirror (cluster_registry) has it and that this host reaches it.",
            )


def wait_healthy(params: t.Mapping[str, t.Any], host: str) -> None:
    """Wait until etcd serves the new data."""
    deadline = time.monotonic() + params["timeout"]
    while (failure := etcd_of(params["root"])[1]) is not None:
        if time.monotonic() > deadline:
            raise data.RestoreError(
                f"{host}: etcd is not healthy {params['timeout']} s after its data was restored: {failure}.",
                "Look at etcd's container on this host (crictl ps -a, crictl logs). What it had before is in"
                f" {data.DATA}/{data.BEFORE}*.",
            )
        time.sleep(_POLL_SECONDS)


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Prepare, exchange, place."""
    params = module.params
    host, root = os.uname().nodename, params["root"]
    address = params["address"]
    address = f"[{address}]" if ":" in address else address
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    token = data.token_of(params["sha256"] or moment)
    identity = data.Identity(params["node_name"], f"https://{address}:2380", token)
    given = {
        path: (base64.b64decode(value["content"]), int(value["mode"]))
        for path, value in params["files"].items()
    }
    files = data.files_to_place(root, given, host)
    exchange = not restored(params, identity)
    steps = [
        *(["etcd's data restored"] if exchange else []),
        *(f"{path} placed" for path in sorted(files)),
    ]
    result: dict[str, t.Any] = {
        "changed": bool(steps),
        "steps": steps,
        "kept": "",
        "diff": {"before": "", "after": "".join(f"{step}\n" for step in steps)},
    }
    if module.check_mode or not steps:
        return result
    if exchange:
        ensure_image(params, host)
        tool = Etcdutl(host, params["image"], node.under(root, data.DATA))
        target = data.Data(host, tool, root)
        if params["sha256"]:
            target.prepare(params["snapshot"], params["sha256"], identity)
        with target.stopped():
            if not params["sha256"]:
                target.prepare_own(identity)
            result["kept"] = target.exchange(moment)
    data.place(root, files)
    if exchange and os.path.exists(node.under(root, node.ETCD_MANIFEST)):
        wait_healthy(params, host)
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
