# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A check as the benchmark defines it: its number and level are the benchmark's, all texts the collection's own.

Levels are those of profile cis-2.0; C(profiles.py) has the differences of others.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import remedies

AUTOMATED = "automated"
MANUAL = "manual"

API_SERVER = "api_server"
CONTROLLER_MANAGER = "controller_manager"
SCHEDULER = "scheduler"
ETCD = "etcd"
CONTROL_PLANE = "control_plane"
KUBELET = "kubelet"
KUBE_PROXY = "kube_proxy"
NODE = "node"
CLUSTER = "cluster"

#: The component of a host, as C(cis_node) names it, by the component of a check; checks of the cluster have no host.
HOST_COMPONENTS: t.Mapping[str, str] = {
    API_SERVER: CONTROL_PLANE,
    CONTROLLER_MANAGER: CONTROL_PLANE,
    SCHEDULER: CONTROL_PLANE,
    CONTROL_PLANE: CONTROL_PLANE,
    ETCD: ETCD,
    KUBELET: NODE,
    KUBE_PROXY: NODE,
    NODE: NODE,
    CLUSTER: CLUSTER,
}

#: The risk of remediation: a file's mode or owner changes, a program restarts, clients or workloads may break; or
#: nothing can be done without a decision.
FILE_MODE = "file_mode"
RESTART = "restart"
BREAKING = "breaking"
NONE = "none"
RISKS = (FILE_MODE, RESTART, BREAKING, NONE)


@dataclass(frozen=True)
class Check:
    """One check.

    :param id: its number in the benchmark. :param title: what must be so.
    :param level: 1 or 2. :param assessment: whether the benchmark calls it C(automated) or C(manual); most
        manual ones are evaluated all the same.
    :param component: what it is about. :param method: how the collection evaluates it.
    :param remediation: what a person does when it fails. :param risk: of remediation, one of C(RISKS).
    :param remedy: what the playbook C(cis_remediate) does.
    """

    id: str
    title: str
    level: int
    assessment: str
    component: str
    method: str
    remediation: str
    risk: str
    remedy: remedies.Remedy = field(compare=False, repr=False)

    @property
    def section(self) -> str:
        """First number of the id."""
        return self.id.split(".", 1)[0]

    @property
    def group(self) -> str:
        """The part that it stands in: 1.2.5 in 1.2, 2.1 in 2."""
        return self.id.rpartition(".")[0]

    @property
    def host_component(self) -> str:
        """What a host must have for this check to be about it, C(cluster) for none."""
        return HOST_COMPONENTS[self.component]


def file_mode(
    check: str, component: str, files: str, bits: str, how: str = "", assessment: str = AUTOMATED
) -> Check:
    """A check of the mode of files."""
    return Check(
        check,
        f"{files}: mode {bits} or stricter",
        1,
        assessment,
        component,
        how
        or "The mode of the file on the host, symbolic links followed. A required file that is missing fails.",
        f"chmod it to {bits}, and make sure that whatever writes it keeps that mode.",
        FILE_MODE,
        remedies.FILES,
    )


def file_owner(
    check: str,
    component: str,
    files: str,
    how: str = "",
    assessment: str = AUTOMATED,
    owner: str = "root:root",
) -> Check:
    """A check of the owner of files."""
    return Check(
        check,
        f"{files}: owned by {owner}",
        1,
        assessment,
        component,
        how or "The numeric user and group, not their names.",
        f"chown it to {owner}.",
        FILE_MODE,
        remedies.FILES,
    )


def setting(
    check: str, component: str, title: str, method: str, remediation: str, *, remedy: remedies.Remedy,
    level: int = 1, assessment: str = AUTOMATED, risk: str = RESTART,
) -> Check:  # fmt: skip
    """A check of a component's setting."""
    return Check(check, title, level, assessment, component, method, remediation, risk, remedy)


def policy(
    check: str, title: str, method: str, remediation: str, level: int = 1, component: str = CLUSTER,
    risk: str = NONE, remedy: remedies.Remedy = remedies.POLICY,
) -> Check:  # fmt: skip
    """A check that the benchmark calls manual; by default of the cluster, and without a remedy."""
    return Check(check, title, level, MANUAL, component, method, remediation, risk, remedy)
