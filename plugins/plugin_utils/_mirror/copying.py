# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Copy images with skopeo to the directory that is carried to an air-gapped site."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._mirror.directory import (
    Copy,
    Found,
    copy_reason,
    plan_copies,
    read_image,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._mirror.reference import (
    Reference,
    parse_reference,
)

#: The end of what skopeo prints has the reason.
_TAIL = 600


def check_architectures(reference: Reference, found: Found, wanted: t.Sequence[str]) -> None:
    """Refuse an image that lacks a wanted architecture.

    :raises OperatorError: an architecture is missing.
    """
    missing = sorted(set(wanted) - found.architectures)
    if missing:
        raise OperatorError(
            f"{reference} has no image for linux on {', '.join(missing)}, only for"
            f" {', '.join(sorted(found.architectures)) or 'no architecture that it names'}.",
            "Choose a tag that has it, or remove this architecture.",
        )


@contextlib.contextmanager
def work_directory(directory: str) -> t.Iterator[str]:
    """An empty directory beside the images, for incomplete ones; one run at a time holds its lock.

    :raises OperatorError: another run holds it.
    """
    path = os.path.join(os.path.dirname(directory), f".{os.path.basename(directory)}.unfinished")
    os.makedirs(path, mode=0o700, exist_ok=True)
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise OperatorError(
                f"Another run is writing to {directory}.", "Wait until it has ended, then run this again."
            ) from exc
        # Leftovers of a killed run.
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
    """Arguments that let skopeo trust a CA file: it reads a directory.

    :raises OperatorError: the file cannot be read.
    """
    if not ca_path:
        return []
    directory = os.path.join(work, "certificates")
    os.makedirs(directory, exist_ok=True)
    try:
        shutil.copyfile(ca_path, os.path.join(directory, "ca.crt"))
    except OSError as exc:
        raise OperatorError(
            f"The CA file {ca_path} cannot be read: {exc.strerror}.", "Correct its path."
        ) from exc
    return ["--src-cert-dir", directory]


def copy_image(params: t.Mapping[str, t.Any], copy: Copy, work: str) -> Found:
    """Copy one image, verify it, and move it to its place.

    :raises OperatorError: skopeo failed, or what it wrote is not the image.
    """
    fresh = os.path.join(work, "image")
    _remove(fresh)
    skopeo = shutil.which(params["skopeo"])
    if skopeo is None:
        raise OperatorError(
            f"There is no {params['skopeo']} on the controller, expected skopeo to copy images with.",
            "Install the distribution's package skopeo.",
        )
    command = [skopeo, "copy", "--all", "--preserve-digests", f"--retry-times={params['retries']}"]
    command += [*certificates(params["ca_path"], work), f"docker://{copy.source}", f"dir:{fresh}"]
    done = subprocess.run(
        command,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        reason = done.stderr.strip()[-_TAIL:] or f"exit code {done.returncode}"
        raise OperatorError(
            f"{copy.source} could not be copied; skopeo said: {reason}",
            "Check that the image exists and that the controller reaches its registry, then run this again; complete"
            " images stay.",
        )
    found = read_image(fresh)
    problem = copy_reason(copy.reference, found)
    if problem:
        raise OperatorError(
            f"What skopeo wrote for {copy.source} is not complete: {problem}.",
            "Check the disk, and that skopeo is 1.6 or newer.",
        )
    check_architectures(copy.reference, found, params["architectures"])
    place(fresh, os.path.join(params["directory"], copy.path), work)
    return found


def place(fresh: str, path: str, work: str) -> None:
    """Move a complete image to its place, where an old one may be."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    old = os.path.join(work, "old")
    if os.path.lexists(path):
        os.rename(path, old)
    os.rename(fresh, path)
    _remove(old)


def copy_images(params: t.Mapping[str, t.Any], check: bool) -> dict[str, t.Any]:
    """Observe, plan and, outside check mode, copy.

    :param params: options of C(image_directory). :param check: whether to plan only.
    :returns: the result that the module documents.
    :raises OperatorError: an image cannot be copied or lacks an architecture. :raises OSError: of the disk.
    """
    directory = os.path.abspath(params["directory"])
    params = {**params, "directory": directory}
    wanted = list(dict.fromkeys(parse_reference(text) for text in params["images"]))
    found = {reference.path: read_image(os.path.join(directory, reference.path)) for reference in wanted}
    copies = plan_copies(wanted, found, params["source_registry"])
    for reference in wanted:
        if not copy_reason(reference, found[reference.path]):
            check_architectures(reference, found[reference.path], params["architectures"])
    if copies and not check:
        os.makedirs(directory, mode=0o755, exist_ok=True)
        with work_directory(directory) as work:
            for copy in copies:
                found[copy.path] = copy_image(params, copy, work)
    fresh = {copy.path for copy in copies}
    return {
        "changed": bool(copies),
        "copied": len(copies),
        "images": [
            {
                "reference": str(reference),
                "path": os.path.join(directory, reference.path),
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
