# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry point `host_policies` of the role network: in which order it arms, applies, confirms and reverts.

It runs in a copy of the collection, in which modules that need a host only note their calls. The API server is that of
the unit tests of `api_objects`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tests.unit.plugins.conftest  # noqa: F401 - makes the collection importable
from tests.gates import repo
from tests.unit.support.applying import Cluster
from tests.unit.support.servers import Answer, Request, refused

Json = dict[str, Any]

POLICIES = "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies"
CONFIG = "/api/v1/namespaces/kube-system/configmaps/cilium-config"
STUB = """
import json
import os
from ansible.module_utils.basic import AnsibleModule

DIRECTORY = {directory!r}
module = AnsibleModule(argument_spec={{name: {{"type": "raw"}} for name in {options!r}}}, supports_check_mode=True)


def state(name):
    path = os.path.join(DIRECTORY, name)
    return open(path).read() if os.path.exists(path) else ""


def note(line):
    with open(os.path.join(DIRECTORY, "calls"), "a") as stream:
        stream.write(line + "\\n")


{body}
"""
#: The controller's side of the guard: hosts are lost as soon as they enforce policies that are wrong.
LOST = """
import os
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        with open(os.path.join({directory!r}, "phase")) as stream:
            lost = stream.read() == "lost"
        if lost and self._task.args.get("confirm"):
            raise AnsibleConnectionFailure("closed")
        return self._execute_module(task_vars=task_vars)
"""
STUBS = {
    "node_info": (
        ["preflight"],
        'module.exit_json(node={"python": "/usr/bin/python3", "service_manager": "systemd", "address": "192.0.2.11",'
        ' "node_name": "a", "daemons": {}})',
    ),
    "daemon": (
        ["name", "state", "enabled", "inputs", "pending"],
        'note("stop" if module.params["state"] == "stopped" else "arm")\nmodule.exit_json(changed=True)',
    ),
    "artifact": (["component", "directories", "files"], "module.exit_json(changed=True, files=[])"),
    "network_host_policy_guard": (
        ["confirm"],
        'phase = state("phase")\n'
        'confirmed = module.params["confirm"] and phase == "enforced"\n'
        'note("confirm" if module.params["confirm"] else "look")\n'
        "module.exit_json(changed=bool(confirmed), confirmed=bool(confirmed), phase=phase,"
        ' installed=phase != "none", ssh="192.0.2.7 1 192.0.2.11 22")',
    ),
}


