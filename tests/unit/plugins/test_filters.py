# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters and the choices behind them."""

from __future__ import annotations

import tomllib
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.kubernetes.plugins.filter.kubeadm import combine_named
from ansible_collections.baremetal.kubernetes.plugins.filter.nodes import (
    daemon_settled,
    host_values,
    interface_of,
    select_delegate,
)
from ansible_collections.baremetal.kubernetes.plugins.filter.releases import release_file
from ansible_collections.baremetal.kubernetes.plugins.filter.toml import to_toml

RELEASES = {
    "kubelet": {
        "url": "https://dl.k8s.io/release/v{version}/bin/linux/{arch}/kubelet",
        "checksums": {"1.36.4": {"amd64": "sha256:aa", "arm64": "sha256:bb"}},
    },
    "cilium_chart": {
        "url": "https://helm.cilium.io/cilium-{version}.tgz",
        "checksums": {"1.19.5": {"noarch": "sha256:cc"}},
    },
}


@pytest.mark.parametrize(
    ("args", "more", "expected"),
    [
        (
            ("kubelet", "1.36.4", "arm64"),
            {},
            {
                "name": "kubelet 1.36.4",
                "url": "https://dl.k8s.io/release/v1.36.4/bin/linux/arm64/kubelet",
                "checksum": "sha256:bb",
            },
        ),
        (
            ("kubelet", "1.36.4", "amd64"),
            {
                "files_url": "https://192.0.2.1:8443/",
                "checksums": {"kubelet": {"1.36.4": {"amd64": "sha256:own"}}},
            },
            {
                "name": "kubelet 1.36.4",
                "url": "https://192.0.2.1:8443/dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet",
                "checksum": "sha256:own",
            },
        ),
        (
            ("cilium_chart", "1.19.5", "amd64"),
            {},
            {
                "name": "cilium_chart 1.19.5",
                "url": "https://helm.cilium.io/cilium-1.19.5.tgz",
                "checksum": "sha256:cc",
            },
        ),
        (
            ("kubelet", "1.36.5", "amd64"),
            {"checksums": {"kubelet": {"1.36.5": {"amd64": "sha256:new"}}}},
            {
                "name": "kubelet 1.36.5",
                "url": "https://dl.k8s.io/release/v1.36.5/bin/linux/amd64/kubelet",
                "checksum": "sha256:new",
            },
        ),
    ],
)
def test_release_file(args: tuple[str, str, str], more: dict[str, t.Any], expected: dict[str, str]) -> None:
    assert release_file(RELEASES, *args, **more) == expected


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("kubelt", "1.36.4", "amd64"), ("kubelt", "cilium_chart, kubelet")),
        (("kubelet", "1.36.5", "amd64"), ("1.36.5", "versions 1.36.4", "cluster_checksums")),
        (("kubelet", "1.36.4", "s390x"), ("s390x", "architectures amd64, arm64", "cluster_checksums")),
        (("kubelet", "v1.36.4", "amd64"), ("leading v",)),
    ],
)
def test_release_file_refuses(args: tuple[str, str, str], words: tuple[str, ...]) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        release_file(RELEASES, *args)
    for word in words:
        assert word in str(caught.value)


def seen(
    host: str, state: str = "fresh", cluster_id: str | None = None, role: str | None = None
) -> dict[str, t.Any]:
    kubernetes = {"state": state, "role": role, "cluster_id": cluster_id}
    return {"item": host, "node": {"kubernetes": kubernetes}}


def gone(host: str) -> dict[str, t.Any]:
    return {"item": host, "unreachable": True}


CP = "control_plane"


@pytest.mark.parametrize(
    ("observations", "expected"),
    [
        ([seen("a"), seen("b")], ("a", False, None)),
        ([seen("a"), seen("b", "member", "id", CP)], ("b", True, "id")),
        ([gone("a"), seen("b", "member", "id", CP)], ("b", True, "id")),
        ([seen("a"), seen("b", "partial", "id", CP)], ("b", False, "id")),
        ([seen("a", "partial", "other", CP), seen("b", "member", "id", CP)], ("b", True, "id")),
        ([seen("a", "member", "id", "worker"), seen("b", "member", "id", CP)], ("b", True, "id")),
        ([seen("a", "partial")], ("a", False, None)),
    ],
)
def test_select_delegate(
    observations: list[dict[str, t.Any]], expected: tuple[str, bool, str | None]
) -> None:
    host, initialised, cluster_id = expected
    chosen = select_delegate(observations)
    assert chosen.pop("node") == next(one["node"] for one in observations if one["item"] == host)
    assert chosen == {"host": host, "initialised": initialised, "cluster_id": cluster_id}


