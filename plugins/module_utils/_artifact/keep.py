# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Keep configuration of others that the collection's own takes the place of."""

from __future__ import annotations

import filecmp
import os
import shutil
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import ArtifactError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.plan import Plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.marks import is_foreign, marked

_SUFFIX = ".orig"


def _free(path: str) -> str:
    """A name beside a file for its copy: one that is not there, or that has the same content already."""
    name, number = path + _SUFFIX, 0
    while os.path.lexists(name):
        if os.path.isfile(name) and filecmp.cmp(path, name, shallow=False):
            return name
        number += 1
        name = f"{path}{_SUFFIX}{number}"
    return name


def foreign(plan: Plan) -> dict[str, str]:
    """Files of others that the plan replaces by files with the collection's mark, and where each is kept."""
    found = {}
    for target in plan.targets:
        content = target.spec.content
        if not target.content or content is None or target.before.kind not in ("file", "link"):
            continue
        if marked(content.decode("utf-8", "replace")) and is_foreign(target.dest):
            found[target.dest] = _free(target.dest)
    return found


def keep(copies: t.Mapping[str, str]) -> None:
    """Copy files with owner and mode, but not executable: OpenRC would take a copy for another service.

    :raises ArtifactError: when one cannot be copied.
    """
    for path, copy in copies.items():
        try:
            if os.path.lexists(copy):
                continue
            status = os.stat(path)
            handle = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(path, "rb") as source, os.fdopen(handle, "wb") as stream:
                shutil.copyfileobj(source, stream)
                stream.flush()
                os.fchown(stream.fileno(), status.st_uid, status.st_gid)
                os.fchmod(stream.fileno(), status.st_mode & 0o666)
                os.fsync(stream.fileno())
        except OSError as exc:
            raise ArtifactError(
                f"{path} was not written by this collection and cannot be kept as {copy}: {exc.strerror or exc}."
                " Nothing was replaced.",
                "Move it away, and run again.",
            ) from exc


def warnings(copies: t.Mapping[str, str], host: str, check_mode: bool) -> list[str]:
    """What the operator is told."""
    done = "would be replaced, and kept" if check_mode else "is replaced, and kept"
    return [
        f"{host}: {path} was not written by this collection; it {done} as {copy}. Carry what you need of it over to the"
        " variables of the role, such as container_runtime_config and container_runtime_imports."
        for path, copy in copies.items()
    ]
