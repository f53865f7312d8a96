# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drop-ins and conf.d files that change how a daemon runs, and the name servers that pods get."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon import overrides
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import resolver
from hypothesis import given
from hypothesis import strategies as st

KUBEADM = """# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--kubeconfig=/etc/kubernetes/kubelet.conf" SECRET='a b'
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS \\
  $KUBELET_EXTRA_ARGS
"""
FOUND = ["Environment KUBELET_KUBECONFIG_ARGS", "Environment SECRET", "EnvironmentFile", "ExecStart"]


def write(root: Path, path: str, text: str) -> None:
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (KUBEADM, FOUND),
        ("[Service]\nLimitNOFILE=5\nMemoryMax=1G\n[Unit]\nAfter=x.service\nExecStart=/no\n", []),
        ("ExecStart=/no\n", []),
        ("[Service]\n# ExecStart=/no\n; User=no\nEnvironment=\n", []),
        ("[Service]\n User = nobody\nType=simple\n", ["User", "Type"]),
        ("[Service]\nEnvironment='HTTP_PROXY=http://a\n", ["Environment 'HTTP_PROXY"]),
        ("[Service]\nEnvironmentFile=\n", ["EnvironmentFile="]),
        ("", []),
    ],
)
def test_settings_of_a_drop_in(text: str, expected: list[str]) -> None:
    assert overrides.read_drop_in(text) == expected


def test_drop_ins_in_force(tmp_path: Path) -> None:
    root = str(tmp_path)
    assert overrides.observe(root, "systemd") == []
    packaged = "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"
    write(tmp_path, packaged, KUBEADM)
    write(tmp_path, "/run/systemd/system/service.d/all.conf", "[Service]\nUser=x\n")
    write(tmp_path, "/etc/systemd/system/kubelet-csr-.service.d/a.conf", "[Service]\nUser=x\n")
    write(tmp_path, "/etc/systemd/system/kubelet.service.d/README", KUBEADM)
    write(tmp_path, "/etc/systemd/system/kubelet.service.d/limits.conf", "[Service]\nCPUQuota=5%\n")
    write(tmp_path, "/etc/systemd/system/containerd.service.d/proxy.conf", "[Service]\nEnvironment=A=b\n")
    assert [(item["daemon"], item["path"]) for item in overrides.observe(root, "systemd")] == [
        ("containerd", "/etc/systemd/system/containerd.service.d/proxy.conf"),
        ("containerd", "/run/systemd/system/service.d/all.conf"),
        ("kubelet", packaged),
        ("kubelet", "/run/systemd/system/service.d/all.conf"),
        ("kubelet-csr-approver", "/etc/systemd/system/kubelet-csr-.service.d/a.conf"),
        ("kubelet-csr-approver", "/run/systemd/system/service.d/all.conf"),
        ("kubernetes-api-endpoint", "/run/systemd/system/service.d/all.conf"),
        ("kubernetes-etcd-backup", "/run/systemd/system/service.d/all.conf"),
        ("metrics-textfile", "/run/systemd/system/service.d/all.conf"),
        ("node_exporter", "/run/systemd/system/service.d/all.conf"),
    ]
    assert overrides.observe(root, "openrc") == []


def test_a_file_of_the_same_name_masks_a_drop_in(tmp_path: Path) -> None:
    write(tmp_path, "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf", KUBEADM)
    mask = tmp_path / "etc/systemd/system/kubelet.service.d/10-kubeadm.conf"
    mask.parent.mkdir(parents=True)
    mask.symlink_to("/dev/null")
    assert overrides.observe(str(tmp_path), "systemd") == []


def test_openrc(tmp_path: Path) -> None:
    text = (
        'command_args="--x"\ncommand_user="nobody"\nexport HTTP_PROXY=x\nrc_ulimit="-n 5"\n'
        "start() {\n:\n}\n#umask=077\n"
    )
    write(tmp_path, "/etc/conf.d/kubelet", text)
    write(tmp_path, "/etc/conf.d/containerd", '# Managed by baremetal.kubernetes: x\ncommand_user="x"\n')
    assert overrides.observe(str(tmp_path), "openrc") == [
        {
            "daemon": "kubelet",
            "path": "/etc/conf.d/kubelet",
            "settings": ["command_user", "Environment HTTP_PROXY", "start()"],
        }
    ]
    assert overrides.observe(str(tmp_path), "systemd") == []
    assert overrides.observe(str(tmp_path), "other") == []


@given(st.text())
def test_no_text_breaks_the_readers(text: str) -> None:
    overrides.read_drop_in("[Service]\n" + text)
    overrides.read_conf_d(text)
    resolver.problem(resolver.nameservers(text))


GOOD, LOOP, STUB = (
    "nameserver 192.0.2.53\n",
    "nameserver 127.0.0.1\n",
    "nameserver 127.0.0.53\noptions edns0\n",
)


@pytest.mark.parametrize(
    ("files", "kubelet", "usable"),
    [
        pytest.param({resolver.DEFAULT: GOOD}, "", True, id="plain"),
        pytest.param({resolver.DEFAULT: LOOP}, "", False, id="a resolver of the host"),
        pytest.param({resolver.DEFAULT: ""}, "", False, id="no name server"),
        pytest.param({}, "", False, id="no file"),
        pytest.param({resolver.DEFAULT: "nameserver ::1\n"}, "", False, id="IPv6"),
        pytest.param({resolver.DEFAULT: "nameserver 0.0.0.0\n"}, "", False, id="any"),
        pytest.param({resolver.DEFAULT: GOOD + LOOP}, "", False, id="one of two"),
        pytest.param({resolver.DEFAULT: "nameserver fe80::1%eth0\n"}, "", False, id="link-local"),
        pytest.param({resolver.DEFAULT: "nameserver fe80::1%eth0\n" + GOOD}, "", True, id="and another"),
        pytest.param(
            {resolver.DEFAULT: STUB, resolver.RESOLVED: GOOD}, resolver.RESOLVED, True, id="the stub"
        ),
        pytest.param({resolver.DEFAULT: GOOD, resolver.RESOLVED: GOOD}, "", True, id="no stub"),
        pytest.param(
            {resolver.DEFAULT: GOOD, resolver.RESOLVED: LOOP}, resolver.DEFAULT, True, id="kubeadm errs"
        ),
        pytest.param({resolver.DEFAULT: STUB, resolver.RESOLVED: LOOP}, "", False, id="both"),
        pytest.param(
            {resolver.DEFAULT: LOOP, resolver.NETWORK_MANAGER: GOOD},
            resolver.NETWORK_MANAGER,
            True,
            id="NetworkManager",
        ),
    ],
)
def test_name_servers(tmp_path: Path, files: dict[str, str], kubelet: str, usable: bool) -> None:
    for path, text in files.items():
        write(tmp_path, path, text)
    found: dict[str, t.Any] = resolver.observe(str(tmp_path))
    assert found["kubelet"] == kubelet
    assert any(not item["problem"] for item in found["files"]) is usable
    assert {item["path"] for item in found["files"]} == set(files)
