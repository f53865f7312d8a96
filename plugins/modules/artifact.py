# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact
short_description: Place files and folders, release files verified, all or none
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Downloads many release files in one call, verifies each against its checksum, unpacks archives and puts the files
    into place, together with small files of given content and the folders that they need.
  - What is in place is compared first; nothing is downloaded for a file that is already right.
  - Nothing on the host is replaced before every file of the call was downloaded and verified. Each file is then
    replaced by a rename, so that a program may be replaced while it runs. When a replacement fails, those made before
    it are put back.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is downloaded for a plain file, nor for an archive whose contents are known from the record or of which
        nothing is in place. Otherwise the archive is downloaded, compared and removed again.
  diff_mode:
    support: full
    details:
      - Shows path, digest, mode and owner of each file and folder that changes, and the lines of files of given
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
        description: What the file O(files[].dest) shall hold, instead of something to download.
        type: str
      sensitive:
        description:
          - Keeps O(files[].content) out of the diff. Set C(no_log) on the task, too, when it is a secret.
        type: bool
        default: false
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
          - Directory that receives every regular file of an archive, with the folders that they are in.
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
  directories:
    description:
      - Folders that must be there, with exactly this mode and owner. They are made before the files.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path of the folder. A link to a folder is as good.
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
          - Removes those files below the folder whose first line holds this text and which the call does not name,
            and folders that are left empty by that. For folders that the operator's own files share.
        type: str
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
  retries:
    description:
      - Further attempts after a failed one, with growing pauses of 0.5 to 10 seconds. They continue where the
        transfer broke off, when the server can.
      - Refusals such as 404 and certificates that are not trusted are not tried again.
    type: int
    default: 3
  record:
    description:
      - JSON file that remembers which digests the files of an archive have, by checksum of the archive. Without it,
        an archive must be downloaded to be compared.
    type: path
    default: /var/lib/baremetal-kubernetes/artifacts.json
  work_dir:
    description:
      - Directory for downloads. By default they are written into a private folder beside their destination, which is
        removed at the end.
    type: path
  headers:
    description:
      - HTTP headers sent with each request, for example C(Authorization). A redirect to another host does not get
        them.
    type: dict
notes:
  - Proxies are taken from the environment (C(https_proxy), C(http_proxy), C(no_proxy)).
  - Archives with absolute names, names with C(..), links that leave the tree, devices, two members of one name, or
    more than 4 GiB of content are refused.
  - Missing parent directories are made with mode 0755.
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

- name: Write a small configuration and its folder
  baremetal.kubernetes.artifact:
    directories:
      - path: /etc/containerd
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
      description: The file's O(files[].url); V(null) for one of given content.
      type: str
      sample: https://dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet
    member:
      description: Name inside the archive, V(null) for a plain file.
      type: str
      sample: bin/containerd
directories:
  description: Every folder that the call concerns.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The folder.
      type: str
      sample: /etc/containerd/certs.d
    changed:
      description: Whether it was made, got another mode or owner, or lost files (or would, in check mode).
      type: bool
      sample: false
    removed:
      description: Marked files below it that went, or would.
      type: list
      elements: str
      sample: [/etc/containerd/certs.d/quay.io/hosts.toml]
downloaded_bytes:
  description: Bytes that were downloaded by this call.
  returned: success
  type: int
  sample: 58191140
