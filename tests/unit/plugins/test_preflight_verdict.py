# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict of a preflight: every check with hosts that pass, fail, or are a special case."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight import (
    endpoint,
    identity,
    parameters,
    verdict,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.model import (
    CHECKS,
    ERROR,
    IGNORED,
    WARNING,
    Finding,
    Host,
    KernelOption,
    Site,
)

ROOT = Path(__file__).resolve().parents[3]
Report = t.Callable[..., dict[str, t.Any]]

OVERLAY = KernelOption(("CONFIG_OVERLAY_FS",), "containerd", "the layers of images")
REDIRECT = KernelOption(("CONFIG_A", "CONFIG_B"), "kubeadm", "its verification")
TPROXY = KernelOption(("CONFIG_TPROXY",), "Cilium", "policies of layer 7", required=False)

SITE = Site(
    kubernetes_version="1.36.4",
    control_planes=("cp1",),
    workers=("w1",),
    pod_cidr="10.244.0.0/16",
    service_cidr="10.96.0.0/16",
    tested_systems=("debian", "gentoo"),
    unsupported_systems=("nixos",),
    package_managers=("apt", "portage"),
    kernel_options=(OVERLAY, REDIRECT, TPROXY),
    memory_min={"control_plane": 1700, "worker": 900},
    cpus_min={"control_plane": 2, "worker": 1},
    disk_min={"/var/lib": 5120},
    ports={"control_plane": ["6443/tcp", "10250/tcp"], "worker": ["10250/tcp", "8472/udp"]},
)

CLUSTER = "sha256:" + "1" * 64
OTHER_CLUSTER = "sha256:" + "2" * 64


def facts(number: int = 1, **changes: t.Any) -> dict[str, t.Any]:
    """A fresh host that has everything. Keys with `__` reach into dictionaries."""
    node: dict[str, t.Any] = {
        "hostname": f"n{number}",
        "node_name": f"n{number}",
        "machine_id": f"{number:032x}",
        "product_uuid": f"uuid-{number}",
        "architecture": "amd64",
        "kernel": "6.12.41-gentoo",
        "distribution": {"id": "gentoo", "pretty_name": "Gentoo Linux"},
        "service_manager": "openrc",
        "package_manager": "portage",
        "missing_commands": [],
        "python_version": "3.13.5",
        "address": f"192.0.2.{number}",
        "addresses": [f"192.0.2.{number}", "172.17.0.1"],
        "memory_bytes": 4 << 30,
        "swap_bytes": 0,
        "cgroup": {"version": "2", "controllers": ["cpu", "cpuset", "io", "memory", "pids"]},
        "root_propagation": "shared",
        "kubernetes": {"state": "fresh", "role": None, "cluster_id": None},
        "versions": {"kubelet": None, "kubeadm": None},
        "preflight": {
            "kernel": {
                "source": "/proc/config.gz",
                "options": {
                    "CONFIG_OVERLAY_FS": "m",
                    "CONFIG_A": "n",
                    "CONFIG_B": "y",
                    "CONFIG_TPROXY": "m",
                },
                "modules_installed": True,
            },
            "cpus": 4,
            "ports": [],
            "disks": [{"path": "/var/lib", "free_bytes": 20 << 30, "device": 1, "writable": True}],
            "networks": [{"network": "192.0.2.0/24", "interface": "eth0"}],
            "apiserver_version": None,
            "etcd_directory": [],
            "clock": {"offset": 0.2, "uncertainty": 0.1},
            "urls": [{"url": "https://registry.k8s.io/v2/", "ok": True, "answer": "HTTP 200"}],
        },
    }
    for path, value in changes.items():
        target = node
        *keys, last = path.split("__")
        for key in keys:
            target = target[key]
        target[last] = value
    return node


def member(
    number: int = 1, role: str = "worker", cluster: str = CLUSTER, **changes: t.Any
) -> dict[str, t.Any]:
    node = facts(number, **changes)
    node["kubernetes"] = {"state": "member", "role": role, "cluster_id": cluster}
    node["versions"] = {"kubelet": "1.36.4", "kubeadm": "1.36.4"}
    if role == "control_plane":
        node["preflight"]["apiserver_version"] = "1.36.4"
    node["versions"].update(changes.get("versions", {}))
    node["preflight"].update(
        {key[11:]: value for key, value in changes.items() if key.startswith("preflight__")}
    )
    return node


def rotating() -> dict[str, t.Any]:
    """A worker on which a CA rotation has not ended."""
    node = member(2)
    node["kubernetes"]["new_cluster_id"] = OTHER_CLUSTER
    return node


def one(role: str = "worker", node: dict[str, t.Any] | None = None, **settings: t.Any) -> Host:
    return Host("w1" if role == "worker" else "cp1", role, facts() if node is None else node, **settings)


DROP_IN = {"daemon": "kubelet", "path": "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"}
USABLE = {"path": "/etc/resolv.conf", "nameservers": ["192.0.2.53"], "problem": ""}
UNUSABLE = {"path": "/etc/resolv.conf", "nameservers": ["127.0.0.1"], "problem": "nameserver 127.0.0.1, ..."}


def overridden(*settings: str, **changes: t.Any) -> Host:
    return one(node=facts(preflight__overrides=[{**DROP_IN, "settings": list(settings)}], **changes))


def resolving(*files: t.Any, chosen: t.Any = None, state: str = "fresh") -> Host:
    found = {"files": list(files), "kubelet": ""}
    return one(node=facts(resolver=found, preflight__resolv_conf=chosen, kubernetes__state=state))


def named(*addresses: str, state: str = "fresh") -> Host:
    """A host that resolves the endpoint to these addresses."""
    error = "" if addresses else "Name or service not known"
    node = facts(
        preflight__names=[{"name": "k8s.example.org", "addresses": list(addresses), "error": error}],
        kubernetes__state=state,
    )
    return one(node=node)


