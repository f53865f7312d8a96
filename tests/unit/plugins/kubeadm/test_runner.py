# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running kubeadm: documents, tokens, secrets, failures, and one run at a time."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents, redact, runner
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError

from tests.unit.plugins.kubeadm.cluster import KEY, OURS, TOKEN


def test_redact() -> None:
    text = f"token {TOKEN} key {KEY} hash sha256:{KEY} id v1.36.4 and {TOKEN}x"
    assert redact.redact(text) == f"token <hidden> key <hidden> hash sha256:{KEY} id v1.36.4 and {TOKEN}x"
    assert redact.redact("pass word", ["word", None, ""]) == "pass <hidden>"


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


def test_fresh_tokens_have_the_right_form_and_differ() -> None:
    tokens = {runner.fresh_token() for _ in range(20)}
    assert len(tokens) == 20
    assert all(re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token) for token in tokens)


def test_documents_are_refused() -> None:
    join = {"apiVersion": documents.API_VERSION, "kind": "JoinConfiguration"}
    for bad in (
        [{"kind": "InitConfiguration"}],
        [{**join, "discovery": {"tlsBootstrapToken": TOKEN}}],
        [{**join, "discovery": {"bootstrapToken": {"token": TOKEN}}}],
        [join, join],
    ):
        with pytest.raises(KubeadmError) as caught:
            documents.check(bad)
        assert TOKEN not in str(caught.value)
    with pytest.raises(KubeadmError, match="role is worker"):
        documents.join_documents([{**join, "controlPlane": {}}], "worker", TOKEN, [OURS], "a:1", None)
    with pytest.raises(KubeadmError, match="certificate_key"):
        documents.join_documents([join], "control_plane", TOKEN, [OURS], "a:1", None)


def test_kubeadm_of_a_lost_run_is_named(tmp_path: Path) -> None:
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
