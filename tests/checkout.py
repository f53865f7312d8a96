# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the checkout importable as C(ansible_collections.baremetal.kubernetes)."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def _collections_tree() -> Path:
    """The tree that `make` links into the virtual environment, or one of our own for a bare C(pytest)."""
    linked = ROOT / ".venv" / "collections"
    if (linked / "ansible_collections" / "baremetal" / "kubernetes" / "plugins").is_dir():
        return linked
    tree = Path(tempfile.mkdtemp(prefix="bmk-unit-"))
    namespace = tree / "ansible_collections" / "baremetal"
    namespace.mkdir(parents=True)
    (namespace / "kubernetes").symlink_to(ROOT)
    return tree


def _importable() -> bool:
    try:
        return importlib.util.find_spec("ansible_collections.baremetal.kubernetes.plugins") is not None
    except ModuleNotFoundError:
        return False


def make_importable() -> None:
    """Put the checkout's collection on sys.path, unless it is importable.

    Forgetting C(ansible_collections) when modules of it are loaded breaks every import that follows, so nothing else
    may do this by itself.
    """
    if not _importable():
        sys.path.insert(0, str(_collections_tree()))
        importlib.invalidate_caches()
        sys.modules.pop("ansible_collections", None)