def virtual(
    *macs: str, number: int = 1, address: str = "192.0.2.100", interface: str | None = "eth0"
) -> Host:
    """A control plane that has asked for a virtual IP address, and got an answer of these MAC addresses."""
    node = facts(
        number,
        interfaces=[
            {"name": "eth0", "mac": f"02:00:00:00:00:0{number}", "addresses": [f"192.0.2.{10 + number}/24"]}
        ],
        preflight__virtual_address={
            "address": address,
            "interface": interface,
            "own": False,
            "macs": list(macs),
            "error": None,
        },
    )
    return Host(f"cp{number}", "control_plane", node)


def using(
    role: str, number: int, server: str, endpoint: str = "https://192.0.2.1:6443", state: str = "member"
) -> Host:
    """A node whose kubelet uses a server, and on a control plane the administrator an endpoint."""
    node = facts(number)
    node["kubernetes"] = {
        "state": state,
        "role": role,
        "cluster_id": CLUSTER,
        "api_server": server,
    }
    if role == "control_plane":
        node["security"] = {"kubeconfigs": {"/etc/kubernetes/admin.conf": {"server": endpoint}}}
    return Host(f"{'cp' if role == 'control_plane' else 'w'}{number}", role, node)


def stray_etcd(*files: str) -> dict[str, t.Any]:
    """A host with the data of an etcd, and without anything else of a control plane."""
    node = facts(preflight__etcd_directory=["member"])
    owned = {"files": ["/var/lib/etcd/member", *files]}
    node["kubernetes"] = {"state": "partial", "role": "control_plane", "cluster_id": None, **owned}
    return node


def found(hosts: t.Sequence[Host], site: Site = SITE) -> list[tuple[str, str, str]]:
    return [(item.host, item.check, item.severity) for item in verdict.evaluate(hosts, site)]


def test_fresh_hosts_that_meet_all_requirements_pass() -> None:
    hosts = [Host("cp1", "control_plane", facts(1)), Host("w1", "worker", facts(2))]
    assert verdict.evaluate(hosts, SITE) == []


def test_a_converged_cluster_passes() -> None:
    own = [
        {"protocol": "tcp", "port": 6443, "address": "::", "process": "kube-apiserver"},
        {"protocol": "tcp", "port": 10250, "address": "::", "process": "kubelet"},
        {"protocol": "udp", "port": 8472, "address": "::", "process": "kernel"},
    ]
    routes = [
        {"network": "10.244.1.0/24", "interface": "cilium_host"},
        {"network": "192.0.2.0/24", "interface": "eth0"},
    ]
    more: dict[str, t.Any] = {"preflight__ports": own, "preflight__networks": routes}
    hosts = [
        Host("cp1", "control_plane", member(1, "control_plane", **more)),
        Host("w1", "worker", member(2, **more)),
    ]
    assert verdict.evaluate(hosts, SITE) == []


