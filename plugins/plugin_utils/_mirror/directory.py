# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A directory of images as skopeo's transport C(dir) writes them: one directory for each, named as in a registry.

The layout is that of containers/image, directory/directory_transport.go: C(manifest.json), for an index one
C(<hex>.manifest.json) for each manifest of it, and blobs under the hexadecimal digits of their digests.
"""

from __future__ import annotations

import hashlib
import json
import os
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._mirror.reference import Reference

_PREFIX = "sha256:"


@dataclass(frozen=True)
class Found:
    """What a directory holds of one image.

    :param problem: why it must be copied (again); empty when it is complete.
    :param digest: of its manifest or index, empty without one.
    :param architectures: for which it has a Linux image.
    """

    problem: str = ""
    digest: str = ""
    architectures: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Copy:
    """One image to copy.

    :param source: what skopeo reads, without the transport.
    :param path: below the directory.
    :param reason: why.
    """

    reference: Reference
    source: str
    path: str
    reason: str


def plan_copies(
    wanted: t.Sequence[Reference], found: t.Mapping[str, Found], source_registry: str
) -> list[Copy]:
    """The images that the directory lacks or holds with other content.

    :param found: by path.
    :param source_registry: registry that has upstream's images below upstream's host; empty for upstream itself.
    """
    prefix = f"{source_registry.rstrip('/')}/" if source_registry else ""
    return [
        Copy(reference, f"{prefix}{reference.source}", reference.path, reason)
        for reference in wanted
        if (reason := copy_reason(reference, found[reference.path]))
    ]


def copy_reason(reference: Reference, found: Found) -> str:
    """Why an image must be copied; empty when the directory holds it."""
    if found.problem:
        return found.problem
    if reference.digest and reference.digest != found.digest:
        return f"the directory has {found.digest}, expected {reference.digest}"
    return ""


def read_image(path: str) -> Found:
    """Read what a directory holds of an image: manifests by digest, blobs by size."""
    try:
        raw = _read(path, "manifest.json")
        top = json.loads(raw)
        digest = _PREFIX + hashlib.sha256(raw).hexdigest()
        if not isinstance(top.get("manifests"), list):
            problem, architecture = _manifest(path, top)
            return Found(problem, digest, frozenset({architecture} - {""}))
        architectures: set[str] = set()
        for entry in top["manifests"]:
            part = _read(path, f"{_hex(entry['digest'])}.manifest.json")
            if _PREFIX + hashlib.sha256(part).hexdigest() != entry["digest"]:
                return Found(f"the manifest {entry['digest']} has other content", digest)
            problem, _architecture = _manifest(path, json.loads(part))
            if problem:
                return Found(problem, digest)
            platform = entry.get("platform") or {}
            if platform.get("os") == "linux":
                architectures.add(str(platform.get("architecture", "")))
        return Found("", digest, frozenset(architectures))
    except FileNotFoundError as exc:
        missing = os.path.basename(str(exc.filename))
        return Found("it is not there" if missing == "manifest.json" else f"{missing} is missing")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        return Found(f"it cannot be read: {exc}")


def _read(directory: str, name: str) -> bytes:
    with open(os.path.join(directory, name), "rb") as stream:
        return stream.read()


def _hex(digest: str) -> str:
    if not digest.startswith(_PREFIX) or "/" in digest:
        raise ValueError(f"digest {digest!r}, expected sha256")
    return digest[len(_PREFIX) :]


def _manifest(directory: str, manifest: t.Mapping[str, t.Any]) -> tuple[str, str]:
    """What is wrong with the parts of one manifest, and its architecture where its configuration says one."""
    for part in [manifest["config"], *manifest["layers"]]:
        if part.get("urls"):
            # Its owner forbids to pass it on; no registry has it.
            continue
        size = os.stat(os.path.join(directory, _hex(part["digest"]))).st_size
        if size != part["size"]:
            return f"{part['digest']} has {size} bytes, expected {part['size']}", ""
    if not str(manifest["config"].get("mediaType", "")).endswith(("image.v1+json", "config.v1+json")):
        return "", ""
    config = json.loads(_read(directory, _hex(manifest["config"]["digest"])))
    return "", str(config.get("architecture", ""))
