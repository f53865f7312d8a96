# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""All checks of the benchmark; each section has a file with its checks and their remedies."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import sort_key
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import (
    section_1_1,
    section_1_2,
    section_1_3,
    section_2,
    section_3,
    section_4,
    section_5,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import Check

SECTIONS: t.Mapping[str, str] = {
    "1": "Control plane",
    "1.1": "Control-plane configuration files",
    "1.2": "API server",
    "1.3": "Controller manager",
    "1.4": "Scheduler",
    "2": "etcd",
    "3": "Control-plane configuration",
    "3.1": "Authentication of users",
    "3.2": "Audit logging",
    "4": "Nodes",
    "4.1": "Node configuration files",
    "4.2": "kubelet",
    "4.3": "kube-proxy",
    "5": "Policies",
    "5.1": "RBAC and service accounts",
    "5.2": "Pod security",
    "5.3": "Network policies",
    "5.4": "Secrets",
    "5.5": "Image admission",
    "5.6": "Namespaces and defaults",
}

_SECTIONS = (section_1_1, section_1_2, section_1_3, section_2, section_3, section_4, section_5)

#: All checks by id, in the benchmark's order.
CHECKS: t.Mapping[str, Check] = {
    check.id: check
    for check in sorted(
        (check for section in _SECTIONS for check in section.CHECKS), key=lambda check: sort_key(check.id)
    )
}

#: The check whose remedy needs a user on the host first.
ETCD_USER_CHECK = "1.1.12"
#: The checks after whose remedies the serving certificate requests of kubelets have to be approved.
SERVING_CHECKS = ("4.2.9", "4.2.11")


def of_component(component: str) -> tuple[Check, ...]:
    """The checks that are about hosts with this component, or about the cluster.

    :param component: C(control_plane), C(etcd), C(node) or C(cluster).
    """
    return tuple(check for check in CHECKS.values() if check.host_component == component)