W = ("w1", "worker")
# Name of the check, host, expected findings of that check.
HOST_CASES: list[t.Any] = [
    # os
    ("foreign_files", one(), []),
    ("foreign_files", one(node=facts(preflight__foreign_files=["/etc/containerd/config.toml"])), [WARNING]),
    ("os", one(node=facts(distribution={"id": "debian"})), []),
    ("os", one(node=facts(distribution={"id": "fedora", "pretty_name": "Fedora 43"})), [WARNING]),
    ("os", one(node=facts(distribution={"id": "nixos"})), [ERROR]),
    ("os", one(node=facts(package_manager="atomic_container")), [ERROR]),
    ("os", one(node=facts(distribution={})), [WARNING]),
    # service_manager
    ("service_manager", one(node=facts(service_manager="systemd")), []),
    ("service_manager", one(node=facts(service_manager="sysvinit")), [ERROR]),
    ("service_manager", one(node=facts(service_manager=None)), [ERROR]),
    # architecture
    ("architecture", one(node=facts(architecture="arm64")), []),
    ("architecture", one(node=facts(architecture="i686")), [ERROR]),
    ("architecture", one(node=facts(architecture=None)), [ERROR]),
    # python
    ("python", one(node=facts(python_version="3.9.2")), []),
    ("python", one(node=facts(python_version="3.8.10")), [ERROR]),
    ("python", one(node=facts(python_version="strange")), []),
    # kernel_version
    ("kernel_version", one(node=facts(kernel="5.10.0-28-amd64")), []),
    ("kernel_version", one(node=facts(kernel="5.4.0-150-generic")), [ERROR]),
    ("kernel_version", one(node=facts(kernel="4.18.0-553.el8_10.x86_64")), []),
    ("kernel_version", one(node=facts(kernel="custom")), []),
    # kernel_options
    ("kernel_options", one(), []),
    ("kernel_options", one(node=facts(preflight__kernel__options__CONFIG_OVERLAY_FS="n")), [ERROR]),
    ("kernel_options", one(node=facts(preflight__kernel__options__CONFIG_B="n")), [ERROR]),
    ("kernel_options", one(node=facts(preflight__kernel__options__CONFIG_TPROXY="n")), [WARNING]),
    ("kernel_options", one(node=facts(preflight__kernel__options={})), []),
    ("kernel_options", one(node=facts(preflight__kernel__options__CONFIG_B="unknown")), []),
    # kernel_modules
    ("kernel_modules", one(), []),
    ("kernel_modules", one(node=facts(preflight__kernel__modules_installed=False)), [ERROR]),
    (
        "kernel_modules",
        one(
            node=facts(
                preflight__kernel__modules_installed=False, preflight__kernel__options__CONFIG_OVERLAY_FS="y"
            )
        ),
        [],
    ),
    # cgroup
    ("cgroup", one(node=facts(cgroup={"version": "2", "controllers": ["cpu", "cpuset", "pids"]})), [ERROR]),
    (
        "cgroup",
        one(
            node=facts(
                cgroup={
                    "version": "hybrid",
                    "controllers": ["cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"],
                }
            ),
            cgroup_v1_allowed=True,
        ),
        [WARNING],
    ),
    ("cgroup", one(node=facts(cgroup={"version": "1", "controllers": ["cpu"]})), [ERROR, ERROR]),
    ("cgroup", one(node=facts(cgroup={})), []),
    # mount_propagation
    ("mount_propagation", one(node=facts(service_manager="systemd")), []),
    ("mount_propagation", one(node=facts(service_manager="systemd", root_propagation="private")), [ERROR]),
    ("mount_propagation", one(node=facts(service_manager="openrc", root_propagation="private")), []),
    # cpus
    ("cpus", one("control_plane", facts(preflight__cpus=2)), []),
    ("cpus", one("control_plane", facts(preflight__cpus=1)), [ERROR]),
    ("cpus", one("worker", facts(preflight__cpus=1)), []),
    ("cpus", one("control_plane", member(role="control_plane", preflight__cpus=1)), [WARNING]),
    # memory
    ("memory", one("worker", facts(memory_bytes=1 << 30)), []),
    ("memory", one("control_plane", facts(memory_bytes=1 << 30)), [ERROR]),
    ("memory", one("control_plane", member(role="control_plane", memory_bytes=1 << 30)), [WARNING]),
    # disk
    ("disk", one(), []),
    ("disk", one(node=facts(preflight__disks=[{"path": "/var/lib", "free_bytes": 1 << 30}])), [ERROR]),
    ("disk", one(node=member(preflight__disks=[{"path": "/var/lib", "free_bytes": 1 << 30}])), [WARNING]),
    (
        "disk",
        one(node=facts(preflight__disks=[{"path": "/var/lib", "free_bytes": 9 << 30, "writable": False}])),
        [ERROR],
    ),
    ("disk", one(node=facts(preflight__disks=[{"path": "/srv", "free_bytes": 0}])), []),
    # swap
    ("swap", one(node=facts(swap_bytes=1 << 30)), []),
    ("swap", one(node=facts(swap_bytes=1 << 30), swap_off=False), [ERROR]),
    ("swap", one(node=facts(swap_bytes=1 << 30), swap_off=False, swap_allowed=True), []),
    # ports
    (
        "ports",
        one(
            node=facts(
                preflight__ports=[{"protocol": "tcp", "port": 10250, "address": "::", "process": "k3s"}]
            )
        ),
        [ERROR],
    ),
    (
        "ports",
        one(
            node=facts(
                preflight__ports=[{"protocol": "tcp", "port": 10250, "address": "::", "process": "kubelet"}]
            )
        ),
        [ERROR],
    ),
    (
        "ports",
        one(
            node=member(
                preflight__ports=[{"protocol": "tcp", "port": 10250, "address": "::", "process": "kubelet"}]
            )
        ),
        [],
    ),
    (
        "ports",
        one(
            node=member(
                preflight__ports=[{"protocol": "tcp", "port": 10250, "address": "::", "process": "python3"}]
            )
        ),
        [ERROR],
    ),
    # A worker does not need the API server's port.
    (
        "ports",
        one(
            node=facts(
                preflight__ports=[{"protocol": "tcp", "port": 6443, "address": "::", "process": "nginx"}]
            )
        ),
        [],
    ),
    (
        "ports",
        one(
            node=facts(
                preflight__ports=[{"protocol": "tcp", "port": 10250, "address": "::", "process": None}]
            )
        ),
        [ERROR],
    ),
    # commands
    ("commands", one(node=facts(missing_commands=["socat", "mount"])), []),
    ("commands", one(node=facts(missing_commands=["socat"]), packages_managed=False), [WARNING]),
    ("commands", one(node=facts(missing_commands=["mount"]), packages_managed=False), [ERROR]),
    ("commands", one(node=facts(missing_commands=["losetup"], package_manager="apk")), [ERROR]),
    # sources
    ("sources", one(), []),
    (
        "sources",
        one(node=facts(preflight__urls=[{"url": "https://m/", "ok": False, "answer": "HTTP 404"}])),
        [ERROR],
    ),
    (
        "sources",
        one(node=member(preflight__urls=[{"url": "https://m/", "ok": False, "answer": "timed out"}])),
        [WARNING],
    ),
    # node_name
    ("node_name", one(node=facts(node_name="w1.example.org")), []),
    ("node_name", one(node=facts(node_name="w_1")), [ERROR]),
    ("node_name", one(node=facts(node_name="w_1"), node_name="w1"), []),
    ("node_name", one(node_name="W1"), [ERROR]),
    ("node_name", one(node=facts(node_name="-w1")), [ERROR]),
    ("node_name", one(node=facts(node_name="a" * 64)), [ERROR]),
    ("node_name", one(node=facts(node_name=".".join(["a" * 60] * 5))), [ERROR]),
    ("node_name", one(node=facts(node_name="")), [ERROR]),
    # node_address
    ("node_address", one(), []),
    ("node_address", one(node=facts(address=None)), [ERROR]),
    ("node_address", one(node_address="192.0.2.1"), []),
    ("node_address", one(node_address="198.51.100.9"), [ERROR]),
    # node_role
    ("node_role", one(node=member()), []),
    ("node_role", one(node=member(role="control_plane")), [ERROR]),
    ("node_role", one("control_plane", member()), [ERROR]),
    # etcd_directory
    ("etcd_directory", one("control_plane", facts(preflight__etcd_directory=["lost+found"])), []),
    ("etcd_directory", one("control_plane", facts(preflight__etcd_directory=["db", "lost+found"])), [ERROR]),
    ("etcd_directory", one("worker", facts(preflight__etcd_directory=["db"])), []),
    ("etcd_directory", one("worker", stray_etcd()), [ERROR]),
    ("etcd_directory", one("control_plane", stray_etcd()), [ERROR]),
    ("etcd_directory", one("control_plane", stray_etcd("/etc/kubernetes/pki/ca.crt")), []),
    (
        "etcd_directory",
        one("control_plane", member(role="control_plane", preflight__etcd_directory=["member", "site"])),
        [],
    ),
    # version_skew
    ("version_skew", one(node=member()), []),
    ("version_skew", one(node=member(versions={"kubelet": "1.36.5"})), [ERROR]),
    ("version_skew", one(node=member(versions={"kubelet": "1.37.0", "kubeadm": "1.37.0"})), [ERROR]),
    # What an upgrade that was given up leaves.
    ("version_skew", one(node=member(versions={"kubelet": "1.36.4", "kubeadm": "1.37.0"})), []),
    # An upgrade drains the node first.
    ("version_skew", one(node=member(versions={"kubelet": "1.35.9"})), [ERROR]),
    ("version_skew", one(node=member(versions={"kubelet": "1.36.3"})), [ERROR]),
    ("version_skew", one(node=member(versions={"kubelet": "1.32.9"})), [ERROR]),
    ("version_skew", one(node=facts(versions={"kubelet": "1.37.0"})), []),
    (
        "version_skew",
        one("control_plane", member(role="control_plane", preflight__apiserver_version="1.36.1")),
        [ERROR],
    ),
    (
        "version_skew",
        one("control_plane", member(role="control_plane", preflight__apiserver_version="1.35.9")),
        [ERROR],
    ),
    ("version_skew", one(node=member(versions={"kubelet": "devel"})), []),
]


