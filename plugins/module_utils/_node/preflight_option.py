# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The option C(preflight) of C(node_info), apart from what reads it, which imports TLS and HTTP."""

from __future__ import annotations

import typing as t

OPTION: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "kernel_options": {"type": "list", "elements": "str", "default": []},
        "ports": {"type": "list", "elements": "str", "default": []},
        "paths": {"type": "list", "elements": "str", "default": []},
        "urls": {"type": "list", "elements": "str", "default": []},
        "ca_pem": {"type": "str", "default": ""},
        "names": {"type": "list", "elements": "str", "default": []},
        "virtual_address": {"type": "str", "default": ""},
        "interface": {"type": "str", "default": ""},
        "node_address": {"type": "str", "default": ""},
        "resolv_conf": {"type": "str", "default": ""},
        "timeout": {"type": "float", "default": 3},
    },
}
