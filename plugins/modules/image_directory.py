# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_directory
short_description: Copy container images into a folder, to be carried to a registry
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Copies images with skopeo into one folder for each, named C(host/repository:tag) as below a mirroring registry.
  - C(skopeo sync --src dir --dest docker --scoped --all) pushes such a folder to a registry.
  - Images are copied as they are, with all architectures that they have, so that their digests stay what charts and
    pods name.
  - An image is complete before its folder gets its name. What is complete is not copied again, so a run that was
    interrupted goes on where it stopped.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
    details:
      - Whether a missing image has the wanted architectures is not known before it was copied.
  diff_mode:
    support: full
    details:
      - Shows the images that are copied, with the reason.
  idempotent:
    support: full
options:
  images:
    description:
      - References such as V(registry.k8s.io/pause:3.10.2). One with tag and digest is copied by its digest and kept
        by its tag.
    type: list
    elements: str
    required: true
  folder:
    description:
      - Folder that receives the images. It is made when it is missing.
      - Unfinished images are kept in a hidden folder beside it.
    type: path
    required: true
  architectures:
    description: Architectures that each image must have, for example V(amd64). None are required by default.
    type: list
    elements: str
    default: []
  source_registry:
    description:
      - Registry, as C(host:port), that has the images below upstream's host. Empty means upstream.
    type: str
    default: ""
  ca_path:
    description: PEM file with authorities that are trusted beside the system's.
    type: path
  retries:
    description: Further attempts for each image after a failed one.
    type: int
    default: 3
  skopeo:
    description: Name or path of skopeo.
    type: str
    default: skopeo
requirements:
  - skopeo 1.6 or newer
notes:
  - Credentials for registries are those of C(skopeo login).
  - skopeo accepts images by the policy of C(/etc/containers/policy.json).
seealso:
  - module: baremetal.kubernetes.artifact
"""

EXAMPLES = r"""
- name: Have the pause image in a folder
  baremetal.kubernetes.image_directory:
    folder: /srv/mirror/images
    architectures: [amd64, arm64]
    images:
      - registry.k8s.io/pause:3.10.2
"""

RETURN = r"""
images:
  description: Every image of O(images), in its order.
  returned: success
  type: list
  elements: dict
  contains:
    reference:
      description: The image's full reference.
      type: str
      sample: registry.k8s.io/pause:3.10.2
    path:
      description: Its folder.
      type: str
      sample: /srv/mirror/images/registry.k8s.io/pause:3.10.2
    digest:
      description: Digest of its manifest or index; V(null) in check mode while it is not there.
      type: str
      sample: sha256:ee6521f290b2168b6e0935a181d4cff9be1ac3f505666ef0e3c98fae8199917a
    changed:
      description: Whether it was copied, or would be.
      type: bool
      sample: true
copied:
  description: How many images were copied, or would be.
  returned: success
  type: int
  sample: 9