@pytest.mark.parametrize(("check", "host", "severities"), HOST_CASES)
def test_host(check: str, host: Host, severities: list[str]) -> None:
    assert [severity for _host, name, severity in found([host]) if name == check] == severities
    if severities == []:
        return
    assert {name for _host, name, _severity in found([host])} <= {check, "os", "version_skew"}


def test_host_without_facts() -> None:
    gone = Host("w1", "worker", None, "Connection timed out", unreachable=True)
    assert found([gone]) == [("w1", "unreachable", ERROR)]
    broken = Host("w1", "worker", None, "sudo: a password is required")
    assert found([broken]) == [("w1", "facts", ERROR)]


def test_host_without_preflight_facts() -> None:
    node = facts()
    del node["preflight"]
    assert found([one(node=node)]) == []


def with_site(**changes: t.Any) -> Site:
    return dataclasses.replace(SITE, **changes)


def pair(first: dict[str, t.Any], second: dict[str, t.Any], **settings: t.Any) -> list[Host]:
    return [Host("cp1", "control_plane", first, **settings), Host("w1", "worker", second)]


OWN, FORMER = "https://192.0.2.1:6443", "https://old.example.org:6443"
BOTH = [("cp1", ERROR), ("w1", ERROR)]
CLUSTER_CASES: list[t.Any] = [
    ("kubernetes_version", [one()], with_site(kubernetes_version="1.35.0"), []),
    ("kubernetes_version", [one()], with_site(kubernetes_version="1.34.9"), [("", ERROR)]),
    ("kubernetes_version", [one()], with_site(kubernetes_version="newest"), [("", ERROR)]),
    ("control_planes", [one()], SITE, []),
    ("service_overrides", [one()], SITE, []),
    ("service_overrides", [overridden("Environment X", "ExecStart")], SITE, [("w1", ERROR)]),
    ("service_overrides", [overridden("Environment KUBELET_KUBEADM_ARGS")], SITE, [("w1", ERROR)]),
    ("service_overrides", [overridden("Environment HTTP_PROXY")], SITE, [("w1", WARNING)]),
    ("service_overrides", [overridden("EnvironmentFile=")], SITE, [("w1", ERROR)]),
    (
        "service_overrides",
        [overridden("ExecStart", kubernetes__state="member")],
        SITE,
        [("w1", ERROR)],
    ),
    ("name_servers", [one()], SITE, []),
    ("name_servers", [resolving(USABLE)], SITE, []),
    ("name_servers", [resolving(UNUSABLE)], SITE, [("w1", ERROR)]),
    ("name_servers", [resolving(UNUSABLE, state="member")], SITE, [("w1", WARNING)]),
    ("name_servers", [resolving()], SITE, [("w1", ERROR)]),
    ("name_servers", [resolving({**USABLE, "path": "/run/x"}, UNUSABLE)], SITE, []),
    ("name_servers", [resolving(UNUSABLE, chosen={**USABLE, "path": "/etc/x"})], SITE, []),
    ("name_servers", [resolving(USABLE, chosen=UNUSABLE)], SITE, [("w1", ERROR)]),
    ("control_planes", [one()], with_site(control_planes=()), [("", ERROR)]),
    ("control_planes", [one()], with_site(control_planes=("a", "b"), endpoint="k:6443"), [("", WARNING)]),
    ("control_planes", [one()], with_site(control_planes=("a", "b", "c"), endpoint="k:6443"), []),
    ("endpoint", [one()], with_site(control_planes=("a", "b", "c"), endpoint="k8s.example.org:6443"), []),
    ("endpoint", [one()], with_site(control_planes=("a", "b", "c")), [("", ERROR)]),
    ("endpoint", [one()], with_site(endpoint="[2001:db8::1]:6443"), []),
    ("endpoint", [one()], with_site(endpoint="k8s.example.org"), [("", ERROR)]),
    ("endpoint", [one()], with_site(endpoint="k8s.example.org:66666"), [("", ERROR)]),
    ("endpoint", [one()], with_site(endpoint="K8S.example.org:6443"), [("", ERROR)]),
    ("endpoint", [named("192.0.2.10")], with_site(endpoint="k8s.example.org:6443"), []),
    ("endpoint", [named()], with_site(endpoint="k8s.example.org:6443"), [("w1", ERROR)]),
    ("endpoint", [named("127.0.1.1")], with_site(endpoint="k8s.example.org:6443"), [("w1", ERROR)]),
    ("endpoint", [named("::1")], with_site(endpoint="k8s.example.org:6443"), [("w1", ERROR)]),
    ("endpoint", [named("fe80::1%eth0")], with_site(endpoint="k8s.example.org:6443"), []),
    # The address of a control plane, which stays in its certificate, may give way to another endpoint.
    (
        "endpoint",
        [using("control_plane", 1, OWN), using("worker", 2, OWN)],
        with_site(control_planes=("cp1",), endpoint="192.0.2.100:6443"),
        [],
    ),
    (
        "endpoint",
        [
            using("control_plane", 1, OWN, FORMER),
            using("worker", 2, FORMER),
            using("worker", 3, "", state="fresh"),
        ],
        with_site(control_planes=("cp1",), endpoint="192.0.2.100:6443"),
        [("w2", ERROR)],
    ),
    (
        "endpoint",
        [using("control_plane", 1, OWN, FORMER), using("worker", 2, FORMER)],
        with_site(control_planes=("cp1",), endpoint="192.0.2.100:6443", cert_sans=("old.example.org",)),
        [],
    ),
    (
        "endpoint",
        [using("control_plane", 1, OWN, FORMER), using("worker", 2, FORMER)],
        with_site(control_planes=("cp1",), endpoint="old.example.org:6443"),
        [],
    ),
    # Nobody asked for the cluster to depend on one host again.
    (
        "endpoint",
        [using("control_plane", 1, OWN, FORMER)],
        with_site(control_planes=("cp1",), endpoint=""),
        [("cp1", ERROR)],
    ),
    ("endpoint", [using("control_plane", 1, OWN)], with_site(control_planes=("cp1",), endpoint=""), []),
    ("endpoint", [virtual()], SITE, []),
    # The control plane that has it answers.
    (
        "endpoint",
        [virtual("02:00:00:00:00:02"), virtual(number=2)],
        with_site(control_planes=("cp1", "cp2"), endpoint="192.0.2.100:6443"),
        [],
    ),
    ("endpoint", [virtual("02:00:00:00:00:99")], with_site(control_planes=("cp1",)), [("cp1", ERROR)]),
    # A control plane that is not in this run may be the one.
    (
        "endpoint",
        [virtual("02:00:00:00:00:99")],
        with_site(control_planes=("cp1", "cp2"), endpoint="192.0.2.100:6443"),
        [],
    ),
    ("endpoint", [virtual(address="198.51.100.7")], SITE, [("cp1", ERROR)]),
    ("endpoint", [virtual(interface=None)], SITE, [("cp1", ERROR)]),
    ("endpoint", [virtual(interface="lan")], SITE, [("cp1", ERROR)]),
    (
        "endpoint",
        [named(state="member")],
        with_site(endpoint="k8s.example.org:6443"),
        [("w1", WARNING)],
    ),
    ("foreign_cluster", pair(member(1, "control_plane"), member(2)), SITE, []),
    (
        "foreign_cluster",
        pair(member(1, "control_plane"), member(2, cluster=OTHER_CLUSTER)),
        SITE,
        [("w1", ERROR)],
    ),
    ("foreign_cluster", pair(facts(1), member(2, cluster=OTHER_CLUSTER)), SITE, []),
    (
        "foreign_cluster",
        [
            Host("a", "control_plane", member(1, "control_plane", OTHER_CLUSTER)),
            Host("b", "control_plane", member(2, "control_plane")),
            Host("c", "control_plane", member(3, "control_plane")),
        ],
        SITE,
        [("a", ERROR)],
    ),
    # A CA rotation has ended on one of them.
    ("foreign_cluster", pair(member(1, "control_plane", OTHER_CLUSTER), rotating()), SITE, []),
    ("ca_rotation", pair(member(1, "control_plane"), member(2)), SITE, []),
    ("ca_rotation", pair(member(1, "control_plane"), rotating()), SITE, [("w1", ERROR)]),
    ("duplicate_machine_id", pair(facts(1), facts(2, machine_id=f"{1:032x}")), SITE, BOTH),
    ("duplicate_machine_id", pair(facts(1, machine_id=None), facts(2, machine_id=None)), SITE, []),
    ("duplicate_product_uuid", pair(facts(1), facts(2, product_uuid="uuid-1")), SITE, BOTH),
    (
        "duplicate_product_uuid",
        pair(facts(1, product_uuid="0" * 8 + "-0000" * 3 + "-" + "0" * 12), facts(2, product_uuid=None)),
        SITE,
        [],
    ),
    ("duplicate_hostname", pair(facts(1), facts(2, hostname="N1")), SITE, BOTH),
    ("duplicate_hostname", pair(facts(1, hostname=""), facts(2, hostname="")), SITE, []),
    ("duplicate_node_name", pair(facts(1), facts(2, node_name="n1")), SITE, BOTH),
    ("duplicate_node_name", pair(facts(1), facts(2), node_name="n2"), SITE, BOTH),
    ("duplicate_address", pair(facts(1), facts(2)), SITE, []),
    ("duplicate_address", pair(facts(1), facts(2, address="192.0.2.1")), SITE, BOTH),
    (
        "duplicate_address",
        pair(facts(1), facts(2, addresses=["192.0.2.2", "192.0.2.1"])),
        SITE,
        [("w1", ERROR)],
    ),
    ("duplicate_address", pair(facts(1, address=None), facts(2, address=None)), SITE, []),
    ("clock", pair(facts(1), facts(2, preflight__clock={"offset": 5.0, "uncertainty": 0.1})), SITE, []),
    (
        "clock",
        pair(facts(1), facts(2, preflight__clock={"offset": -60.0, "uncertainty": 0.1})),
        SITE,
        [("w1", ERROR)],
    ),
    ("clock", pair(facts(1, preflight__clock={"offset": None}), facts(2)), SITE, []),
    # The clock of a host that takes 40 seconds to log in to may be right.
    ("clock", pair(facts(1), facts(2, preflight__clock={"offset": 19.0, "uncertainty": 20.0})), SITE, []),
    (
        # The controller's clock is wrong.
        "clock",
        [
            Host(f"w{n}", "worker", facts(n, preflight__clock={"offset": 3600.0 + n, "uncertainty": 0.1}))
            for n in (1, 2, 3)
        ],
        SITE,
        [],
    ),
    ("network_format", [one()], SITE, []),
    ("network_format", [one()], with_site(pod_cidr="10.244.0.0"), [("", ERROR)]),
    ("network_format", [one()], with_site(pod_cidr="10.244.1.1/16"), [("", ERROR)]),
    ("network_format", [one()], with_site(service_cidr="services"), [("", ERROR)]),
    ("network_format", [one()], with_site(pod_cidr="10.244.0.0/16,fd00:1::/48"), []),
    ("network_format", [one()], with_site(pod_cidr="10.244.0.0/16,10.245.0.0/16"), [("", ERROR)]),
    ("network_overlap", [one()], with_site(service_cidr="10.244.128.0/20"), [("", ERROR)]),
    ("network_overlap", [one()], with_site(pod_cidr="192.0.0.0/16"), [("w1", ERROR)]),
    (
        "network_overlap",
        [one(node=facts(preflight__networks=[]))],
        with_site(pod_cidr="192.0.0.0/16"),
        [("w1", ERROR)],
    ),
    ("network_overlap", [one(node=facts(address="no address"))], SITE, []),
    (
        "network_overlap",
        [one(node=facts(preflight__networks=[{"network": "10.0.0.0/8", "interface": "wg0"}]))],
        SITE,
        [("w1", ERROR), ("w1", ERROR)],
    ),
    ("network_size", [one()], with_site(pod_cidr="10.244.0.0/23"), []),
    ("network_size", [one()], with_site(pod_cidr="10.244.0.0/24"), [("", ERROR)]),
    ("network_size", [one()], with_site(pod_cidr="10.244.0.0/25"), [("", ERROR)]),
    ("network_size", [one()], with_site(pod_cidr="8.0.0.0/7"), [("", ERROR)]),
    ("network_size", [one()], with_site(service_cidr="10.96.0.0/28"), []),
    ("network_size", [one()], with_site(service_cidr="10.96.0.0/29"), [("", ERROR)]),
    ("network_size", [one()], with_site(service_cidr="10.96.0.0/11"), [("", ERROR)]),
    ("network_size", [one()], with_site(service_cidr="fd00:2::/108"), []),
]


