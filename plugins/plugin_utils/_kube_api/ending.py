# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Objects that are on their way out: what is applied to one that is being deleted ends with it."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._waiting import Waiting

Json = dict[str, t.Any]
#: A namespace is there until its pods have ended, which have 30 s by default and often more.
GONE_SECONDS = 120.0
POLL_SECONDS = 1.0


def being_deleted(found: Json | None) -> bool:
    """Whether an object is on its way out, for instance a namespace whose pods still end."""
    return bool(((found or {}).get("metadata") or {}).get("deletionTimestamp"))


def finished(pod: Json) -> bool:
    """Whether the containers of a pod have ended for good."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def wait_gone(
    name: str, found: Json | None, look: t.Callable[[], Json | None], say: t.Callable[[str], object]
) -> Json | None:
    """Wait for the end of an object that is being deleted.

    :param name: for messages. :param found: the object. :param look: reads it again.
    :param say: shows a line of progress.
    :return: C(None), or the object that somebody has created in its place.
    :raises OperatorError: when it is still there after L(GONE_SECONDS).
    """
    began = time.monotonic()
    waiting = Waiting(GONE_SECONDS, say)
    while found is not None and being_deleted(found):
        conditions = (found.get("status") or {}).get("conditions") or ()
        why = [str(one.get("message")) for one in conditions if one.get("status") == "True"]
        if time.monotonic() - began > GONE_SECONDS:
            raise OperatorError(
                f"{name} is being deleted, and is still there after {GONE_SECONDS:.0f} s"
                f" ({'; '.join(why) or 'its finalizers have not ended'}). Expected it to be gone. Nothing was changed.",
                "Remove what holds it up, and run the playbook again.",
            )
        waiting.still([f"{name} is being deleted", *why])
        time.sleep(POLL_SECONDS)
        found = look()
    return found