"""

import contextlib
import fcntl
import os
import shutil
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._mirror.directory import (
    Copy,
    Found,
    judge,
    look,
    plan_copies,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._mirror.reference import (
    Reference,
    parse_reference,
)

#: Of what skopeo says, the end has the reason.
_TAIL = 600


def check_architectures(reference: Reference, found: Found, wanted: t.Sequence[str]) -> None:
    """See that an image has every architecture that is wanted.

    :raises OperatorError: it has not.
    """
    missing = sorted(set(wanted) - found.architectures)
    if missing:
        raise OperatorError(
            f"{reference} has no image for linux on {', '.join(missing)}, only for"
            f" {', '.join(sorted(found.architectures)) or 'no architecture that it names'}.",
            "Take a tag that has it, or do without this architecture.",
        )


@contextlib.contextmanager
def work_folder(folder: str) -> t.Iterator[str]:
    """An empty folder beside the images, for those that are not finished; one run at a time has it.

    :raises OperatorError: another run has it.
    """
    path = os.path.join(os.path.dirname(folder), f".{os.path.basename(folder)}.unfinished")
    os.makedirs(path, mode=0o700, exist_ok=True)
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise OperatorError(
                f"Another run is filling {folder}.", "Wait for its end, then run this again."
            ) from exc
        # What a killed run left.
        for entry in os.scandir(path):
            _remove(entry.path)
        yield path
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(handle)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def certificates(ca_path: str | None, work: str) -> list[str]:
    """Arguments that let skopeo trust a file of authorities: it takes a folder.

    :raises OperatorError: there is no such file.
    """
    if not ca_path:
        return []
    folder = os.path.join(work, "certificates")
    os.makedirs(folder, exist_ok=True)
    try:
        shutil.copyfile(ca_path, os.path.join(folder, "ca.crt"))
    except OSError as exc:
        raise OperatorError(
            f"The CA file {ca_path} cannot be read: {exc.strerror}.", "Correct its path."
        ) from exc
    return ["--src-cert-dir", folder]


def copy_image(module: AnsibleModule, copy: Copy, work: str) -> Found:
    """Copy one image next to the others, look at it, and give it its name.

    :raises OperatorError: skopeo failed, or what it wrote is not the image.
    """
    params = module.params
    fresh = os.path.join(work, "image")
    _remove(fresh)
    skopeo = module.get_bin_path(params["skopeo"])
    if skopeo is None:
        raise OperatorError(
            f"There is no {params['skopeo']} on this machine, expected skopeo to copy images with.",
            "Install the distribution's package skopeo.",
        )
    command = [skopeo, "copy", "--all", "--preserve-digests", f"--retry-times={params['retries']}"]
    command += [*certificates(params["ca_path"], work), f"docker://{copy.source}", f"dir:{fresh}"]
    code, _out, err = module.run_command(command, environ_update={"LC_ALL": "C.UTF-8"})
    if code != 0:
        raise OperatorError(
            f"{copy.source} could not be copied; skopeo said: {err.strip()[-_TAIL:] or f'exit code {code}'}",
            "See that the image exists and its registry is reached from this machine, then run this again; images that"
            " are complete stay.",
        )
    found = look(fresh)
    problem = judge(copy.reference, found)
    if problem:
        raise OperatorError(
            f"What skopeo wrote for {copy.source} is not complete: {problem}.",
            "Check the disk, and that skopeo is 1.6 or newer.",
        )
    check_architectures(copy.reference, found, params["architectures"])
    place(fresh, os.path.join(params["folder"], copy.path), work)
    return found


def place(fresh: str, path: str, work: str) -> None:
    """Put a finished folder where an old one may be."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    old = os.path.join(work, "old")
    if os.path.lexists(path):
        os.rename(path, old)
    os.rename(fresh, path)
    _remove(old)


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan and, outside check mode, copy."""
    params = module.params
    params["folder"] = os.path.abspath(params["folder"])
    wanted = list(dict.fromkeys(parse_reference(text) for text in params["images"]))
    found = {reference.path: look(os.path.join(params["folder"], reference.path)) for reference in wanted}
    copies = plan_copies(wanted, found, params["source_registry"])
    for reference in wanted:
        if not judge(reference, found[reference.path]):
            check_architectures(reference, found[reference.path], params["architectures"])
    if copies and not module.check_mode:
        os.makedirs(params["folder"], mode=0o755, exist_ok=True)
        with work_folder(params["folder"]) as work:
            for copy in copies:
                found[copy.path] = copy_image(module, copy, work)
    fresh = {copy.path for copy in copies}
    return {
        "changed": bool(copies),
        "copied": len(copies),
        "images": [
            {
                "reference": str(reference),
                "path": os.path.join(params["folder"], reference.path),
                "digest": found[reference.path].digest or None,
                "changed": reference.path in fresh,
            }
            for reference in wanted
        ],
        "diff": {
            "before": "".join(f"{copy.path}: {copy.reason}\n" for copy in copies),
            "after": "".join(f"{copy.path}: copied from {copy.source}\n" for copy in copies),
        },
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "str", "required": True},
            "folder": {"type": "path", "required": True},
            "architectures": {"type": "list", "elements": "str", "default": []},
            "source_registry": {"type": "str", "default": ""},
            "ca_path": {"type": "path"},
            "retries": {"type": "int", "default": 3},
            "skopeo": {"type": "str", "default": "skopeo"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except OperatorError as error:
        module.fail_json(msg=str(error), **error.context)
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename or module.params['folder']}: {error.strerror}. Free space there, and see that this"
            " user may write."
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