@pytest.mark.parametrize(("check", "hosts", "site", "expected"), CLUSTER_CASES)
def test_cluster(check: str, hosts: list[Host], site: Site, expected: list[tuple[str, str]]) -> None:
    assert [(host, severity) for host, name, severity in found(hosts, site) if name == check] == expected


def test_every_check_has_a_case() -> None:
    tried = {case[0] for case in (*HOST_CASES, *CLUSTER_CASES)} | {"unreachable", "facts", "ca_file", "proxy"}
    tried |= {"node_metadata", "unknown_nodes"}  # of test_preflight_nodes
    assert tried == set(CHECKS)


def test_every_check_is_documented() -> None:
    text = (ROOT / "docs" / "preflight.md").read_text(encoding="utf-8")
    assert [name for name in CHECKS if f"### {name}\n" not in text] == []


def test_findings_are_complete() -> None:
    hosts = [case[1] for case in HOST_CASES]
    for host in hosts:
        for item in verdict.evaluate([host], SITE):
            assert item.check in CHECKS
            assert all((item.found, item.expected, item.fix)), item
            assert item.fix.endswith(".") and not item.found.endswith("."), item


def test_ignored_and_warned() -> None:
    hosts = pair(facts(1), facts(2, product_uuid="uuid-1", swap_bytes=1))
    hosts[1] = dataclasses.replace(hosts[1], swap_off=False)
    result = verdict.evaluate(hosts, SITE, ["duplicate_product_uuid"], ["swap"])
    assert [(item.host, item.check, item.severity) for item in result] == [
        ("cp1", "duplicate_product_uuid", IGNORED),
        ("w1", "swap", WARNING),
        ("w1", "duplicate_product_uuid", IGNORED),
    ]


