# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

from __future__ import annotations


class ModuleDocFragment:
    """The proxies of a site."""

    DOCUMENTATION = r"""
options:
  proxy:
    description:
      - Proxies of the site, which are chosen as Go's C(NO_PROXY) has it. When it is given, those of the environment
        are ignored; when it is not, they are used.
    type: dict
    suboptions:
      http:
        description: Proxy for http, as C(http://host:port). Empty for none.
        type: str
        default: ""
      https:
        description: Proxy for https, as C(http://host:port). Empty for none.
        type: str
        default: ""
      http_credentials:
        description: User and password at the proxy for http, as C(user:password).
        type: str
        default: ""
      https_credentials:
        description: User and password at the proxy for https, as C(user:password).
        type: str
        default: ""
      no_proxy:
        description: Names, addresses and networks that are reached directly.
        type: list
        elements: str
        default: []
"""
