# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The mark of own objects: which cluster they belong to, what was declared, and as which revision it was saved.

It is in annotations of the objects of C(/apis). A Grafana that stores them in its former tables ignores annotations,
and C(/api) has none. There tags mark a dashboard, and the message of a revision in its history has the rest; a data
source has it in its C(jsonData).
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

OWNER = "baremetal.kubernetes"
CLUSTER = "baremetal.kubernetes/cluster"
SPEC_HASH = "baremetal.kubernetes/spec-hash"
GENERATION = "baremetal.kubernetes/generation"
#: Annotations of Grafana.
PARENT = "grafana.app/folder"
MESSAGE = "grafana.app/message"
MANAGER = "grafana.app/managedBy"
MANAGER_ID = "grafana.app/managerId"
#: Fields of a data source's jsonData.
JSON_OWNER = "bmkManagedBy"
JSON_CLUSTER = "bmkCluster"
JSON_SPEC_HASH = "bmkSpecHash"
JSON_VERSION = "bmkVersion"
JSON_FIELDS = (JSON_OWNER, JSON_CLUSTER, JSON_SPEC_HASH, JSON_VERSION)
_MESSAGE = re.compile(r"baremetal\.kubernetes: (\S+) spec-hash ([0-9a-f]{16})")


@dataclass(frozen=True)
class Mark:
    """What an object says about itself.

    :param cluster: that it belongs to, empty without a mark. :param spec_hash: of what was declared, empty when
    unknown.
    :param edited: whether somebody else has saved it since, C(None) when that cannot be told.
    """

    cluster: str = ""
    spec_hash: str = ""
    edited: bool | None = None


def tags_of(cluster: str) -> list[str]:
    """Tags of a dashboard of this cluster."""
    return [f"managed-by:{OWNER}", f"cluster:{cluster}"]


def message_of(uid: str, spec_hash: str) -> str:
    """The message of a revision. It names the object, as a copy has the same tags."""
    return f"{OWNER}: {uid} spec-hash {spec_hash}"


def from_annotations(annotations: t.Mapping[str, str], generation: int) -> Mark:
    """The mark in annotations; an object without one has no cluster."""
    cluster = annotations.get(CLUSTER) or ""
    if not cluster:
        return Mark()
    recorded = annotations.get(GENERATION) or ""
    known = bool(generation) and recorded.isdecimal()
    return Mark(cluster, annotations.get(SPEC_HASH) or "", int(recorded) != generation if known else None)


def from_tags(uid: str, tags: t.Sequence[str], messages: t.Sequence[str] | None) -> Mark:
    """The mark in tags and in the history.

    :param messages: of the revisions, the latest first; C(None) when the history cannot be read.
    """
    clusters = [tag.partition(":")[2] for tag in tags if tag.startswith("cluster:")]
    if f"managed-by:{OWNER}" not in tags or len(clusters) != 1:
        return Mark()
    if messages is None:
        return Mark(clusters[0])
    own = [
        match.group(2) if match and match.group(1) == uid else "" for match in map(_MESSAGE.match, messages)
    ]
    return Mark(clusters[0], next(filter(None, own), ""), not own or not own[0])


def from_json_data(json_data: t.Mapping[str, t.Any], version: int) -> Mark:
    """The mark of a data source."""
    if json_data.get(JSON_OWNER) != OWNER:
        return Mark()
    recorded = json_data.get(JSON_VERSION)
    known = isinstance(recorded, int) and bool(version)
    return Mark(
        str(json_data.get(JSON_CLUSTER) or ""),
        str(json_data.get(JSON_SPEC_HASH) or ""),
        recorded != version if known else None,
    )