def test_report_groups_by_host() -> None:
    findings = [
        Finding("", "control_planes", ERROR, "none", "one", "Add one."),
        Finding("w1", "swap", ERROR, "1 MiB", "no swap", "Turn it off."),
        Finding("w1", "ports", ERROR, "10250 taken", "free", "Stop it."),
        Finding("w2", "ports", ERROR, "10250 taken", "free", "Stop it."),
        Finding("w1", "os", WARNING, "Fedora", "debian", "Try it."),
        Finding("w1", "clock", IGNORED, "off", "on", "Set it."),
    ]
    assert verdict.report(findings, 3).splitlines() == [
        "Preflight found 4 errors and 1 warning on 3 hosts. Nothing was changed.",
        "the site:",
        "  - [control_planes] found none; expected one. Add one.",
        "w1:",
        "  - [swap] found 1 MiB; expected no swap. Turn it off.",
        "w1, w2:",
        "  - [ports] found 10250 taken; expected free. Stop it.",
        "w1 (warnings):",
        "  - [os] found Fedora; expected debian. Try it.",
        "docs/preflight.md explains each check; preflight_ignore and preflight_warn take their names.",
    ]


def test_warnings_of_many_hosts_are_one_line() -> None:
    findings = [Finding(f"w{n}", "os", WARNING, "Fedora", "debian", "Try it.") for n in range(3)]
    assert verdict.warning_lines(findings) == ["w0, w1, w2: [os] found Fedora; expected debian. Try it."]


