# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The groups of an inventory, and the playbook that every other one imports first."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import typing as t
from collections import Counter
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.kubernetes.plugins.action import check_inventory
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight import inventory

ROOT = Path(__file__).resolve().parents[3]
CHILDREN = {
    "control_plane": {"children": {"kube_control_plane": None}},
    "worker": {"children": {"kube_node": None}},
}


def groups(**members: t.Any) -> dict[str, t.Any]:
    """Groups as Ansible gives them: C(all) has every host."""
    return {"all": list(dict.fromkeys(host for hosts in members.values() for host in hosts)), **members}


@pytest.mark.parametrize(
    ("found", "run", "among", "expected"),
    [
        (groups(control_plane=["c"], worker=["w"]), ["c", "w"], (), ["c", "w"]),
        (groups(control_plane=["c"], worker=["w"]), ["w"], (), ["w"]),
        (groups(control_plane=["c"], worker=["c"]), ["c"], (), ["c"]),
        # a cluster without workers
        (groups(control_plane=["c"], worker=[]), ["c"], (), ["c"]),
        (groups(control_plane=["c"]), ["c"], (), ["c"]),
        (groups(control_plane=["c"], nodes=["c"]), ["c"], (), ["c"]),
        (groups(control_plane=["c"], worker=[], nodes=["c", "n"]), ["c", "n"], (), ["c"]),
        (groups(control_plane=["c"], databases=["d"]), ["c", "d"], (), ["c"]),
        # groups of another tool that are children of these
        (
            groups(control_plane=["c"], kube_control_plane=["c"], worker=["w"], kube_node=["w"]),
            ["c"],
            (),
            ["c"],
        ),
        (groups(control_plane=["c"], etcd=["e"]), ["e"], ("control_plane", "worker", "etcd"), ["e"]),
    ],
)
def test_hosts_of_the_run(
    found: dict[str, t.Any], run: list[str], among: tuple[str, ...], expected: list[str]
) -> None:
    assert inventory.check(found, run, among or ("control_plane", "worker")) == expected


CONTROL, WORKER = {"control_plane": {"hosts": {"a": None}}}, {"worker": {"hosts": {"b": None, "c": None}}}


@pytest.mark.parametrize(
    ("found", "texts", "fix"),
    [
        ({"all": []}, ["control_plane is missing", "no hosts"], {"control_plane": "cp1", "worker": "w1"}),
        (groups(ungrouped=["a", "b", "c"]), ["control_plane is missing", "a, b, c"], {**CONTROL, **WORKER}),
        (groups(control_plane=[], worker=["w"], ungrouped=["a"]), ["control_plane is empty"], CONTROL),
        (groups(worker=["w"]), ["control_plane is missing"], {"control_plane": "cp1"}),
        (
            groups(kube_control_plane=["a"], kube_node=["b", "c"]),
            ["control_plane is missing", "kube_control_plane (a) and kube_node (b, c)"],
            CHILDREN,
        ),
        (
            groups(master=["a"], worker=["b"]),
            ["master (a)"],
            {"control_plane": {"children": {"master": None}}},
        ),
        (
            {**groups(server=["a"], agent=["b"]), "k3s_cluster": ["a", "b"]},
            ["server (a) and agent (b)"],
            {"control_plane": {"children": {"server": None}}, "worker": {"children": {"agent": None}}},
        ),
        (
            {**groups(**{"kube-master": ["a"]}), "nodes": ["a", "b"]},
            ["kube-master (a) and nodes (a, b)"],
            {"control_plane": {"children": {"kube-master": None}}, "worker": {"children": {"nodes": None}}},
        ),
        (
            groups(control_plane=["a"], workers=["b"]),
            ["no group worker, but a group workers with b", "an empty group worker"],
            {"worker": {"children": {"workers": None}}},
        ),
    ],
)
def test_refused(found: dict[str, t.Any], texts: list[str], fix: dict[str, t.Any]) -> None:
    with pytest.raises(OperatorError) as caught:
        inventory.check(found, found["all"], source="hosts.yml")
    message = str(caught.value)
    assert message.startswith("The inventory hosts.yml ")
    for text in texts:
        assert text in message
    expected = {
        group: value if isinstance(value, dict) else {"hosts": {value: None}} for group, value in fix.items()
    }
    assert yaml.safe_load(message.partition("\n\n")[2]) == expected


def test_limit_without_a_host_of_the_cluster() -> None:
    found = groups(control_plane=["c"], worker=["w"], etcd=["e"])
    with pytest.raises(OperatorError, match=r"--limit leaves no host of the cluster in this run .*e.* c, w"):
        inventory.check(found, ["e"])


def test_many_hosts_are_not_all_listed() -> None:
    found = groups(ungrouped=[f"n{number}" for number in range(100)])
    with pytest.raises(OperatorError) as caught:
        inventory.check(found, found["all"])
    assert "n0, n1, n2, n3, n4 and 95 more" in str(caught.value)
    assert str(caught.value).endswith("    n5:\n    # and 94 more")


class Outcome(t.NamedTuple):
    code: int
    output: str


