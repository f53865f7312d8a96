# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Audit a host: select the checks of its components, and evaluate them."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.checks import (
    section_1_1,
    section_1_2,
    section_1_3,
    section_2,
    section_3_2,
    section_4_1,
    section_4_2,
    section_4_3,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import facts, kubelet
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.arguments import Arguments
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.local import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import (
    API_SERVER,
    CONTROLLER_MANAGER,
    ETCD,
    KUBELET,
    SCHEDULER,
    Reader,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import ERROR, Result, sort_key
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

__all__ = (
    "CHECKS",
    "COMPONENTS",
    "Host",
    "components",
    "facts_of",
    "node_name",
    "run",
    "select",
)

COMPONENTS = ("control_plane", "etcd", "node")
CHECKS: t.Mapping[str, t.Callable[[Reader], Result]] = {
    **section_1_1.CHECKS,
    **section_1_2.CHECKS,
    **section_1_3.CHECKS,
    **section_2.CHECKS,
    **section_3_2.CHECKS,
    **section_4_1.CHECKS,
    **section_4_2.CHECKS,
    **section_4_3.CHECKS,
}
OF: t.Mapping[str, tuple[str, ...]] = {
    "control_plane": (
        *section_1_1.CHECKS,
        *section_1_2.CHECKS,
        *section_1_3.CHECKS,
        *section_3_2.CHECKS,
    ),
    "etcd": (*section_1_1.OF_ETCD, *section_2.CHECKS),
    "node": (*section_4_1.CHECKS, *section_4_2.CHECKS, *section_4_3.CHECKS),
}
_PROGRAMS = {
    "control_plane": (API_SERVER, CONTROLLER_MANAGER, SCHEDULER),
    "etcd": (ETCD,),
    "node": (KUBELET,),
}
_NODE_FILES = ("/var/lib/kubelet/config.yaml", "/etc/kubernetes/kubelet.conf")


def _belongs(check_id: str, section: str) -> bool:
    return check_id == section or check_id.startswith(f"{section}.")


def select(sections: t.Sequence[str], checks: t.Sequence[str]) -> list[str]:
    """Ids of the selected checks, all of them without a selection.

    :raises OperatorError: for an unknown check or section.
    """
    known = sorted(CHECKS, key=sort_key)
    unknown = [check for check in checks if check not in CHECKS]
    if unknown:
        raise OperatorError(
            f"checks has {', '.join(unknown)}, which is no check of a host.",
            f"Choose from: {', '.join(known)}.",
        )
    empty = [section for section in sections if not any(_belongs(check, section) for check in known)]
    if empty:
        choices = {".".join(check.split(".")[:depth]) for check in known for depth in (1, 2)} - set(known)
        raise OperatorError(
            f"sections has {', '.join(empty)}, which has no checks of hosts.",
            f"Choose from: {', '.join(sorted(choices, key=sort_key))}.",
        )
    if not checks and not sections:
        return known
    return [
        check for check in known if check in checks or any(_belongs(check, section) for section in sections)
    ]


def components(reader: Reader, asked: t.Sequence[str] | None) -> list[str]:
    """Components that the host is audited as.

    :raises OperatorError: when none is given, and none is found.
    """
    if asked:
        return [name for name in COMPONENTS if name in asked]
    found = [name for name in COMPONENTS if _is_there(reader, name)]
    if not found:
        raise OperatorError(
            "This host has no process, no static Pod and no kubelet of a cluster, expected one of them.",
            "Remove it from the audit, or set components to what it is expected to have.",
        )
    return found


def _is_there(reader: Reader, component: str) -> bool:
    programs = _PROGRAMS[component]
    if any(reader.processes(program) for program in programs):
        return True
    if component == "node":
        return any(reader.stat(path).kind == "file" for path in _NODE_FILES)
    manifests = (fact for program in programs for fact in section_1_1.manifests(reader, program)[1])
    return any(not fact.error for fact in manifests)


def run(reader: Reader, names: t.Sequence[str], wanted: t.Sequence[str]) -> list[Result]:
    """Verdicts on the checks of some components, in the order of the benchmark."""
    ids = {check for name in names for check in OF[name]} & set(wanted)
    return [evaluate(reader, check) for check in sorted(ids, key=sort_key)]


def evaluate(reader: Reader, check: str) -> Result:
    """Evaluate one check. An unexpected exception is an error of this check alone."""
    try:
        return CHECKS[check](reader)
    except Exception as exc:  # noqa: BLE001 - one broken check must not stop the others
        return Result(
            check,
            ERROR,
            f"The check failed unexpectedly: {type(exc).__name__}: {exc}. This is a bug of the collection;"
            " report it.",
        )


def facts_of(reader: Reader) -> dict[str, t.Any]:
    """What the checks of the cluster need to know about this host."""
    try:
        return facts.cluster_facts(reader)
    except Exception as exc:  # noqa: BLE001 - as in evaluate
        text = f"the facts of this host could not be read: {type(exc).__name__}: {exc}"
        unread = [{"path": "", "reason": text}]
        return {"api_server": None, "kubelet": None, "certificates": [], "unread": unread}


def node_name(reader: Reader) -> str:
    """Name of the node, empty when it is not known."""
    for process in reader.processes(KUBELET)[:1]:
        name = Arguments(process.argv, kubelet.BOOLEANS).last("hostname-override")
        if name:
            return name.strip().lower()
    try:
        return reader.read("/proc/sys/kernel/hostname").decode("utf-8", "replace").strip().lower()
    except OSError:
        return ""
