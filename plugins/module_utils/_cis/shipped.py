# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Exemptions that the collection ships for what it itself does to a cluster.

They have the form of a site's own ones, and need no end: each release looks at them again.
"""

from __future__ import annotations

import typing as t

EXEMPTIONS: tuple[dict[str, t.Any], ...] = ()
