# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scripts of the bare path ask of the hosts, with an ssh that notes it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.config import settings
from lab.state import HostRecord
from tests.bench import measure, plan, platform

HOSTS = (
    HostRecord("cp1", "systemd", "control_plane", "192.0.2.1", "base"),
    HostRecord("w3", "systemd", "worker", "192.0.2.3", "base"),
)
SITE = plan.Site(
    {
        "cluster_files_url": "https://mirror.test/",
        "cluster_ca_file": "/dev/null",
        "cluster_ignore_preflight_errors": ["Swap", "Mem"],
    }
)
#: Notes the host and the command, and keeps what a script sends.
SSH = """#!/bin/bash
[ "$1" = -F ] && [ -r "$2" ] || exit 99
shift 2
host=$1
shift
echo "$host $*" >> "$NOTES/calls"
case "$*" in
*"kubeadm token create"*) echo "kubeadm join 192.0.2.1:6443 --token abc.def --discovery-token-ca-cert-hash sha256:12" ;;
"kubelet --version") echo "Kubernetes v1.99.1" ;;
"bash -s") cat >> "$NOTES/script-$host"; tail -1 "$NOTES/script-$host" >> "$NOTES/calls" ;;
*"--config /root/kubeadm.yml"*) cat > "$NOTES/config-$host" ;;
*"tar -x"* | *"cat > "*) cat > /dev/null ;;
esac
[ "$*" != "$FAILING" ]
"""
AGE = """#!/bin/bash
echo "age $*" >> "$NOTES/calls"
cat > /dev/null
"""

Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script; gives its exit code, its calls and its stages."""
    directory, out, programs = tmp_path / "plan", tmp_path / "out", tmp_path / "bin"
    for path in (directory, out, programs):
        path.mkdir()
    for name, text in (("ssh", SSH), ("age", AGE)):
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    (directory / "settings.sh").write_text(plan.settings_text(SITE, HOSTS, "amd64"), encoding="utf-8")
    (directory / "prepared.sh").write_text("PREPARED=no\n", encoding="utf-8")
    (directory / "ssh_config").write_text(plan.ssh_config(settings({}), HOSTS, out), encoding="utf-8")
    (directory / "w3.tar").touch()
    plan.write_addresses(HOSTS, directory)

    def start(script: str, *arguments: str, failing: str = "-") -> tuple[int, list[str], list[str]]:
        done = subprocess.run(
            [str(measure.HERE / "bare" / f"{script}.sh"), str(directory), str(out), *arguments],
            env={
                **os.environ,
                "PATH": f"{programs}:{os.environ['PATH']}",
                "NOTES": str(tmp_path),
                "FAILING": failing,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stderr == "", done.stderr
        stages = out / "stages"
        ended = measure.stages(stages.read_text(encoding="utf-8"), 0.0) if stages.exists() else {}
        return done.returncode, (tmp_path / "calls").read_text(encoding="utf-8").splitlines(), list(ended)

    return start


def test_a_worker_is_added(run: Run, tmp_path: Path) -> None:
    code, calls, stages = run("add", "w3")
    assert (code, stages) == (0, ["prepare", "join", "ready"])
    assert [call.split(" ")[0] for call in calls] == ["w3", "w3", "w3", "prepare", "cp1", "w3", "cp1"]
    assert calls[-1].endswith("wait node/w3 --for=condition=Ready --timeout=300s")
    config = yaml.safe_load((tmp_path / "config-w3").read_text(encoding="utf-8"))
    assert config["discovery"]["bootstrapToken"] == {
        "apiServerEndpoint": "192.0.2.1:6443",
        "token": "abc.def",
        "caCertHashes": ["sha256:12"],
    }
    assert config["nodeRegistration"]["kubeletExtraArgs"] == [{"name": "node-ip", "value": "192.0.2.3"}]
    # What the host runs is a script of its own.
    subprocess.run(["bash", "-n", str(tmp_path / "script-w3")], check=True)


def test_a_worker_is_removed(run: Run) -> None:
    code, calls, stages = run("remove", "w3")
    assert (code, stages) == (0, ["drain", "reset", "delete"])
    assert [call.partition("admin.conf ")[2] or call for call in calls] == [
        "drain w3 --ignore-daemonsets --delete-emptydir-data --timeout=120s",
        "w3 kubeadm reset --force",
        "delete node w3",
    ]


def test_a_worker_is_upgraded(run: Run, tmp_path: Path) -> None:
    code, calls, stages = run("upgrade", "w3")
    assert (code, stages) == (0, ["download", "configuration", "drain", "kubelet", "ready"])
    steps = [call.partition("admin.conf ")[2] or call for call in calls if not call.endswith("bash -s")]
    assert steps == [
        "download",
        "w3 kubeadm upgrade node --ignore-preflight-errors=Swap,Mem",
        "drain w3 --ignore-daemonsets --delete-emptydir-data --timeout=120s",
        "replace",
        "w3 kubelet --version",
        "wait node/w3 --for=jsonpath='{.status.nodeInfo.kubeletVersion}'=v1.99.1 --timeout=300s",
        "wait node/w3 --for=condition=Ready --timeout=300s",
        "uncordon w3",
        "--namespace kube-system rollout status daemonset/cilium --timeout=300s",
        "--namespace kube-system rollout status deployment/coredns --timeout=300s",
    ]
    subprocess.run(["bash", "-n", str(tmp_path / "script-w3")], check=True)


def test_a_platform_is_applied_and_waited_for(run: Run, tmp_path: Path) -> None:
    objects: list[dict[str, Any]] = [
        {"kind": "CustomResourceDefinition", "metadata": {"name": "gateways.gateway.networking.k8s.io"}},
        {"kind": "DaemonSet", "metadata": {"name": "traefik", "namespace": "ingress"}},
        {"kind": "APIService", "metadata": {"name": "v1beta1.metrics.k8s.io"}},
    ]
    platform.write(objects, tmp_path / "plan")
    code, calls, stages = run("platform")
    assert (code, stages) == (0, ["kinds", "apply", "ready"])
    assert [call.partition("admin.conf ")[2] for call in calls] == [
        "apply --server-side --filename -",
        "wait --for=condition=Established --timeout=60s --filename -",
        "apply --server-side --filename -",
        "--namespace ingress rollout status daemonsets.apps/traefik --timeout=600s",
        "wait apiservices.apiregistration.k8s.io/v1beta1.metrics.k8s.io --for=condition=Available --timeout=600s",
    ]


def test_a_backup_goes_through_age(run: Run) -> None:
    code, calls, stages = run("backup", "age1key")
    assert (code, stages) == (0, ["snapshot"])
    assert sorted(call.split(" --output")[0] for call in calls) == [
        "age --encrypt --recipient age1key",
        "cp1 bash -s",
        "snapshot",
    ]


@pytest.mark.parametrize(
    ("script", "failing", "last"),
    [("add", "bash -s", "prepare"), ("remove", "kubeadm reset --force", "w3 kubeadm reset --force")],
)
def test_a_step_that_fails_ends_the_script(run: Run, script: str, failing: str, last: str) -> None:
    code, calls, _stages = run(script, "w3", failing=failing)
    assert code != 0
    assert calls[-1] == last