Play = t.Callable[..., Outcome]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Run a playbook of the collection with an inventory."""

    def run(playbook: str, text: str, *flags: str) -> Outcome:
        (tmp_path / "hosts.yml").write_text(text)
        done = subprocess.run(
            ["ansible-playbook", "-i", "hosts.yml", f"baremetal.kubernetes.{playbook}", *flags],
            cwd=tmp_path,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"),
                "ANSIBLE_NOCOLOR": "true",
                "ANSIBLE_FORCE_COLOR": "false",
                # A connection fails at once, so none was made when a host is ok.
                "ANSIBLE_SSH_EXECUTABLE": "/bin/false",
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Outcome(done.returncode, done.stdout + done.stderr)

    return run


GOOD = "control_plane:\n  hosts: {cp1: }\nworker:\n  hosts: {w1: }\nother:\n  hosts: {db1: }\n"


@pytest.mark.parametrize(
    ("text", "flags", "message"),
    [
        (GOOD, [], ""),
        (GOOD, ["--limit", "w1"], ""),
        (GOOD, ["--check"], ""),
        (GOOD, ["--limit", "db1"], "--limit leaves no host of the cluster in this run"),
        ("", [], "It has no hosts"),
        ("control_plane:\nworker:\n  hosts: {w1: }\n", [], "the group control_plane is empty"),
        ("kube_control_plane:\n  hosts: {n1: }\n", [], "It has kube_control_plane (n1)"),
    ],
)
def test_playbook(play: Play, text: str, flags: list[str], message: str) -> None:
    code, output = play("check_inventory", text, *flags)
    assert (code, message in output) == (2 if message else 0, True), output
    assert ("ok=1" in output) is not bool(message)


INI = """
[control_plane]
cp1 control_plane_audit=false
cp2 control_plane_audit=flase host_packages_managed=no
[worker]
w1 worker_timeout=soon kubelet_config="{'maxPods': 50}"
[all:vars]
host_packages=nfs-common,jq
preflight_cpus_min={"control_plane": 2}
cluster_ca_file="{{ ansible_facts.nothing }}"
"""


def test_values_of_an_ini_inventory_are_refused_before_a_host_is_contacted(play: Play) -> None:
    code, output = play("site", INI, "-e", "cis_replace_edits=maybe")
    assert code == 2, output
    assert output.count("PLAY [") == 1, output
    text = " ".join(output.replace("\\n", " ").replace('\\"', '"').split())
    assert 'cp2: control_plane_audit is "flase", expected true or false.' in text
    assert 'w1: worker_timeout is "soon", expected a whole number, such as 30.' in text
    assert 'cp1, cp2, w1: cis_replace_edits is "maybe", expected true or false.' in text
    assert text.count(" is ") == text.count(", expected "), text


def test_a_template_is_read_for_each_host(play: Play) -> None:
    text = """
all:
  vars: {worker_timeout: "{{ delay }}", host_packages: [jq]}
control_plane:
  hosts: {cp1: {delay: 60}}
worker:
  hosts: {w1: {delay: soon}, w2: {delay: 70}}
"""
    code, output = play("check_inventory", text)
    assert code == 2, output
    shown = " ".join(output.replace("\\n", " ").replace('\\"', '"').split())
    assert '- w1: worker_timeout is "soon", expected a whole number, such as 30.' in shown


class HostVars:
    """Ansible's C(HostVars): what the inventory has for each host, templated when it is read.

    :param written: host -> variables.
    """

    def __init__(self, written: dict[str, dict[str, t.Any]]) -> None:
        self.written = written
        self.templated: list[tuple[str, str]] = []

    def raw_get(self, host: str) -> dict[str, t.Any]:
        return self.written[host]

    def __getitem__(self, host: str) -> t.Any:
        outer = self

        class Own:
            def __getitem__(self, name: str) -> t.Any:
                outer.templated.append((host, name))
                value = outer.written[host][name]
                return value.replace("{{ host }}", host) if isinstance(value, str) else copy.copy(value)

        return Own()


def test_what_a_file_sets_for_all_hosts_is_templated_once() -> None:
    common: dict[str, t.Any] = {"packages": ["jq"], "name": "n-{{ host }}", "nested": [{"a": "{% if b %}"}]}
    hosts = [f"w{number}" for number in range(50)]
    hostvars = HostVars({host: {**common, "other": 1} for host in hosts})
    hostvars.written["w7"]["packages"] = ["curl"]
    values = check_inventory._values(hostvars, hosts, {"packages", "name", "nested"})
    assert [values[host]["name"] for host in hosts] == [f"n-{host}" for host in hosts]
    assert values["w0"] == {"packages": ["jq"], "name": "n-w0", "nested": [{"a": "{% if b %}"}]}
    assert values["w7"]["packages"] == ["curl"]
    # The same object, so that it is checked once, too.
    assert values["w49"]["packages"] is values["w0"]["packages"]
    counted = Counter(name for _host, name in hostvars.templated)
    assert counted == {"packages": 2, "name": 50, "nested": 50}


def test_remove_node_refuses_a_limit_without_control_planes(play: Play) -> None:
    code, output = play("remove_node", GOOD, "--limit", "w1", "-e", "node_remove_confirm=w1")
    assert code == 2, output
    assert "--limit is" in output
    assert "Nothing was changed. Name the nodes in node_remove_confirm" in " ".join(output.split())
    assert "Plan the removal" not in output


def test_values_of_an_ini_inventory_are_accepted(play: Play) -> None:
    good = INI.replace("flase", "False").replace("soon", "60")
    code, output = play("check_inventory", good, "-e", "cis_replace_edits=false")
    assert code == 0, output


@pytest.mark.parametrize("playbook", ["site", "verify"])
def test_nothing_else_runs_with_an_inventory_of_another_tool(play: Play, playbook: str) -> None:
    code, output = play(playbook, "master:\n  hosts: {n1: }\nworker:\n  hosts: {n2: }\n")
    assert code == 2, output
    assert output.count("PLAY [") == 1, output


def test_audit_of_external_etcd_hosts_alone(play: Play) -> None:
    text = GOOD.replace("other:", "etcd:")
    code, output = play(
        "check_inventory", text, "--limit", "db1", "-e", '{"check_inventory_groups": ["etcd"]}'
    )
    assert code == 0, output
