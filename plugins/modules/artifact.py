# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact
short_description: Place verified release files, small files and directories, all or none
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Downloads many release files in one call, verifies each against its checksum, unpacks archives and puts the files
    into place, together with small files of given content and the directories that they need.
  - What is in place is compared first; nothing is downloaded for a file that is already right.
  - Nothing on the host is replaced before every file of the call was downloaded and verified. Each file is then
    replaced by a rename, so that a program may be replaced while it runs. When a replacement fails, those made before
    it are put back.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._proxy
attributes:
  check_mode:
    support: full
    details:
      - Nothing is downloaded for a plain file, nor for an archive whose contents are known from the record or of which
        nothing is in place. Otherwise the archive is downloaded, compared and removed again.
  diff_mode:
    support: full
    details:
      - Shows path, digest, mode and owner of each file and directory that changes, and the lines of files of given
        content.
  idempotent:
    support: full
options:
  files:
    description:
      - The files to place.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What messages call the file, for example V(kubelet 1.36.4).
        type: str
        required: true
      url:
        description:
          - Where the file is, by C(https), C(http) or C(file).
          - Either this with O(files[].checksum), or O(files[].content) must be given.
        type: str
      checksum:
        description: Digest of what the URL gives, as C(sha256:<hex>) or C(sha512:<hex>).
        type: str
      content:
        description: Content of the file O(files[].dest), instead of something to download.
        type: str
      secret:
        description: As O(files[].content), for content that is shown nowhere, neither in logs nor in the diff.
        type: str
      dest:
        description:
          - Absolute path of a plain file.
          - Exactly one of O(files[].dest), O(files[].members) and O(files[].unpack_to) must be given.
        type: str
      members:
        description: The files to take from an archive (tar, plain or with gzip, bzip2 or xz; or zip).
        type: list
        elements: dict
        suboptions:
          source:
            description: Name inside the archive, for example V(bin/containerd); a leading C(./) does not matter.
            type: str
            required: true
          dest:
            description: Absolute path on the host.
            type: str
            required: true
          mode:
            description: Permission bits, quoted; O(files[].mode) by default.
            type: str
      unpack_to:
        description:
          - Directory that receives every regular file of an archive, with the directories that they are in.
          - Links inside the archive are checked but not unpacked.
        type: str
      strip:
        description: Leading path components dropped from names when O(files[].unpack_to) is given.
        type: int
        default: 0
      exclude:
        description:
          - Shell patterns of names (after O(files[].strip)) that O(files[].unpack_to) leaves out.
        type: list
        elements: str
        default: []
      mode:
        description: Permission bits as a quoted octal number with a leading zero.
        type: str
        default: "0755"
      owner:
        description:
          - Owner of what is placed, by name or number.
          - By default root, or the user that the module runs as when that is not root.
        type: str
      group:
        description:
          - Group of what is placed, by name or number.
          - By default root, or the group that the module runs as when it does not run as root.
        type: str
  component:
    description:
      - What the files and directories belong to, for example V(kubelet). With it, the record keeps the path and the
        SHA-256 of each file and the directories that were created, and M(baremetal.kubernetes.node_reset) removes
        them.
      - Without it, files are placed but not recorded, and a reset leaves them.
    type: str
  directories:
    description:
      - Directories that must exist with exactly this mode and owner. They are created before the files.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path. A link to a directory is accepted.
        type: str
        required: true
      mode:
        description: Permission bits, quoted.
        type: str
        default: "0755"
      owner:
        description: Owner, as in O(files[].owner).
        type: str
      group:
        description: Group, as in O(files[].group).
        type: str
      purge_marked:
        description:
          - Removes those files below the directory whose first line contains this text and which the call does not
            name, and directories that are left empty by that. For directories that also hold the operator's files.
        type: str
      data:
        description:
          - Whether O(component) keeps data in it. That it was created or found empty (but for C(lost+found)) is
            recorded, so that M(baremetal.kubernetes.node_reset) can tell its contents from those of other software.
        type: bool
        default: false
  ca_path:
    description:
      - PEM file on the host with authorities that are trusted beside the system's.
    type: path
  ca:
    description:
      - Authorities in PEM form that are trusted beside the system's and those of O(ca_path).
    type: str
  timeout:
    description: Seconds that a connection attempt or a pause within a transfer may take.
    type: int
    default: 30
  deadline:
    description: Seconds that the download of one file may take, all attempts together.
    type: int
    default: 3600
  retries:
    description:
      - Further attempts after a failed one, with growing pauses of 0.5 to 10 seconds. They continue where the
        transfer broke off, when the server can.
      - Refusals such as 404 and certificates that are not trusted are not tried again.
    type: int
    default: 3
  record:
    description:
      - JSON file with the digests of the files of each archive, by checksum of the archive. Without it, an archive
        must be downloaded to be compared. It also has what O(component) describes.
    type: path
    default: /var/lib/baremetal-kubernetes/artifacts.json
  work_dir:
    description:
      - Directory for downloads. By default they are written into a private directory beside their destination, which
        is removed at the end.
    type: path
  headers:
    description:
      - HTTP headers sent with each request, for example C(Authorization). A redirect to another host does not get
        them.
    type: dict
notes:
  - Archives with absolute names, names with C(..), links that leave the tree, devices, two members of one name, or
    more than 4 GiB of content are refused.
  - Missing parent directories are created with mode 0755.