"""

import dataclasses
import grp
import os
import pwd
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact import record
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.download import Fetcher, Space
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.host import (
    Stage,
    Staged,
    fetch_all,
    observe,
    observe_folders,
    place,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import (
    ArtifactError,
    FileSpec,
    FolderSpec,
    parse_file,
    parse_folder,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.plan import (
    Plan,
    Target,
    plan_files,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "url": {"type": "str"},
            "checksum": {"type": "str"},
            "content": {"type": "str"},
            "sensitive": {"type": "bool", "default": False},
            "dest": {"type": "str"},
            "members": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "source": {"type": "str", "required": True},
                    "dest": {"type": "str", "required": True},
                    "mode": {"type": "str"},
                },
            },
            "unpack_to": {"type": "str"},
            "strip": {"type": "int", "default": 0},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "mode": {"type": "str", "default": "0755"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
        },
    },
    "directories": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "mode": {"type": "str", "default": "0755"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "purge_marked": {"type": "str"},
        },
    },
    "ca_path": {"type": "path"},
    "ca": {"type": "str"},
    "timeout": {"type": "int", "default": 30},
    "retries": {"type": "int", "default": 3},
    "record": {"type": "path", "default": "/var/lib/baremetal-kubernetes/artifacts.json"},
    "work_dir": {"type": "path"},
    "headers": {"type": "dict", "no_log": True},
}

# Bytes of a file that a diff shows at most.
_SHOWN = 1 << 20


def _number(text: str, kind: str, lookup: t.Callable[[str], int], name: str) -> int:
    if text.isdigit():
        return int(text)
    try:
        return lookup(text)
    except KeyError as exc:
        raise ArtifactError(
            f"{name}: there is no {kind} {text!r} on this host.", f"Make the {kind} before, or give a number."
        ) from exc


def _owner(raw: t.Mapping[str, t.Any], name: str) -> tuple[int, int]:
    """Numbers of the user and the group that an entry names."""
    user, group = raw["owner"] or str(os.geteuid()), raw["group"] or str(os.getegid())
    return (
        _number(user, "user", lambda text: pwd.getpwnam(text).pw_uid, name),
        _number(group, "group", lambda text: grp.getgrnam(text).gr_gid, name),
    )


def specs_from(params: t.Mapping[str, t.Any]) -> tuple[FileSpec, ...]:
    """The files as asked for, with numeric owners."""
    return tuple(parse_file(raw, *_owner(raw, raw["name"])) for raw in params["files"])


def folders_from(params: t.Mapping[str, t.Any]) -> tuple[FolderSpec, ...]:
    """The folders as asked for, with numeric owners."""
    return tuple(parse_folder(raw, *_owner(raw, raw["path"])) for raw in params["directories"])


def owner_of(uid: int, gid: int) -> str:
    """C(user:group) by name where the host knows one."""
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    try:
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        group = str(gid)
    return f"{user}:{group}"


def needed_to_tell(plan: Plan) -> Plan:
    """The downloads without which check mode could not tell the truth: archives of unknown content, partly in place."""
    undecided = {
        target.spec for target in plan.targets if target.expected is None and target.before.kind == "file"
    }
    undecided |= {spec for spec in plan.open_ended if spec.unpack_to and _has_entries(spec.unpack_to)}
    return dataclasses.replace(plan, fetch=tuple(spec for spec in plan.fetch if spec in undecided))


def _has_entries(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False


def report(target: Target, staged: Staged) -> dict[str, t.Any]:
    """The return value of one path."""
    key = str(target.spec.checksum)
    download = staged.downloads.get(key)
    facts = staged.contents.get(key, {}).get(target.member or "")
    sha256: str | None = target.before.digests.get("sha256")
    size: int | None = target.before.size
    if target.content:
        sha256 = target.expected.digest if target.expected and target.expected.algorithm == "sha256" else None
        size = None
        if facts is not None:
            sha256, size = facts.sha256, facts.size
        elif download is not None and target.member is None:
            sha256, size = download.sha256, download.size
    return {
        "name": target.spec.name,
        "dest": target.dest,
        "changed": target.changed,
        "previous_sha256": target.before.digests.get("sha256"),
        "sha256": sha256,
        "size": size,
        "source": target.spec.url or None,
        "member": target.member,
    }


def diff_of(plan: Plan) -> dict[str, str] | list[dict[str, str]]:
    """One summary of all that changes, and the lines of each small file that gets another content."""
    rows = [plan.diff(owner_of)]
    for target in plan.targets:
        spec = target.spec
        if spec.content is None or not target.content or spec.sensitive:
            continue
        rows.append(
            {
                "before_header": target.dest,
                "after_header": target.dest,
                "before": _text(target.dest) if target.before.kind == "file" else "",
                "after": spec.content.decode(),
            }
        )
    return rows if len(rows) > 1 else rows[0]


def _text(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            return stream.read(_SHOWN).decode("utf-8", "replace")
    except OSError:
        return ""


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan, fetch, plan again with what archives hold, place."""
    params = module.params
    specs = specs_from(params)
    folders = observe_folders(folders_from(params))
    known: dict[str, t.Any] = dict(record.load(params["record"]))
    found = observe(specs, known, {})
    plan = plan_files(specs, found, known, folders=folders)
    staged = Staged()
    space = Space()
    with Stage(params["work_dir"]) as stage:
        wanted = needed_to_tell(plan) if module.check_mode else plan
        if wanted.fetch:
            fetcher = Fetcher(
                ca_path=params["ca_path"],
                ca=params["ca"],
                timeout=params["timeout"],
                retries=params["retries"],
                headers=params["headers"],
                space=space,
            )
            staged = fetch_all(wanted, fetcher, stage, space)
            known.update(staged.contents)
            found = observe(specs, known, found)
            plan = plan_files(specs, found, known, staged.downloads, folders)
        diff = diff_of(plan) if module._diff else None
        if not module.check_mode:
            place(plan, staged, stage, lambda path: _label(module, path))
            record.save(params["record"], staged.contents)
    result: dict[str, t.Any] = {
        "changed": plan.changed,
        "files": [report(target, staged) for target in plan.targets],
        "directories": [
            {"path": item.spec.path, "changed": item.changed, "removed": list(item.purge)}
            for item in plan.folders
        ],
        "downloaded_bytes": sum(download.size for download in staged.downloads.values()),
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
    try:
        result = run(module)
    except ArtifactError as exc:
        module.fail_json(msg=str(exc), **exc.context)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
