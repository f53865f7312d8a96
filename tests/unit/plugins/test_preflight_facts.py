# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts that node_info reads for a preflight, with file trees as hosts and local servers."""

from __future__ import annotations

import gzip
import os
import socket
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.action import node_info as action
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import (
    kernel_config,
    preflight_facts,
    probe,
)

from tests.unit.support.modules import RunModule
from tests.unit.support.servers import Answer, Request, Server

RELEASE = "6.12.41-gentoo"
CONFIG = '# CONFIG_VXLAN is not set\nCONFIG_OVERLAY_FS=m\nCONFIG_BPF=y\nCONFIG_LOCALVERSION="-gentoo"\n'
WANTED = ("CONFIG_BPF", "CONFIG_OVERLAY_FS", "CONFIG_VXLAN", "CONFIG_NOT_THERE")
VALUES = {"CONFIG_BPF": "y", "CONFIG_OVERLAY_FS": "m", "CONFIG_VXLAN": "n", "CONFIG_NOT_THERE": "n"}


def write(root: Path, path: str, content: str | bytes) -> Path:
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.encode() if isinstance(content, str) else content)
    return target


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/proc/config.gz", gzip.compress(CONFIG.encode())),
        (f"/boot/config-{RELEASE}", CONFIG),
        (f"/lib/modules/{RELEASE}/config", CONFIG),
    ],
)
def test_kernel_by_its_configuration(tmp_path: Path, path: str, content: str | bytes) -> None:
    write(tmp_path, path, content)
    seen = kernel_config.observe(str(tmp_path), RELEASE, WANTED)
    assert seen == {"source": path, "options": VALUES, "modules_installed": False}


def test_broken_configuration_is_skipped(tmp_path: Path) -> None:
    write(tmp_path, "/proc/config.gz", b"\x1f\x8bnothing")
    write(tmp_path, f"/boot/config-{RELEASE}", CONFIG)
    assert kernel_config.observe(str(tmp_path), RELEASE, WANTED)["source"] == f"/boot/config-{RELEASE}"


def test_configuration_of_another_kernel_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, "/boot/config-6.1.0-debian", CONFIG)
    assert kernel_config.observe(str(tmp_path), RELEASE, WANTED)["source"] == "probe"


def test_kernel_by_evidence(tmp_path: Path) -> None:
    write(tmp_path, "/proc/filesystems", "nodev\tproc\nnodev\toverlay\n")
    write(tmp_path, "/proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t0\t1\t1\n")
    write(tmp_path, "/proc/sys/net/core/bpf_jit_enable", "1\n")
    write(tmp_path, "/proc/net/ip_tables_matches", "comment\nset\n")
    write(tmp_path, "/proc/net/ip_tables_targets", "REDIRECT\n")
    write(tmp_path, f"/lib/modules/{RELEASE}/modules.builtin", "kernel/drivers/net/veth.ko\n")
    write(
        tmp_path,
        f"/lib/modules/{RELEASE}/modules.dep",
        "kernel/drivers/net/vxlan/vxlan.ko.zst: kernel/net/ipv4/udp_tunnel.ko.zst\nkernel/net/bridge/bridge.ko:\n",
    )
    (tmp_path / "sys/module/nf_nat").mkdir(parents=True)
    expected = {
        "CONFIG_OVERLAY_FS": "y",
        "CONFIG_CPUSETS": "y",
        "CONFIG_MEMCG": "n",
        "CONFIG_BPF_JIT": "y",
        "CONFIG_NETFILTER_XT_MATCH_COMMENT": "y",
        "CONFIG_NETFILTER_XT_TARGET_REDIRECT": "y",
        "CONFIG_VETH": "y",
        "CONFIG_VXLAN": "m",
        "CONFIG_NF_NAT": "y",
        "CONFIG_NET_CLS_BPF": "n",
        "CONFIG_FIB_RULES": "unknown",
        "CONFIG_SECCOMP": "unknown",
    }
    seen = kernel_config.observe(str(tmp_path), RELEASE, expected)
    assert seen == {"source": "probe", "options": expected, "modules_installed": True}


def test_kernel_without_evidence_is_unknown(tmp_path: Path) -> None:
    seen = kernel_config.probe(
        str(tmp_path), RELEASE, ["CONFIG_VXLAN", "CONFIG_MEMCG", "CONFIG_BPF", "CONFIG_X"]
    )
    assert set(seen.values()) == {"unknown"}


TCP = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:1900 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n"
    "   1: 0B0200C0:192B 0C0200C0:E000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0\n"
    "   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0\n"
)
TCP6 = (
    "  sl  local_address                         remote_address                        st ...\n"
    "   0: 00000000000000000000000000000000:280A 00000000000000000000000000000000:0000 0A 00000000:00000000"
    " 00:00000000 00000000     0        0 4714 1 0\n"
)
UDP = (
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "  99: 00000000:2118 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 2 0\n"
)
PORTS = (("tcp", 6400), ("tcp", 6443), ("tcp", 10250), ("udp", 8472), ("udp", 6400))