seealso:
  - module: ansible.builtin.get_url
  - module: ansible.builtin.unarchive
"""

EXAMPLES = r"""
- name: Install the programs of a node
  baremetal.kubernetes.artifact:
    ca_path: /etc/ssl/certs/mirror-ca.pem
    files:
      - name: kubelet 1.36.4
        url: https://dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet
        checksum: sha256:cf2562db46c48ab84cc3791540778ee7fb1a0a008529adbb434723dd02ed8b4b
        dest: /usr/local/bin/kubelet
      - name: containerd 2.3.4
        url: https://github.com/containerd/containerd/releases/download/v2.3.4/containerd-2.3.4-linux-amd64.tar.gz
        checksum: sha256:9d68969855fbf676cdb8ed758e420fb048d61f984f61de3e53eddfebe484d168
        members:
          - source: bin/containerd
            dest: /usr/local/bin/containerd
          - source: bin/containerd-shim-runc-v2
            dest: /usr/local/bin/containerd-shim-runc-v2

- name: Write a small configuration and its directory
  baremetal.kubernetes.artifact:
    directories:
      - path: /etc/containerd
    component: container_runtime
    files:
      - name: containerd's configuration
        dest: /etc/containerd/config.toml
        mode: "0644"
        content: |
          version = 3

- name: Install all CNI plugins
  baremetal.kubernetes.artifact:
    files:
      - name: CNI plugins 1.9.1
        url: https://github.com/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz
        checksum: sha256:b98f74a0f8522f0a83867178729c1aa70f2158f90c45a2ca8fa791db1c76b303
        unpack_to: /opt/cni/bin
        exclude: [LICENSE, README.md]
"""

RETURN = r"""
files:
  description: Every path that the call concerns, in the order of O(files).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The file's O(files[].name).
      type: str
      sample: kubelet 1.36.4
    dest:
      description: Path on the host.
      type: str
      sample: /usr/local/bin/kubelet
    changed:
      description: Whether content, mode or owner of this path changed (or would, in check mode).
      type: bool
      sample: true
    previous_sha256:
      description: SHA-256 of the file that was there, V(null) without one.
      type: str
      sample: 3f1c3a0c5f64a6a1c9ad4c9a1f2f5e1d0b7f0a9e8d7c6b5a493827160f5e4d3c
    sha256:
      description: SHA-256 of the file as asked for; V(null) in check mode while only a download could tell.
      type: str
      sample: cf2562db46c48ab84cc3791540778ee7fb1a0a008529adbb434723dd02ed8b4b
    size:
      description: Size in bytes; V(null) in check mode while only a download could tell.
      type: int
      sample: 58191140
    source:
      description: The file's O(files[].url) without its query; V(null) for one of given content.
      type: str
      sample: https://dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet
    member:
      description: Name inside the archive, V(null) for a plain file.
      type: str
      sample: bin/containerd
    modified_at:
      description: When the file's content was last replaced, in seconds since the epoch; V(null) while it is missing.
      type: float
      sample: 1790000000.5
directories:
  description: Every directory that the call concerns.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The directory.
      type: str
      sample: /etc/containerd/certs.d
    changed:
      description: Whether it was created, got another mode or owner, or lost files (or would, in check mode).
      type: bool
      sample: false
    removed:
      description: Marked files below it that were removed, or would be.
      type: list
      elements: str
      sample: [/etc/containerd/certs.d/quay.io/hosts.toml]
kept:
  description: Files without the collection's mark that were replaced by files with it, and the copy of each.
  returned: success
  type: dict
  sample: {/etc/containerd/config.toml: /etc/containerd/config.toml.orig}
downloaded_bytes:
  description: Bytes that were downloaded by this call.
  returned: success
  type: int
  sample: 58191140
"""

import socket
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.arguments import (
    ARGUMENT_SPEC,
    request_from,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.call import Call
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.download import Fetcher
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.journal import Journal
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.keep import warnings
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.report import diff_of, result_of
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.staging import Stage
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.proxy import read


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Decide what has to be placed and, outside check mode, place it."""
    params = module.params
    download = {name: params[name] for name in ("ca_path", "ca", "timeout", "deadline", "retries", "headers")}
    download["proxy"] = read(params["proxy"])
    record = (params["record"], params["component"] or "")
    with Stage(params["work_dir"]) as stage, Journal(*record) as journal:
        call = Call(
            request_from(params),
            journal,
            stage,
            lambda: Fetcher(**download),
            module.check_mode,
        )
        decision = call.decide()
        diff = diff_of(decision.plan) if module._diff else None
        for warning in warnings(decision.foreign, socket.gethostname(), module.check_mode):
            module.warn(warning)
        if not module.check_mode:
            call.apply(decision, lambda path: _label(module, path))
    plan, staged = decision.plan, decision.staged
    result: dict[str, t.Any] = {
        "changed": plan.changed,
        "files": [result_of(target, staged) for target in plan.targets],
        "directories": [
            {"path": item.spec.path, "changed": item.changed, "removed": list(item.purge)}
            for item in plan.directories
        ],
        "kept": decision.foreign,
        "downloaded_bytes": sum(item.size for item in staged.downloads.values()),
    }
    if diff is not None:
        result["diff"] = diff
    return result


def _label(module: AnsibleModule, path: str) -> None:
    if module.selinux_enabled():
        module.set_default_selinux_context(path, False)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
