# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether options that become documents of kubeadm hold secrets. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.documents import secret_fields

#: Options whose values are documents, or parts of them.
DOCUMENTS = ("control_plane_cluster_configuration", "control_plane_kubelet_configuration", "kubelet_config")


def secrets(name: str, value: t.Any) -> str:
    """Why an option is refused; empty when it may stay. The secrets themselves are not in it."""
    if name not in DOCUMENTS:
        return ""
    found = ", ".join(path for path, _value in secret_fields(value, name))
    return (
        f"{found}: secrets do not belong into kubeadm's documents, which logs show. Remove it: the playbooks"
        " create a token and a certificate key for each join"
        if found
        else ""
    )