def test_ports_and_their_owners(tmp_path: Path) -> None:
    write(tmp_path, "/proc/net/tcp", TCP)
    write(tmp_path, "/proc/net/tcp6", TCP6)
    write(tmp_path, "/proc/net/udp", UDP)
    write(tmp_path, "/proc/20/cmdline", "/usr/local/bin/kube-controller-manager\0--flag\0")
    write(tmp_path, "/proc/20/comm", "kube-controller\n")
    (tmp_path / "proc/20/fd").mkdir()
    (tmp_path / "proc/20/fd/7").symlink_to("socket:[4711]")
    (tmp_path / "proc/30").mkdir()
    (tmp_path / "proc/self").mkdir()
    assert preflight_facts.ports(str(tmp_path), PORTS) == [
        {"protocol": "tcp", "port": 6400, "address": "127.0.0.1", "process": "kube-controller-manager"},
        {
            "protocol": "udp",
            "port": 8472,
            "address": str(preflight_facts.ipaddress.IPv4Address(0)),
            "process": "kernel",
        },
        {"protocol": "tcp", "port": 10250, "address": "::", "process": None},
    ]


def test_processes_are_not_read_when_all_ports_are_free(tmp_path: Path) -> None:
    write(tmp_path, "/proc/net/tcp", TCP)
    assert preflight_facts.ports(str(tmp_path), [("tcp", 6443)]) == []


def test_ports_of_this_machine() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        number = listening.getsockname()[1]
        seen = preflight_facts.ports("/", [("tcp", number)])
    assert [(item["port"], item["address"]) for item in seen] == [(number, "127.0.0.1")]
    assert seen[0]["process"]


def test_disks_of_paths_that_do_not_exist(tmp_path: Path) -> None:
    seen = preflight_facts.disks(str(tmp_path), ["/var/lib/containerd", "/"])
    assert [item["path"] for item in seen] == ["/var/lib/containerd", "/"]
    assert seen[0]["device"] == seen[1]["device"] == os.stat(tmp_path).st_dev
    assert seen[0]["free_bytes"] > 0 and seen[0]["writable"] is True


def test_networks(tmp_path: Path) -> None:
    write(
        tmp_path,
        "/proc/net/route",
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "eth0\t0000FEA9\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        "cilium_host\t0000F40A\t9B00F40A\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "cilium_host\t9B00F40A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n",
    )
    flags = "00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001"
    write(
        tmp_path,
        "/proc/net/ipv6_route",
        f"20010db8000000000000000000000000 40 {flags}     eth0\n"
        f"fe800000000000000000000000000000 40 {flags}     eth0\n"
        f"00000000000000000000000000000001 80 {flags}       lo\n"
        f"00000000000000000000000000000000 00 {flags}     eth0\n",
    )
    assert preflight_facts.networks(str(tmp_path)) == [
        {"network": "10.244.0.0/24", "interface": "cilium_host"},
        {"network": "192.0.2.0/24", "interface": "eth0"},
        {"network": "2001:db8::/64", "interface": "eth0"},
    ]


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("registry.k8s.io/kube-apiserver:v1.36.4", "1.36.4"),
        ("mirror.example.org:5000/registry.k8s.io/kube-apiserver:v1.37.0-rc.1@sha256:00", "1.37.0-rc.1"),
        ("mirror.example.org:5000/kube-apiserver", None),
    ],
)
def test_version_of_the_api_server(tmp_path: Path, image: str, version: str | None) -> None:
    text = f"spec:\n  containers:\n  - name: kube-apiserver\n    image: {image}\n"
    write(tmp_path, "/etc/kubernetes/manifests/kube-apiserver.yaml", text)
    assert preflight_facts.apiserver_version(str(tmp_path)) == version


def answer(request: Request) -> Answer:
    """The status that the path names; /slow takes a while."""
    if request.path == "/slow":
        time.sleep(3)
    name = request.path[1:]
    return Answer(int(name) if name.isdigit() else 200)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    running = Server(answer)
    yield running.url
    running.close()


