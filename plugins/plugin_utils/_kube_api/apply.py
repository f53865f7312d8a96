# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Apply and delete lists of objects: what every action that declares objects does, and what it returns of it."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.in_effect import wait_in_effect
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import (
    Change,
    Json,
    Kind,
    Objects,
    references,
    shown,
)

#: Until a new kind is served; the API server needs a second or two.
DEFINED_SECONDS = 30


def applied(
    found: Objects,
    declared: t.Sequence[Json],
    check_mode: bool,
    say: t.Callable[[str], object],
    replace: t.Collection[str] = (),
) -> list[Change]:
    """Apply objects in their order: first as a dry run of all, then what that would change.

    :param say: shows a line of progress. :param replace: kinds of which an object may be deleted and created again.
    :raises OperatorError: when the API server refuses one of them.
    """
    # A namespace, or the definition of a kind, may be one of the objects; in check mode, one of an earlier task.
    may_lack = check_mode or any(
        one.get("kind") in ("Namespace", "CustomResourceDefinition") for one in declared
    )
    changes = [
        found.predict(ref, one, may_lack, ref.kind in replace, wait=not check_mode)
        for ref, one in zip(references(declared), declared, strict=True)
    ]
    if check_mode:
        return changes
    done = []
    for change, one in zip(changes, declared, strict=True):
        if change.changed:
            if change.replaced:
                found.delete(change.ref)
            done.append(Change(change.ref, change.before, found.apply(change.ref, one)))
            if change.ref.kind == "CustomResourceDefinition":
                # Objects of this kind may follow.
                wait_in_effect(found, [change.ref], DEFINED_SECONDS, say)
                found.forget()
        else:
            done.append(change)
    return done


def pruned(found: Objects, declared: t.Sequence[Json], name: str, kinds: t.Sequence[Kind]) -> list[Change]:
    """What earlier runs have applied as part of a set, and this one does not declare.

    :param name: of the set. :param kinds: which are looked for.
    """
    known = set(references(declared))
    return [Change(ref, one, None) for ref, one in found.of_set(name, kinds).items() if ref not in known]


def deleted(found: Objects, declared: t.Sequence[Json], check_mode: bool) -> list[Change]:
    """Delete objects, the last one first."""
    changes = [Change(ref, found.find(ref), None) for ref in reversed(references(declared))]
    for change in changes:
        if change.changed and not check_mode:
            found.delete(change.ref)
    return changes


def result(changes: t.Iterable[Change]) -> Json:
    """What an action returns of changes: C(changed), C(objects) and C(diff), without the values of Secrets."""
    done = [one for one in changes if one.changed]
    sides = [(str(change.ref), *shown(change)) for change in done]
    return {
        "changed": bool(done),
        "objects": [str(change.ref) for change in done],
        "diff": {
            "before": {name: before for name, before, _after in sides if before is not None},
            "after": {name: after for name, _before, after in sides if after is not None},
        },
    }
