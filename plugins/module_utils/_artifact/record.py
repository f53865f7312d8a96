# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Remember what archives hold, so that an installed archive need not be downloaded again to be compared."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import (
    ArtifactError,
    Contents,
    MemberFacts,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import write_atomic

FORMAT = 1


def load(path: str) -> dict[str, dict[str, MemberFacts]]:
    """Read the record: checksum of an archive -> its regular files.

    A record that is missing or unreadable counts as empty: the cost is one download, the content is never trusted
    beyond what it says of an archive with exactly that checksum.
    """
    try:
        with open(path, encoding="utf-8") as handle:
            raw = json.load(handle)
        if raw["format"] != FORMAT:
            return {}
        return {
            checksum: {
                name: MemberFacts(sha256=str(facts["sha256"]), size=int(facts["size"]))
                for name, facts in files.items()
            }
            for checksum, files in raw["archives"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def save(path: str, archives: t.Mapping[str, Contents]) -> bool:
    """Add archives to the record, atomically.

    :returns: whether the file was written.
    :raises ArtifactError: when it cannot be written.
    """
    merged: dict[str, Contents] = dict(load(path))
    if all(merged.get(checksum) == dict(files) for checksum, files in archives.items()):
        return False
    merged.update(archives)
    document = {
        "format": FORMAT,
        "archives": {
            checksum: {
                name: {"sha256": facts.sha256, "size": facts.size} for name, facts in sorted(files.items())
            }
            for checksum, files in sorted(merged.items())
        },
    }
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        write_atomic(path, (json.dumps(document, indent=1) + "\n").encode(), 0o644)
    except OSError as exc:
        raise ArtifactError(
            f"The record {path} cannot be written: {exc.strerror or exc}.",
            "Make its folder writable for root.",
        ) from exc
    return True
