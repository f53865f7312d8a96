# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 1.1: control-plane configuration files."""

from __future__ import annotations

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import remedies
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import (
    AUTOMATED,
    CONTROL_PLANE,
    ETCD,
    FILE_MODE,
    MANUAL,
    Check,
    file_mode,
    file_owner,
)

_CNI = (
    "All files in the CNI directories of the container runtime's configuration"
    " (/etc/cni/net.d if it has none)."
)
_ETCD_DATA = (
    "The data directory of the running etcd: its flag, environment variable or configuration file, as seen"
    " by its process."
)
_ETCD_FILE = "The manifest on hosts where etcd runs as a static Pod; not applicable otherwise."
_PKI = (
    "Everything below the certificate directory of the running API server, /etc/kubernetes/pki if none runs."
)

CHECKS: tuple[Check, ...] = (
    file_mode("1.1.1", CONTROL_PLANE, "API server manifest", "0600"),
    file_owner("1.1.2", CONTROL_PLANE, "API server manifest"),
    file_mode("1.1.3", CONTROL_PLANE, "Controller manager manifest", "0600"),
    file_owner("1.1.4", CONTROL_PLANE, "Controller manager manifest"),
    file_mode("1.1.5", CONTROL_PLANE, "Scheduler manifest", "0600"),
    file_owner("1.1.6", CONTROL_PLANE, "Scheduler manifest"),
    file_mode("1.1.7", ETCD, "etcd manifest", "0600", _ETCD_FILE),
    file_owner("1.1.8", ETCD, "etcd manifest", _ETCD_FILE),
    file_mode("1.1.9", CONTROL_PLANE, "CNI configuration", "0600", _CNI, MANUAL),
    file_owner("1.1.10", CONTROL_PLANE, "CNI configuration", _CNI, MANUAL),
    file_mode("1.1.11", ETCD, "etcd data directory", "0700", _ETCD_DATA),
    Check(
        "1.1.12",
        "etcd data directory: owned by the user etcd",
        1,
        AUTOMATED,
        ETCD,
        f"{_ETCD_DATA} It must be owned by the host's user etcd (numerically); literally by its group as well."
        " With kubeadm it is owned by root.",
        "Create a system user and group etcd, and chown the directory to them. An etcd that runs as root"
        " keeps working.",
        FILE_MODE,
        remedy=remedies.FILES,
    ),
    file_mode("1.1.13", CONTROL_PLANE, "Administrator kubeconfigs (admin.conf, super-admin.conf)", "0600"),
    file_owner("1.1.14", CONTROL_PLANE, "Administrator kubeconfigs (admin.conf, super-admin.conf)"),
    file_mode("1.1.15", CONTROL_PLANE, "Scheduler kubeconfig", "0600"),
    file_owner("1.1.16", CONTROL_PLANE, "Scheduler kubeconfig"),
    file_mode("1.1.17", CONTROL_PLANE, "Controller manager kubeconfig", "0600"),
    file_owner("1.1.18", CONTROL_PLANE, "Controller manager kubeconfig"),
    file_owner("1.1.19", CONTROL_PLANE, "Control-plane certificates and keys", _PKI),
    file_mode(
        "1.1.20",
        CONTROL_PLANE,
        "Control-plane certificates",
        "0644",
        f"{_PKI} Files that hold certificates or public keys.",
        MANUAL,
    ),
    file_mode(
        "1.1.21",
        CONTROL_PLANE,
        "Control-plane private keys",
        "0600",
        f"{_PKI} Files that hold private keys, under any name, there and elsewhere in /etc/kubernetes.",
        MANUAL,
    ),
)
