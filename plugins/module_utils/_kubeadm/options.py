# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Options that the modules C(kubeadm) and C(kubeadm_reconfigure) share; C(doc_fragments/_kubeadm.py) documents them."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.declared import (
    Declaration,
    desired_files,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    "skip_phases": {"type": "list", "elements": "str", "default": []},
    "patches": {"type": "path"},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "path", "required": True},
            "content": {"type": "str", "required": True, "no_log": True},
            "mode": {"type": "str", "default": "0600"},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "secret": {"type": "bool", "default": True},
        },
    },
    "timeout": {"type": "int", "default": 600},
    "ready_timeout": {"type": "int", "default": 180},
    "kubeadm_path": {"type": "str", "default": "kubeadm"},
    "root": {"type": "path", "default": "/"},
}


def declaration(params: t.Mapping[str, t.Any], role: str) -> Declaration:
    """What a node of a role has to follow, by the options.

    :raises KubeadmError: for unusable files.
    """
    return Declaration(
        role=role,
        documents=tuple(params["documents"]),
        files=desired_files(params["files"]),
        patches=params["patches"],
        skip_phases=tuple(params["skip_phases"]),
    )