V1 = {"version": "1", "controllers": ["cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"]}


def arguments(**changes: t.Any) -> dict[str, t.Any]:
    return {
        "hosts": {"cp1": {"node": facts(1)}, "w1": {"node": facts(2)}},
        "control_planes": ["cp1"],
        "workers": ["w1"],
        "kubernetes_version": "1.36.4",
        "pod_cidr": "10.244.0.0/16",
        "service_cidr": "10.96.0.0/16",
        "tested_systems": ["gentoo"],
        **changes,
    }


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """Run the action as Ansible does, on this machine as the controller."""

    def run(args: t.Mapping[str, t.Any], *flags: str, path: str = "") -> dict[str, t.Any]:
        done = subprocess.run(
            [
                "ansible",
                "localhost",
                "-m",
                "baremetal.kubernetes.preflight_report",
                "-a",
                json.dumps(args),
                *flags,
            ],
            cwd=tmp_path,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"),
                "ANSIBLE_NOCOLOR": "true",
                "ANSIBLE_FORCE_COLOR": "false",
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONPATH": path,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        head, arrow, answer = done.stdout.partition("=> ")
        assert arrow, done.stdout + done.stderr
        result, _end = json.JSONDecoder().raw_decode(answer)
        output = " ".join((done.stdout + done.stderr).split())
        return {**result, "failed": "FAILED!" in head, "rc": done.returncode, "output": output}

    return run


def test_action_passes(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    result = report(arguments(path=str(path)))
    assert (result["ok"], result["changed"], result["rc"]) == (True, True, 0)
    written = json.loads(path.read_text())
    assert written["hosts"] == ["cp1", "w1"]
    assert written["counts"] == {"error": 0, "warning": 0, "ignored": 0}
    assert report(arguments(path=str(path)))["changed"] is False


def test_action_lists_all_findings_at_once(report: Report, tmp_path: Path) -> None:
    hosts = {
        "cp1": {
            "unreachable": True,
            "msg": "Task failed: Failed to connect to the host via ssh:\n timed out",
            "changed": False,
        },
        "w1": {
            "node": facts(2, node_name="w_1", distribution={"id": "fedora"}, swap_bytes=1 << 20, cgroup=V1)
        },
        "w2": {"failed": False, "msg": "MODULE FAILURE"},
    }
    path = tmp_path / "report.json"
    result = report(
        arguments(
            hosts=hosts,
            pod_cidr="192.0.2.0/24",
            swap_off={"w1": False},
            cluster_kubelet_config={"failSwapOn": False, "failCgroupV1": False},
            kubelet_config={"w1": {"failSwapOn": True}},
            kernel_options=[{"any_of": ["CONFIG_Z"], "needed_by": "kubelet", "reason": "z"}],
            ca_file=str(tmp_path / "none.crt"),
            ignore=["swap"],
            path=str(path),
        ),
    )
    assert result["failed"] is True and result["ok"] is False
    found_now = [(item["host"], item["check"], item["severity"]) for item in result["findings"]]
    assert found_now == [
        ("", "ca_file", "error"),
        ("", "network_size", "error"),
        ("cp1", "unreachable", "error"),
        ("w1", "network_overlap", "error"),
        ("w1", "node_name", "error"),
        ("w1", "os", "warning"),
        ("w1", "cgroup", "warning"),
        ("w1", "swap", "ignored"),
        ("w2", "facts", "error"),
    ]
    for text in ("via ssh: timed out", "192.0.2.0/24 on eth0", "'w_1'", "MODULE FAILURE", "none.crt"):
        assert text in result["msg"]
    assert "found Failed to connect" in result["msg"]
    assert "swap" not in result["msg"].replace("preflight_ignore", "")
    assert json.loads(path.read_text())["findings"] == result["findings"]


def test_action_writes_nothing_in_check_mode(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    result = report(arguments(path=str(path)), "--check")
    assert result["changed"] is True
    assert not path.exists()


def test_action_reports_although_the_file_cannot_be_written(report: Report, tmp_path: Path) -> None:
    result = report(arguments(path=str(tmp_path / "no" / "report.json"), pod_cidr="x"))
    assert "network_format" in result["msg"]
    assert "could not be written" in result["output"]


def test_defaults_are_those_of_the_role_host() -> None:
    """The role preflight passes only what the inventory sets, and reads no file of another role."""
    defaults = yaml.safe_load((ROOT / "roles" / "host" / "defaults" / "main.yml").read_text(encoding="utf-8"))
    params: dict[str, t.Any] = {
        name: {} for name in ("node_names", "node_addresses", "swap_off", "packages_managed")
    }
    params |= {"kubelet_config": {}, "cluster_kubelet_config": {}, "control_planes": {}}
    host = parameters.read_host("w1", {}, params)
    assert host.swap_off is defaults["host_swap_off"]
    assert host.packages_managed is defaults["host_packages_managed"]


@pytest.mark.parametrize("option", ["ignore", "warn"])
def test_action_refuses_unknown_checks(report: Report, option: str) -> None:
    result = report(arguments(**{option: ["swap", "swop"]}))
    assert result["msg"].startswith(
        "There is no check called swop (ignore, warn). Choose from: unreachable, "
    )


def test_action_without_netaddr(report: Report, tmp_path: Path) -> None:
    (tmp_path / "netaddr.py").write_text("raise ImportError('not here')\n")
    result = report(arguments(), path=str(tmp_path))
    assert "netaddr" in result["msg"] and result["failed"] is True


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (
            {"http_proxy": "http://192.0.2.1:3128", "https_proxy": "http://u:p%40s@proxy.example.org:3128/"},
            [],
        ),
        (
            {
                "https_proxy": "http://[2001:db8::1]:3128",
                "no_proxy": [".example.org", "192.0.2.0/24", "[::1]:80"],
            },
            [],
        ),
        ({"https_proxy": "https://proxy.example.org:3128"}, ["cluster_https_proxy"]),
        ({"https_proxy": "proxy.example.org:3128"}, ["cluster_https_proxy"]),
        ({"http_proxy": "socks5://proxy.example.org:1080"}, ["cluster_http_proxy"]),
        ({"http_proxy": "http://u:hunter2'$(id)@proxy.example.org:3128"}, ["cluster_http_proxy"]),
        ({"https_proxy": "http://proxy.example.org"}, ["cluster_https_proxy"]),
        ({"no_proxy": ["a.example.org,b.example.org"]}, ["cluster_no_proxy"]),
    ],
)
def test_form_of_the_proxy(given: dict[str, t.Any], wrong: list[str]) -> None:
    params = {"http_proxy": "", "https_proxy": "", "no_proxy": [], **given}
    found = parameters.check_proxy(params)
    assert [item.found.split()[0] for item in found] == wrong
    assert all(item.check == "proxy" and "hunter2" not in str(item) for item in found)


def test_the_controller_resolves_the_endpoint() -> None:
    assert endpoint.check_controller("") == []
    assert endpoint.check_controller("192.0.2.10:6443") == []
    assert endpoint.check_controller("[2001:db8::1]:6443") == []
    assert endpoint.check_controller("localhost:6443") == []
    [finding] = endpoint.check_controller("no-such-host.invalid:6443")
    assert "on the controller" in finding.found
    assert "/etc/hosts" in finding.fix


def _who(hosts: dict[str, dict[str, t.Any]], **given: t.Any) -> dict[str, tuple[str, str]]:
    """Findings of names and addresses by host: check and what was found."""
    params: dict[str, t.Any] = {
        name: option.get("default", {"str": "", "list": [], "dict": {}}.get(option["type"]))
        for name, option in parameters.ARGUMENT_SPEC.items()
    }
    params |= {"service_cidr": SITE.service_cidr, "control_planes": ["cp1"], **given}
    seen = [parameters.read_host(name, {"node": node}, params) for name, node in hosts.items()]
    return {one.host: (one.check, one.found) for one in identity.check_identities(seen, params)}


def _plane(**nodes: t.Any) -> dict[str, t.Any]:
    return {**member(1, "control_plane"), "security": {"serving_nodes": nodes}}


PINNED = {"n2": {"host": "w1", "addresses": ["192.0.2.2"], "names": []}}


def test_a_host_keeps_the_identity_that_it_joined_with() -> None:
    plane = _plane(**PINNED)
    assert _who({"cp1": plane, "w1": member(2)}) == {}
    moved = member(2, address="192.0.2.99", addresses=["192.0.2.99"])
    check, found = _who({"cp1": plane, "w1": moved})["w1"]
    assert check == "node_address" and "192.0.2.99, which the host reports" in found
    assert _who({"cp1": plane, "w1": moved}, node_addresses={"w1": "192.0.2.99"}) == {}
    assert _who({"cp1": plane, "w1": moved}, connections={"w1": "192.0.2.99"}) == {}
    renamed = member(2, node_name="n9")
    assert _who({"cp1": plane, "w1": renamed})["w1"][0] == "node_name"
    assert _who({"cp1": plane, "w1": renamed}, node_names={"w1": "n9"}) == {}


def test_a_list_of_a_worker_pins_nothing() -> None:
    """Only control planes keep it; another host may say what it wants."""
    liar = {**member(2, address="192.0.2.99"), "security": {"serving_nodes": {"n2": {"host": "w1"}}}}
    assert _who({"cp1": _plane(**PINNED), "w1": liar})["w1"][0] == "node_address"
    foreign = {
        **member(3),
        "security": {"serving_nodes": {"n1": {"host": "cp1", "addresses": ["192.0.2.77"]}}},
    }
    assert _who({"cp1": _plane(), "w1": foreign}) == {}


@pytest.mark.parametrize(
    "address",
    ["10.96.0.1", "192.0.2.10", "169.254.3.4", "198.51.100.1"],
    ids=["service", "endpoint", "link", "san"],
)
def test_a_host_cannot_have_an_address_of_the_api_server(address: str) -> None:
    worker = facts(2, address=address, addresses=[address])
    settings = {"endpoint": "192.0.2.10:6443", "cert_sans": {"cp1": "198.51.100.1,x"}}
    assert _who({"cp1": facts(1), "w1": worker}, **settings)["w1"][0] == "node_address"


def test_a_host_cannot_have_a_name_of_the_api_server() -> None:
    for name in ("kubernetes", "kubernetes.default.svc", "localhost", "x.svc.cluster.local"):
        assert _who({"cp1": facts(1), "w1": facts(2, node_name=name)})["w1"][0] == "node_name", name


def test_the_way_out_of_a_drop_in() -> None:
    [finding] = verdict.evaluate([overridden("ExecStart")], SITE)
    assert (
        "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf sets ExecStart of kubelet" in finding.found
    )
    assert "ln -s /dev/null /etc/systemd/system/kubelet.service.d/10-kubeadm.conf" in finding.fix
    [finding] = verdict.evaluate([resolving(UNUSABLE)], SITE)
    assert "kubelet_config.resolvConf" in finding.fix