def test_urls_are_requested_in_parallel(server: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        urls = [f"{server}/{path}" for path in ("200", "401", "404", "503", "slow")]
        began = time.monotonic()
        seen = probe.Probes([*urls, closed, "file:///etc/passwd", urls[0]], 0.5).results()
    assert time.monotonic() - began < 2.5
    assert [(item["ok"], item["answer"]) for item in seen[:4]] == [
        (True, "HTTP 200"),
        (True, "HTTP 401"),
        (False, "HTTP 404"),
        (False, "HTTP 503"),
    ]
    assert [item["ok"] for item in seen[4:]] == [False, False, False]
    assert "timed out" in seen[4]["answer"] or "no answer" in seen[4]["answer"]
    assert "refused" in seen[5]["answer"]
    assert seen[6]["answer"] == "not a URL of http or https"


def test_proxy_of_the_environment_is_used(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server)
    # A proxy is asked for whole URLs; the test server answers to any path.
    assert probe.Probes(["http://no-such-host.invalid/"], 2).results()[0]["ok"] is True


def test_invalid_ca_is_reported() -> None:
    seen = probe.Probes(["https://127.0.0.1:1/"], 1, "no certificate").results()
    assert seen[0]["ok"] is False
    assert "the given CA is no PEM certificate" in seen[0]["answer"]


def test_module_reads_preflight_facts_only_on_request(
    tmp_path: Path, run_module: RunModule, server: str
) -> None:
    write(tmp_path, "/proc/config.gz", gzip.compress(CONFIG.encode()))
    assert "preflight" not in run_module("node_info", {"root": str(tmp_path)})["node"]
    before = time.time()
    asked = {
        "kernel_options": list(WANTED),
        "ports": ["6443/tcp", "8472/udp"],
        "paths": ["/var/lib"],
        "urls": [f"{server}/200?{{arch}}"],
    }
    seen = run_module("node_info", {"root": str(tmp_path), "preflight": asked})["node"]["preflight"]
    assert seen["kernel"]["options"] == VALUES
    assert seen["ports"] == [] and seen["networks"] == []
    assert seen["cpus"] >= 1
    assert before <= seen["clock"]["began"] <= seen["clock"]["ended"] <= time.time()
    assert "{arch}" not in seen["urls"][0]["url"]


@pytest.mark.parametrize("port", ["6443", "0/tcp", "70000/tcp", "53/sctp"])
def test_module_refuses_invalid_ports(tmp_path: Path, run_module: RunModule, port: str) -> None:
    result = run_module("node_info", {"root": str(tmp_path), "preflight": {"ports": [port]}})
    assert result["failed"] is True
    assert "Expected a number and a protocol" in result["msg"]


@pytest.mark.parametrize(
    ("times", "offset", "uncertainty"),
    [
        ((100.0, 100.5, 101.0, 101.5), 0.0, 0.5),
        ((100.0, 160.5, 161.0, 101.5), 60.0, 0.5),
        ((100.0, 99.0, 99.2, 100.2), -1.0, 0.0),
        # A slow request: the offset is wrong by half of its time, which is the uncertainty.
        ((100.0, 120.0, 120.5, 120.5), 10.0, 10.0),
        # A clock that was set back during the call.
        ((100.0, 100.5, 90.0, 101.5), -5.5, 6.0),
    ],
)
def test_clock(times: tuple[float, float, float, float], offset: float, uncertainty: float) -> None:
    assert action.compare(*times) == {"offset": offset, "uncertainty": uncertainty}


@pytest.mark.parametrize("preflight", [True, False])
def test_action_adds_the_clock(monkeypatch: pytest.MonkeyPatch, preflight: bool) -> None:
    times = iter([100.0, 101.0])
    answer: dict[str, t.Any] = {"node": {"hostname": "w1"}}
    if preflight:
        answer["node"]["preflight"] = {"clock": {"began": 130.4, "ended": 130.6}}
    monkeypatch.setattr(action.time, "time", lambda: next(times))
    monkeypatch.setattr(action.ActionBase, "run", lambda self, tmp, task_vars: {})
    monkeypatch.setattr(action.ActionModule, "__init__", lambda self: None)
    monkeypatch.setattr(action.ActionModule, "_execute_module", lambda self, task_vars: answer, raising=False)
    result = action.ActionModule().run(None, {})
    if preflight:
        clock = result["node"]["preflight"]["clock"]
        assert (clock["offset"], clock["uncertainty"]) == (30.0, 0.4)
    else:
        assert result == {"node": {"hostname": "w1"}}


def test_names_are_resolved() -> None:
    found = probe.Lookups(["localhost", "no-such-host.invalid", "localhost", "a" * 300], 5).results()
    assert [item["name"] for item in found] == ["localhost", "no-such-host.invalid", "a" * 300]
    assert set(found[0]["addresses"]) <= {"127.0.0.1", "::1"}
    assert [bool(item["error"]) for item in found] == [False, True, True]


def test_a_resolver_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "resolve", lambda _name: time.sleep(5))
    began = time.monotonic()
    assert probe.Lookups(["k8s.example.org"], 0.1).results()[0]["error"] == "no answer within 0.1 s"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("asked", "interface"),
    [
        ({}, "eth0"),
        ({"node_address": "198.51.100.7"}, "lan"),
        ({"node_address": "198.51.100.7", "interface": "bond0"}, "bond0"),
        ({"node_address": "203.0.113.1"}, None),
    ],
)
def test_network_of_the_virtual_address(
    asked: dict[str, str], interface: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is that of the address that the node will have, not that of the default route."""
    probed: list[str] = []

    def who_has(_address: str, name: str, _timeout: float) -> dict[str, t.Any]:
        probed.append(name)
        return {"macs": [], "error": None}

    monkeypatch.setattr(preflight_facts.arp, "who_has", who_has)
    node = {
        "address": "192.0.2.11",
        "addresses": ["192.0.2.11", "198.51.100.7"],
        "interfaces": [
            {"name": "eth0", "addresses": ["192.0.2.11/24"]},
            {"name": "lan", "addresses": ["198.51.100.7/24"]},
        ],
    }
    request = preflight_facts.Request(virtual_address="192.0.2.100", **asked)
    found = preflight_facts.virtual_address(request, node)
    assert found is not None and found["interface"] == interface
    assert probed == ([interface] if interface else [])
