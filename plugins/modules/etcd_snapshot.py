# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_snapshot
short_description: Back up a cluster into an encrypted archive on the controller
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Takes a snapshot of the etcd member of a control plane, verifies it by C(etcdutl snapshot status), restores it into
    a scratch directory and reads a key there. C(etcdutl) is that of the host's own image of etcd.
  - Encrypts it together with the authorities, keys and encryption keys of the cluster on the host, for recipients of
    whom the host has the public keys only, and copies the archive to the controller.
  - Deletes older archives of the same cluster on the controller.
  - It refuses a member that is not healthy, and a learner.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
    details: Checks everything that is checked before the snapshot.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each run makes a backup.
options:
  cluster_name:
    description: Name of the cluster. The archive is called after it and the time.
    type: str
    required: true
  recipients:
    description:
      - Public keys for whom the archive is encrypted, all of age (V(age1...), V(ssh-ed25519 ...)) or all of GnuPG
        (armored).
    type: list
    elements: str
    required: true
  destination:
    description: Directory on the controller for the archive. It is created with mode 0700 when it is missing.
    type: path
    required: true
  keep:
    description: How many of the newest archives of this cluster always stay in O(destination), at least one.
    type: int
    default: 14
  keep_days:
    description: How many days the others stay; V(0) deletes them at once.
    type: int
    default: 0
  timeout:
    description: Seconds that etcd may take to answer.
    type: int
    default: 30
  directory:
    description: Directory on the host for the archive. The action sets it.
    type: path
  root:
    description: Directory below which the module reads kubeadm's files, for tests.
    type: path
    default: /
notes:
  - Keys are never written in plain text. The snapshot is, for as long as it is verified, in a directory below
    C(/var/lib/baremetal-kubernetes) that only root can read.
seealso:
  - module: baremetal.kubernetes.etcd_restore
"""

EXAMPLES = r"""
- name: Back up the cluster
  baremetal.kubernetes.etcd_snapshot:
    cluster_name: site-a
    recipients:
      - age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
    destination: /srv/backups/site-a
"""

RETURN = r"""
archive:
  description: The archive on the controller.
  returned: when a backup was made
  type: str
  sample: /srv/backups/site-a/site-a-20261129T030000Z.tar.gz.age
size:
  description: Its size in bytes.
  returned: when a backup was made
  type: int
  sample: 2345678
sha256:
  description: Its SHA-256.
  returned: when a backup was made
  type: str
  sample: 9d68969855fbf676cdb8ed758e420fb048d61f984f61de3e53eddfebe484d168
manifest:
  description: What it is a backup of, without secrets.
  returned: when a backup was made
  type: dict
  sample: {created: "2026-11-29T03:00:00Z", host: cp1, etcd: {revision: 4711, keys: 900}}
seconds:
  description: How long each part took.
  returned: when a backup was made
  type: dict
  sample: {snapshot: 0.2, verification: 2.1, archive: 0.4}
deleted:
  description: Names of older archives that were deleted.
  returned: success
  type: list
  elements: str
  sample: [site-a-20261114T030000Z.tar.gz.age]
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup import encryption
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup.create import (
    Backup,
    BackupError,
    Request,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "cluster_name": {"type": "str", "required": True},
    "recipients": {"type": "list", "elements": "str", "required": True},
    "destination": {"type": "path", "required": True},
    "keep": {"type": "int", "default": 14},
    "keep_days": {"type": "int", "default": 0},
    "timeout": {"type": "int", "default": 30},
    "directory": {"type": "path"},
    "root": {"type": "path", "default": "/"},
}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Make the archive on this host. The action does the rest."""
    params = module.params
    host = os.uname().nodename
    directory = params["directory"] or ""
    if not os.path.isdir(directory):
        raise BackupError(f"{host}: {directory or 'no directory'} is no directory.", "Report this error.")
    stat = os.stat(directory)
    backup = Backup(
        Request(
            cluster_name=params["cluster_name"],
            recipients=encryption.parse(params["recipients"]),
            directory=directory,
            root=params["root"],
            owner=(stat.st_uid, stat.st_gid),
            etcd_seconds=params["timeout"],
        ),
        host,
    )
    if module.check_mode:
        backup.check()
        return {"changed": True}
    try:
        made = backup.make()
    except OSError as exc:
        raise BackupError(
            f"{host}: {exc.filename or 'a file'}: {exc.strerror or exc}. No backup was made.",
            "Check the space and the permissions there, and run again.",
        ) from exc
    return {
        "changed": True,
        "archive": made.path,
        "size": made.size,
        "sha256": made.sha256,
        "manifest": made.manifest.summary(),
        "seconds": dict(made.seconds),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
