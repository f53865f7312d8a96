# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run modules and actions of the collection as Ansible does."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import types
import typing as t

COLLECTION = "ansible_collections.baremetal.kubernetes"


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
        self,
        name: str,
        args: t.Mapping[str, t.Any],
        *,
        check: bool = False,
        variables: t.Mapping[str, t.Any] | None = None,
    ) -> dict[str, t.Any]: ...


def run_module(
    name: str,
    args: t.Mapping[str, t.Any],
    *,
    check: bool = False,
    env: t.Mapping[str, str] | None = None,
    path: t.Sequence[str] = (),
) -> dict[str, t.Any]:
    """Run a module in its own process, with its arguments on standard input.

    :param env: further environment. :param path: where Python looks for packages first.
    """
    payload = {"ANSIBLE_MODULE_ARGS": {**args, "_ansible_check_mode": check, "_ansible_diff": True}}
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    environment["PYTHONPATH"] = os.pathsep.join(entry for entry in [*path, *sys.path] if entry)
    environment.update(env or {})
    done = subprocess.run(
        [sys.executable, "-m", f"{COLLECTION}.plugins.modules.{name}"],
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


def run_action(
    name: str,
    args: t.Mapping[str, t.Any],
    *,
    check: bool = False,
    variables: t.Mapping[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    """Run an action plugin that contacts no host, in this process.

    :param variables: of the task.
    """
    from ansible.errors import AnsibleActionFail

    task = types.SimpleNamespace(args=dict(args), action=name, async_val=0, check_mode=check, diff=True)
    connection = types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir="none"))
    action = importlib.import_module(f"{COLLECTION}.plugins.action.{name}").ActionModule(
        task=task, connection=connection, play_context=None, loader=None, templar=None
    )
    try:
        result = action.run(None, dict(variables or {}))
    except AnsibleActionFail as exc:
        result = {"failed": True, "msg": str(exc)}
    # Through JSON, as results of workers go.
    return dict(json.loads(json.dumps(result)))