def test_select_delegate_during_a_ca_rotation() -> None:
    """It has ended on one control plane, and not on the other."""
    observations = [seen("a", "member", "new", CP), seen("b", "member", "old", CP)]
    observations[1]["node"]["kubernetes"]["new_cluster_id"] = "new"
    assert select_delegate(observations)["cluster_id"] == "old"


def test_select_delegate_takes_what_is_known_of_hosts_that_were_left_out() -> None:
    known = {"a": {}, "b": seen("b", "member", "id", CP)["node"]}
    chosen = select_delegate([seen("a"), {"item": "b", "skipped": True}], known)
    assert (chosen["host"], chosen["initialised"], chosen["cluster_id"]) == ("b", True, "id")


@pytest.mark.parametrize(
    ("observations", "words"),
    [
        ([], ("no control plane", "Add a host")),
        ([seen("a", "member", "one", CP), seen("b", "member", "two", CP)], ("a in one", "b in two", "reset")),
        ([seen("a"), gone("b"), gone("c")], ("b, c did not answer", "second one is not created")),
        ([gone("a")], ("a did not answer",)),
        ([{"item": "a", "skipped": True}, seen("b")], ("a did not answer",)),
    ],
)
def test_select_delegate_refuses(observations: list[dict[str, t.Any]], words: tuple[str, ...]) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        select_delegate(observations)
    for word in words:
        assert word in str(caught.value)


def test_to_toml_round_trip() -> None:
    value = {
        "version": 3,
        "plugins": {"io.containerd.cri.v1.runtime": {"restrict_oom_score_adj": True, "sandbox": "x:1"}},
        "list": [1, 2.5, "three", {"deep": False}],
        "empty": None,
    }
    parsed = tomllib.loads(to_toml(value))
    value.pop("empty")
    assert parsed == value


@pytest.mark.parametrize("value", ["text", {"key": object()}])
def test_to_toml_refuses(value: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="to_toml"):
        to_toml(value)


A, B, B2, C = ({"name": name, "value": value} for name, value in (("a", 1), ("b", 1), ("b", 2), ("c", 1)))


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        ({"x": 1}, {}, {"x": 1}),
        ({"x": {"y": 1, "z": 1}}, {"x": {"y": 2}}, {"x": {"y": 2, "z": 1}}),
        ({"args": [A, B]}, {"args": [C]}, {"args": [A, B, C]}),
        ({"args": [A, B]}, {"args": [B2]}, {"args": [A, B2]}),
        ({"args": [A]}, {"args": [B, B2]}, {"args": [A, B, B2]}),
        ({"args": [A]}, {"args": []}, {"args": []}),
        ({"sans": ["a"]}, {"sans": ["b"]}, {"sans": ["b"]}),
        ({"x": 1}, {"x": None}, {"x": None}),
        ({"x": {"y": 1}}, {"x": "text"}, {"x": "text"}),
    ],
    ids=[
        "nothing",
        "deep",
        "another name",
        "same name",
        "repeated",
        "emptied",
        "plain list",
        "none",
        "other kind",
    ],
)
def test_combine_named(base: dict[str, t.Any], over: dict[str, t.Any], expected: dict[str, t.Any]) -> None:
    assert combine_named(base, over) == expected


def test_combine_named_refuses() -> None:
    with pytest.raises(AnsibleFilterError, match="two dictionaries, found list"):
        combine_named({}, [])


RUNNING = {"enabled": True, "running": True, "masked": False, "stale": False, "started_at": 100.0}
PLACED = {"changed": False, "files": [{"dest": "/bin/d", "modified_at": 90.0}]}


