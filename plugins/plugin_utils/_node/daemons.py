# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decide from observations whether a daemon is as its role wants it. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon.plan import read_at


def daemon_settled(
    node: t.Mapping[str, t.Any],
    name: str,
    placed: t.Mapping[str, t.Any],
    inputs: t.Iterable[str],
    times: t.Mapping[str, float] | None = None,
    reload_inputs: t.Iterable[str] = (),
) -> bool:
    """Whether the module C(daemon) would find nothing to do, so that it need not be called.

    The daemon is enabled and runs by its current definition, and no input has changed since it started. As in the
    module, a modification time later than the observation comes from a clock that was set back, and says nothing.

    :param node: C(node) of C(node_info), with C(daemons) and C(observed_at).
    :param placed: result of C(artifact) for the daemon's files, of this run.
    :param inputs: paths that the daemon reads when it starts.
    :param times: modification times of inputs that C(artifact) does not place, in seconds since the epoch.
    :param reload_inputs: paths that it also reads when it is reloaded.
    :returns: false also when anything is unknown.
    """
    daemon = (node.get("daemons") or {}).get(name) or {}
    started, observed = daemon.get("started_at"), node.get("observed_at")
    if placed.get("changed", True) or started is None or observed is None:
        return False
    if not daemon.get("enabled") or not daemon.get("running") or daemon.get("masked") or daemon.get("stale"):
        return False
    known = {str(file["dest"]): file.get("modified_at") for file in placed.get("files") or ()}
    known.update(times or {})
    read = read_at(started, daemon.get("reloaded_at"))
    modified = [(started, known.get(path)) for path in inputs]
    modified += [(read, known.get(path)) for path in reload_inputs]
    return all(time is not None and not since < time <= observed for since, time in modified)
