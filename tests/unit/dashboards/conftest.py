# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the checkout importable, as for the tests of plugins. These need packages that the matrix does not install."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

COLLECTIONS = Path(__file__).resolve().parents[3] / ".venv" / "collections"

if COLLECTIONS.is_dir():
    sys.path.insert(0, str(COLLECTIONS))
    importlib.invalidate_caches()
    sys.modules.pop("ansible_collections", None)
