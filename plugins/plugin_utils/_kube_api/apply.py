# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Apply and delete lists of objects: what every action that declares objects does, and what it returns of it."""

from __future__ import annotations

import itertools
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.in_effect import wait_in_effect
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import (
    Change,
    Json,
    Kind,
    Objects,
    Ref,
    references,
    shown,
)

#: Until a new kind is served; the API server needs a second or two.
DEFINED_SECONDS = 30
#: Requests at a time. Each waits for the API server and etcd most of its time, and few do not crowd out others.
AT_ONCE = 8


def applied(
    found: Objects,
    declared: t.Sequence[Json],
    check_mode: bool,
    say: t.Callable[[str], object],
    replace: t.Collection[str] = (),
) -> list[Change]:
    """Apply objects in their order: first as a dry run of all, then what that would change.

    Objects of one kind that follow each other are applied side by side.

    :param say: shows a line of progress. :param replace: kinds of which an object may be deleted and created again.
    :raises OperatorError: when the API server refuses one of them.
    """
    with ThreadPoolExecutor(AT_ONCE) as threads:
        changes = _predicted(threads, found, declared, check_mode, replace)
        return changes if check_mode else _carried_out(threads, found, changes, declared, say)


def _predicted(
    threads: ThreadPoolExecutor,
    found: Objects,
    declared: t.Sequence[Json],
    check_mode: bool,
    replace: t.Collection[str],
) -> list[Change]:
    """What applying would change, in the order of the objects."""
    # A namespace, or the definition of a kind, may be one of the objects; in check mode, one of an earlier task.
    may_lack = check_mode or any(
        one.get("kind") in ("Namespace", "CustomResourceDefinition") for one in declared
    )
    pairs = dict(zip(references(declared), declared, strict=True))
    # What is in a namespace that is being deleted goes with it, so namespaces are looked at first.
    namespaces = {ref: one for ref, one in pairs.items() if ref.kind == "Namespace"}
    others = {ref: one for ref, one in pairs.items() if ref.kind != "Namespace"}

    def predict(ref: Ref, one: Json) -> Change:
        return found.predict(ref, one, may_lack, ref.kind in replace, wait=not check_mode)

    known: dict[Ref, Change] = {}
    for part in (namespaces, others):
        known.update(zip(part, threads.map(predict, part, part.values()), strict=True))
    return [known[ref] for ref in pairs]


def _carried_out(
    threads: ThreadPoolExecutor,
    found: Objects,
    changes: t.Sequence[Change],
    declared: t.Sequence[Json],
    say: t.Callable[[str], object],
) -> list[Change]:
    """The changes as they were made."""

    def carry_out(change: Change, one: Json) -> Change:
        if not change.changed:
            return change
        if change.replaced:
            found.delete(change.ref)
        return Change(change.ref, change.before, found.apply(change.ref, one))

    done: list[Change] = []
    pairs = zip(changes, declared, strict=True)
    for kind, group in itertools.groupby(pairs, lambda pair: pair[0].ref.kind):
        made = list(threads.map(lambda pair: carry_out(*pair), group))
        done += made
        if kind == "CustomResourceDefinition" and (new := [one.ref for one in made if one.changed]):
            # Objects of these kinds may follow.
            wait_in_effect(found, new, DEFINED_SECONDS, say)
            found.forget()
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
