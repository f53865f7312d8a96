# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running kubeadm: documents, tokens, secrets, failures, and one run at a time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import (
    documents,
    runner,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.bootstrap_plan import (
    KUBELET_CONFIG,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import programs

from tests.unit.plugins.kubeadm.cluster import KEY, OURS, TOKEN


@pytest.mark.parametrize(
    ("stdout", "stderr", "phase"),
    [
        ("[preflight] x", "error execution phase preflight: [preflight] Some fatal errors", "preflight"),
        (
            "",
            "error execution phase control-plane-prepare/download-certs: no",
            "control-plane-prepare/download-certs",
        ),
        ("[init] a\n[certs] b\n[kubelet-start] c\n", "killed", "kubelet-start"),
        ("", "no such file", "start"),
    ],
)
def test_failed_phase(stdout: str, stderr: str, phase: str) -> None:
    assert runner.failed_phase(stdout, stderr) == phase


def test_tokens_are_well_formed_and_differ() -> None:
    tokens = {runner.fresh_token() for _ in range(20)}
    assert len(tokens) == 20
    assert all(re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token) for token in tokens)


def test_documents_are_refused() -> None:
    join = {"apiVersion": documents.API_VERSION, "kind": "JoinConfiguration"}
    for bad in (
        [{"kind": "InitConfiguration"}],
        [{**join, "discovery": {"tlsBootstrapToken": TOKEN}}],
        [{**join, "discovery": {"bootstrapToken": {"token": TOKEN}}}],
        [{**join, "controlPlane": {"certificateKey": KEY}}],
        [{"apiVersion": "v1", "kind": "InitConfiguration", "certificateKey": KEY}],
        [{"apiVersion": "v1", "kind": "InitConfiguration", "bootstrapTokens": [{"token": TOKEN}]}],
        [
            {
                "apiVersion": "v1",
                "kind": "KubeletConfiguration",
                "staticPodURLHeader": {"Authorization": [TOKEN]},
            }
        ],
        [{"apiVersion": "v1", "kind": "ClusterConfiguration", "x": [{"y": [{"TOKEN": TOKEN}]}]}],
        [join, join],
    ):
        with pytest.raises(KubeadmError) as caught:
            documents.check(bad)
        assert TOKEN not in str(caught.value)
        assert KEY not in str(caught.value)
    # What is named alike is no secret: the hashes and the endpoint of a token, paths, an empty field.
    documents.check(
        [
            {**join, "discovery": {"bootstrapToken": {"apiServerEndpoint": "a:1", "caCertHashes": [OURS]}}},
            {
                "apiVersion": "v1",
                "kind": "ClusterConfiguration",
                "token": "",
                "secretRef": {"tokenFile": "/x"},
            },
        ]
    )
    with pytest.raises(KubeadmError, match="role is worker"):
        documents.join_documents([{**join, "controlPlane": {}}], "worker", TOKEN, [OURS], "a:1", None)
    with pytest.raises(KubeadmError, match="certificate_key"):
        documents.join_documents([join], "control_plane", TOKEN, [OURS], "a:1", None)


def test_running_kubeadm_is_named(tmp_path: Path) -> None:
    shutil.copy("/bin/sh", tmp_path / "kubeadm")
    (tmp_path / "join").write_text("while :; do sleep 0.1; done")
    (tmp_path / "token").write_text("while :; do sleep 0.1; done")
    host = runner.Host(str(tmp_path), str(tmp_path / "kubeadm"))
    lost = [subprocess.Popen(["./kubeadm", word], cwd=tmp_path) for word in ("join", "token")]
    try:
        while len(runner.running_kubeadm(str(tmp_path / "kubeadm"))) != 1:
            time.sleep(0.05)
        with (
            pytest.raises(KubeadmError, match=rf"process {lost[0].pid}\) still runs"),
            host.exclusive(0.2),
        ):
            pytest.fail("two at a time")
    finally:
        for process in lost:
            process.kill()
            process.wait()
    with host.exclusive(0.2):
        assert (tmp_path / "run/baremetal-kubernetes-kubeadm.lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:9/healthz"),
        ("healthzPort: 1\n", "http://127.0.0.1:1/healthz"),
        ('healthzBindAddress: "::1"\nhealthzPort: 1\n', "http://[::1]:1/healthz"),
        ('{"healthzBindAddress": "127.0.0.2", "healthzPort": 1}', "http://127.0.0.2:1/healthz"),
    ],
)
def test_kubelet_is_asked_where_it_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, url: str
) -> None:
    monkeypatch.setattr(runner, "HEALTHZ_PORT", 9)
    for path, content in ((node.KUBELET_CONF, "x"), (KUBELET_CONFIG, text)):
        target = tmp_path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    reason = runner.Host(str(tmp_path)).unhealthy_kubelet()
    assert reason is not None
    assert reason.startswith(url)
    (tmp_path / KUBELET_CONFIG.lstrip("/")).write_text("healthzPort: &port 1\n")
    with pytest.raises(KubeadmError, match=r"config\.yaml cannot be read \(line 1"):
        runner.Host(str(tmp_path)).unhealthy_kubelet()


def test_programs_are_found_in_the_directories_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """su leaves the PATH of the user who logged in: without sbin, and with programs of his own."""
    system, home = tmp_path / "sbin", tmp_path / "home"
    for directory, text in ((system, "#!/bin/sh\necho out; echo err >&2; exit 3\n"), (home, "#!/bin/sh\n")):
        directory.mkdir()
        (directory / "crictl").write_text(text)
    (home / "crictl").chmod(0o755)
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setattr(programs, "SEARCH_PATH", (str(system),))
    assert programs.command(["crictl"]) == (programs.NOT_FOUND, "crictl is not installed")
    (system / "crictl").chmod(0o755)
    assert programs.find("crictl") == str(system / "crictl")
    assert programs.command(["crictl"]) == (3, "out\nerr\n")


def test_programs_get_nothing_of_who_logs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """kubeadm would write a proxy into manifests, and read its credentials from another KUBECONFIG."""
    for name in ("https_proxy", "HTTPS_PROXY", "NO_PROXY", "KUBECONFIG", "CONTAINER_RUNTIME_ENDPOINT"):
        monkeypatch.setenv(name, "http://192.0.2.1:3128")
    monkeypatch.setenv("PATH", "/nowhere")
    found = programs.environment({"A": "b"})
    assert set(found) == {"PATH", "HOME", "LC_ALL", "A"}
    assert found["PATH"] == ":".join(programs.SEARCH_PATH)
    code, printed = programs.command(["env"])
    assert code == 0
    assert "PROXY" not in printed.upper()
    assert "KUBECONFIG" not in printed


def test_modules_run_programs_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what AnsibleModule finds and runs."""
    monkeypatch.setenv("PATH", "/nowhere")
    seen: list[str] = []

    class Module:
        def exit_json(self, **_result: object) -> None:
            seen.append(os.environ["PATH"])

    def work(_module: object) -> dict[str, object]:
        seen.append(os.environ["PATH"])
        return {}

    run_module(Module(), work)
    assert seen == [programs.search_path()] * 2