@pytest.mark.parametrize(
    ("daemon", "placed", "inputs", "times", "settled"),
    [
        ({}, {}, ["/bin/d"], None, True),
        ({}, {}, ["/bin/d", "/etc/d"], {"/etc/d": 99.0}, True),
        ({}, {}, ["/bin/d", "/etc/d"], {"/etc/d": 101.0}, False),
        # A clock that was set back since says nothing.
        ({}, {}, ["/bin/d", "/etc/d"], {"/etc/d": 500.0}, True),
        ({}, {}, ["/bin/d", "/etc/d"], {"/etc/d": None}, False),
        ({}, {}, ["/bin/d", "/etc/unknown"], None, False),
        ({}, {"changed": True}, ["/bin/d"], None, False),
        ({}, {"files": [{"dest": "/bin/d", "modified_at": 150.0}]}, ["/bin/d"], None, False),
        ({"enabled": False}, {}, ["/bin/d"], None, False),
        ({"running": False}, {}, ["/bin/d"], None, False),
        ({"masked": True}, {}, ["/bin/d"], None, False),
        ({"stale": True}, {}, ["/bin/d"], None, False),
        ({"started_at": None}, {}, ["/bin/d"], None, False),
    ],
)
def test_daemon_settled(
    daemon: dict[str, t.Any],
    placed: dict[str, t.Any],
    inputs: list[str],
    times: dict[str, t.Any] | None,
    settled: bool,
) -> None:
    node = {"daemons": {"d": {**RUNNING, **daemon}}, "observed_at": 200.0}
    assert daemon_settled(node, "d", {**PLACED, **placed}, inputs, times) is settled


@pytest.mark.parametrize(
    ("daemon", "modified", "settled"),
    [
        ({}, 99.0, True),
        ({}, 150.0, False),
        ({"reloaded_at": None}, 150.0, False),
        ({"reloaded_at": 160.0}, 150.0, True),
        ({"reloaded_at": 140.0}, 150.0, False),
    ],
    ids=["older", "newer", "never reloaded", "reloaded since", "reloaded before"],
)
def test_daemon_that_reads_a_file_again(daemon: dict[str, t.Any], modified: float, settled: bool) -> None:
    node = {"daemons": {"d": {**RUNNING, **daemon}}, "observed_at": 200.0}
    found = daemon_settled(node, "d", PLACED, ["/bin/d"], {"/etc/d": modified}, reload_inputs=["/etc/d"])
    assert found is settled


def test_daemon_that_was_not_observed_is_not_settled() -> None:
    assert daemon_settled({}, "d", PLACED, []) is False
    with pytest.raises(AnsibleFilterError, match="node_info and artifact"):
        daemon_settled([], "d", PLACED, [])


VARIABLES = {"cp1": {"a": 1, "info": {"node": {"x": "y"}}}, "w1": {"info": {"skipped": True}}, "w2": {}}


@pytest.mark.parametrize(
    ("name", "default", "expected"),
    [
        ("a", "", {"cp1": 1, "w1": "", "gone": ""}),
        ("info.node", {}, {"cp1": {"x": "y"}, "w1": {}, "gone": {}}),
        ("info.node.x", "", {"cp1": "y", "w1": "", "gone": ""}),
        ("info.node.x.z", None, {"cp1": None, "w1": None, "gone": None}),
    ],
)
def test_values_of_hosts(name: str, default: t.Any, expected: dict[str, t.Any]) -> None:
    assert host_values(["cp1", "w1", "gone"], VARIABLES, name, default) == expected


@pytest.mark.parametrize(("hosts", "hostvars"), [("cp1", VARIABLES), (["cp1"], []), (None, VARIABLES)])
def test_values_of_anything_else_are_refused(hosts: t.Any, hostvars: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="a list of hosts and hostvars"):
        host_values(hosts, hostvars, "a")


def test_interface_of_an_address() -> None:
    interfaces = [
        {"name": "lan", "addresses": ["192.0.2.1/24"]},
        {"name": "eth0", "addresses": ["192.0.2.11/24", "2001:db8::11/64"]},
    ]
    assert interface_of(interfaces, "192.0.2.1") == "lan"
    assert interface_of(interfaces, "2001:db8::11") == "eth0"
    assert interface_of(interfaces, "192.0.2.111") == ""
    with pytest.raises(AnsibleFilterError, match="the interfaces of node_info"):
        interface_of("eth0", "192.0.2.1")
