# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Label selectors of Kubernetes: a selector and labels in, whether they match out."""

from __future__ import annotations

import typing as t

Json = t.Mapping[str, t.Any]


def matches(selector: Json | None, labels: t.Mapping[str, str]) -> bool:
    """Whether a LabelSelector selects an object: none selects nothing, and an empty one everything."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _met(requirement, labels) for requirement in selector.get("matchExpressions") or ()
    )


def _met(requirement: Json, labels: t.Mapping[str, str]) -> bool:
    key, operator = str(requirement.get("key")), requirement.get("operator")
    values = requirement.get("values") or ()
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":
        return labels.get(key) not in values
    if operator == "Exists":
        return key in labels
    return operator == "DoesNotExist" and key not in labels