class Api(Cluster):
    """An API server with nodes, which may refuse what denies."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses = False
        self.kinds("/apis/cilium.io/v2", CiliumClusterwideNetworkPolicy=False)
        addresses = [{"type": "InternalIP", "address": "192.0.2.11"}]
        self.lists["/api/v1/nodes"] = [
            {"metadata": {"name": "a"}, "spec": {}, "status": {"addresses": addresses}}
        ]
        self.objects[CONFIG] = {
            "data": {"enable-host-firewall": "true", "enable-node-selector-labels": "true"}
        }

    def handle(self, request: Request) -> Answer:
        """See `Cluster`."""
        if request.path.endswith("/endpointslices"):
            return self.listed(request, [{"ports": [{"port": 6443}]}])
        if self.refuses and request.method == "PATCH" and "dryRun" not in request.query:
            return refused(403, "not today")
        return super().handle(request)

    @property
    def names(self) -> list[str]:
        return sorted(path.rpartition("/")[2] for path in self.objects if path.startswith(f"{POLICIES}/"))


@dataclass
class Runner:
    """Runs the entry point on two hosts.

    :param directory: of the copy, and of what stubs read and write.
    """

    directory: Path
    api: Api

    def run(self, mode: str, phase: str, *arguments: str) -> tuple[int, str, list[str]]:
        """Exit code, output and calls of the modules.

        :param phase: what guards are in, `none` without guards.
        """
        self.directory.joinpath("phase").write_text(phase)
        self.directory.joinpath("calls").write_text("")
        values = {
            "network_host_policy_mode": mode,
            "network_host_policy_confirm_seconds": 5,
            "cluster_kubeconfig": str(self.directory / "kubeconfig"),
            "cluster_api_timeout": 5,
            "ansible_python_interpreter": sys.executable,
        }
        linked = repo.REPO / ".venv" / "collections"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "ansible", "playbook", "-i", str(self.directory / "hosts")),
                *(str(self.directory / "play.yml"), "-e", json.dumps(values), *arguments),
            ],
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": f"{self.directory}:{linked}",
                "ANSIBLE_CONFIG": str(repo.REPO / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "true",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        calls = self.directory.joinpath("calls").read_text().split()
        return done.returncode, done.stdout + done.stderr, calls


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    directory = tmp_path_factory.mktemp("host-policies")
    copy = directory / "ansible_collections" / "baremetal" / "kubernetes"
    for name in ("plugins", "roles", "meta"):
        shutil.copytree(repo.REPO / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(repo.REPO / "galaxy.yml", copy / "galaxy.yml")
    for name, (options, body) in STUBS.items():
        (copy / "plugins" / "action" / f"{name}.py").unlink(missing_ok=True)
        text = STUB.format(directory=str(directory), options=options, body=body)
        (copy / "plugins" / "modules" / f"{name}.py").write_text(text, encoding="utf-8")
    lost = copy / "plugins" / "action" / "network_host_policy_guard.py"
    lost.write_text(LOST.format(directory=str(directory)), encoding="utf-8")
    # What it removes from hosts is not to be removed from this machine.
    removal = copy / "roles" / "network" / "tasks" / "guard_removed.yml"
    text = removal.read_text(encoding="utf-8")
    removal.write_text(text.partition("- name: Guard removed | Delete")[0], encoding="utf-8")
    (directory / "hosts").write_text(
        "[control_plane]\na ansible_connection=local\n[worker]\nb ansible_connection=local\n"
        # It is about to join.
        "c ansible_connection=local cluster_node_address=192.0.2.23\n"
    )
    (directory / "play.yml").write_text(
        "- hosts: control_plane:worker\n  gather_facts: false\n  any_errors_fatal: true\n  tasks:\n"
        "    - ansible.builtin.include_role:\n"
        "        name: baremetal.kubernetes.network\n        tasks_from: host_policies\n"
    )
    api = Api()
    api.kubeconfig(directory / "kubeconfig")
    yield Runner(directory, api)
    api.close()


@pytest.fixture(autouse=True)
def empty(runner: Runner) -> None:
    """Each test begins with a cluster without policies."""
    runner.api.refuses = False
    for path in [path for path in runner.api.objects if path.startswith(f"{POLICIES}/")]:
        del runner.api.objects[path]


ALL = ["host-baseline", "host-control-planes", "host-nodes", "host-ssh"]


def test_hosts_are_armed_before_and_confirmed_after(runner: Runner) -> None:
    code, text, calls = runner.run("enforce", "enforced")
    assert code == 0, text
    assert calls == ["look"] * 3 + ["arm"] * 2 + ["confirm"] * 2 + ["stop"] * 2
    assert "192.0.2.23/32" in str(runner.api.objects[f"{POLICIES}/host-control-planes"])
    assert text.index("Arm the guard") < text.index("Apply policies") < text.index("over a new connection")
    assert runner.api.names == ALL
    code, text, calls = runner.run("enforce", "none")
    assert (code, calls) == (0, ["look"] * 3), text
    assert text.count("changed=0") == 3, "a second run changes nothing"


def test_check_mode_changes_nothing(runner: Runner) -> None:
    code, text, _calls = runner.run("enforce", "none", "--check")
    assert code == 0, text
    assert not runner.api.names


def test_guard_that_an_interrupted_run_has_left_starts_another_trial(runner: Runner) -> None:
    runner.run("enforce", "enforced")
    code, text, calls = runner.run("enforce", "rolled_back")
    assert (code, calls[:7]) == (2, ["look"] * 3 + ["arm"] * 2 + ["confirm"] * 2), text


def test_unconfirmed_policies_are_removed_and_each_host_is_named(runner: Runner) -> None:
    code, text, calls = runner.run("enforce", "rolled_back")
    assert code == 2
    assert not runner.api.names
    assert calls[-2:] == ["stop"] * 2, "nothing is left to guard"
    for host in ("a", "b"):
        assert f"- {host}: its guard has rolled back before it was confirmed. It can be reached now." in text
    assert "The policies were removed from the cluster" in text
    assert "Set network_host_policy_mode to report" in text


def test_hosts_that_cannot_be_reached_any_more_are_reverted(runner: Runner) -> None:
    code, text, calls = runner.run("enforce", "lost")
    assert code == 2, text
    assert not runner.api.names
    assert calls[:8] == ["look"] * 3 + ["arm"] * 2 + ["look"] * 3, "nobody was confirmed"
    assert set(calls[8:]) == {"stop"}, "nothing is left to guard"
    assert "Policies of nodes were not confirmed on all hosts" in text


def test_policies_that_are_refused_are_removed(runner: Runner) -> None:
    runner.api.refuses = True
    code, text, calls = runner.run("enforce", "armed")
    assert code == 2
    assert "confirm" not in calls
    assert "- a: the policies could not be applied (" in text
    assert not runner.api.names


def test_limited_run_enforces_nothing(runner: Runner) -> None:
    code, text, calls = runner.run("enforce", "none", "--limit", "a")
    assert code == 2
    assert "Policies of nodes would be enforced on b, c, too, where no guard would roll them back" in text
    assert (calls, runner.api.names) == (["look"], [])


def test_off_contacts_hosts_only_when_there_were_policies(runner: Runner) -> None:
    runner.run("enforce", "enforced")
    code, text, calls = runner.run("off", "none")
    assert (code, calls) == (0, ["look"] * 3), text
    assert not runner.api.names
    assert runner.run("off", "none")[2] == []
