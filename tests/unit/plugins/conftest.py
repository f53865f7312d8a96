# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the checkout importable as C(ansible_collections.baremetal.kubernetes) and run modules as Ansible does."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path
from unittest import mock

import pytest
from ansible.errors import AnsibleActionFail

ROOT = Path(__file__).resolve().parents[3]


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


if not _importable():
    sys.path.insert(0, str(_collections_tree()))
    importlib.invalidate_caches()
    sys.modules.pop("ansible_collections", None)


class RunModule(t.Protocol):
    def __call__(
        self,
        name: str,
        args: t.Mapping[str, t.Any],
        *,
        check: bool = False,
        env: t.Mapping[str, str] | None = None,
        path: t.Sequence[str] = (),
    ) -> dict[str, t.Any]: ...


class RunAction(t.Protocol):
    def __call__(
        self, name: str, args: t.Mapping[str, t.Any], *, check: bool = False
    ) -> dict[str, t.Any]: ...


@pytest.fixture
def run_action() -> RunAction:
    """Run an action plugin of the collection that contacts no host, as a task of a play would."""

    def run(name: str, args: t.Mapping[str, t.Any], *, check: bool = False) -> dict[str, t.Any]:
        plugin = importlib.import_module(f"ansible_collections.baremetal.kubernetes.plugins.action.{name}")
        task = mock.MagicMock(args=dict(args), check_mode=check, diff=True, async_val=0)
        action = plugin.ActionModule(
            task=task,
            connection=mock.MagicMock(),
            play_context=mock.MagicMock(check_mode=check),
            loader=None,
            templar=mock.MagicMock(),
            shared_loader_obj=None,
        )
        try:
            result = action.run(task_vars={})
        except AnsibleActionFail as exc:
            result = {"failed": True, "msg": str(exc)}
        assert isinstance(result, dict)
        return result

    return run


@pytest.fixture
def run_module() -> RunModule:
    """Run a module of the collection in its own process, with its arguments on standard input."""

    def run(
        name: str,
        args: t.Mapping[str, t.Any],
        *,
        check: bool = False,
        env: t.Mapping[str, str] | None = None,
        path: t.Sequence[str] = (),
    ) -> dict[str, t.Any]:
        payload = {"ANSIBLE_MODULE_ARGS": {**args, "_ansible_check_mode": check, "_ansible_diff": True}}
        environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        environment["PYTHONPATH"] = os.pathsep.join(entry for entry in [*path, *sys.path] if entry)
        environment.update(env or {})
        done = subprocess.run(
            [sys.executable, "-m", f"ansible_collections.baremetal.kubernetes.plugins.modules.{name}"],
            input=json.dumps(payload),
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        try:
            result = json.loads(done.stdout)
        except ValueError:
            raise AssertionError(f"no JSON from {name}: {done.stdout!r} {done.stderr!r}") from None
        assert isinstance(result, dict)
        result["rc"] = done.returncode
        return result

    return run
