# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults are injected on running hosts one at a time: the audit finds exactly that one, and its fixes repair it.

Then all faults are injected at once, and the playbook cis_remediate repairs them.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.infra import cis
from tests.infra.cis import SCENARIO, Audit
from tests.infra.hosts import Host
from tests.infra.playbook import Playbook

MANIFESTS = "/etc/kubernetes/manifests"
PKI = "/etc/kubernetes/pki"
CONFIG = "/var/lib/kubelet/config.yaml"
DROP_INS = "/etc/kubernetes/kubelet.conf.d"
UNIT = "/etc/systemd/system/kubelet.service"
INIT_SCRIPT = "/etc/init.d/kubelet"
NETWORK = "/etc/cni/net.d/05-cilium.conflist"
NOBODY = "65534"

#: Wait until a restarted kubelet listens again.
_RESTART = (
    "if test -d /run/systemd/system; then systemctl restart kubelet; else rc-service kubelet restart; fi;"
    " for i in $(seq 200); do (exec 3<>/dev/tcp/127.0.0.1/10250) 2>/dev/null && exit 0; sleep 0.2; done; exit 1"
)


@dataclass(frozen=True)
class Fault:
    """A fault on a host.

    :param id: the check that has to find it. :param says: words of its finding.
    :param command: the shell command that injects it. :param wait: one that waits until it is effective.
    :param undo: one that restores a setting; modes and owners are repaired by the audit's fixes.
    """

    host: str
    id: str
    command: str
    says: tuple[str, ...]
    undo: str = ""
    wait: str = ""


def _mode(host: str, check: str, path: str, mode: str) -> Fault:
    return Fault(host, check, f"chmod {mode} {path}", (path, mode))


def _owner(host: str, check: str, path: str, owner: str = f"{NOBODY}:{NOBODY}") -> Fault:
    return Fault(host, check, f"chown {owner} {path}", (path, owner))


def _copy(path: str) -> str:
    return f"/root/faults-{Path(path).name}"


def _edited(
    host: str, check: str, path: str, edit: str, says: tuple[str, ...], then: str, back: str
) -> Fault:
    """Edit a file, and wait until its reader uses it; and the same for the original."""
    copy = _copy(path)
    return Fault(
        host,
        check,
        f"set -e; cp -a {path} {copy}; {edit}",
        says,
        f"set -e; cat {copy} > {path}; rm {copy}; {back}",
        then,
    )


def _kubelet(host: str, check: str, edit: str, *says: str) -> Fault:
    return _edited(host, check, CONFIG, edit, says, _RESTART, _RESTART)


def _setting(host: str, check: str, key: str, value: str) -> Fault:
    """A key of the kubelet's configuration."""
    return _kubelet(
        host, check, f"sed -i '/^{key}:/d' {CONFIG}; echo '{key}: {value}' >> {CONFIG}", key, value
    )


def _component(check: str, component: str, flag: str, good: str, bad: str) -> Fault:
    path = f"{MANIFESTS}/{component}.yaml"

    def runs(value: str) -> str:
        return (
            f"for i in $(seq 240); do for p in /proc/[0-9]*; do"
            f' test "$(basename "$(readlink $p/exe)")" = {component}'
            f" && tr '\\0' '\\n' < $p/cmdline | grep -qx -e {flag}={value} && exit 0; done; sleep 0.5; done; exit 1"
        )

    # Not `sed -i`: the kubelet would read its temporary file as well.
    edit = f"grep -q -e {flag}={good} {path}; sed s/{flag}={good}/{flag}={bad}/ {_copy(path)} > {path}"
    return _edited("cp1", check, path, edit, (flag, bad), runs(bad), runs(good))


FAULTS = (
    _mode("cp1", "1.1.1", f"{MANIFESTS}/kube-apiserver.yaml", "0644"),
    _owner("cp1", "1.1.2", f"{MANIFESTS}/kube-apiserver.yaml"),
    _mode("cp1", "1.1.3", f"{MANIFESTS}/kube-controller-manager.yaml", "0640"),
    _owner("cp1", "1.1.4", f"{MANIFESTS}/kube-controller-manager.yaml", f"0:{NOBODY}"),
    _mode("cp1", "1.1.5", f"{MANIFESTS}/kube-scheduler.yaml", "0604"),
    _owner("cp1", "1.1.6", f"{MANIFESTS}/kube-scheduler.yaml", f"{NOBODY}:0"),
    _mode("cp1", "1.1.7", f"{MANIFESTS}/etcd.yaml", "0644"),
    _owner("cp1", "1.1.8", f"{MANIFESTS}/etcd.yaml"),
    _mode("cp1", "1.1.9", NETWORK, "0644"),
    _owner("cp1", "1.1.10", NETWORK),
    _mode("cp1", "1.1.11", "/var/lib/etcd", "0755"),
    _owner("cp1", "1.1.12", "/var/lib/etcd", "0:0"),
    _mode("cp1", "1.1.13", "/etc/kubernetes/admin.conf", "0644"),
    _owner("cp1", "1.1.14", "/etc/kubernetes/super-admin.conf"),
    _mode("cp1", "1.1.15", "/etc/kubernetes/scheduler.conf", "0640"),
    _owner("cp1", "1.1.16", "/etc/kubernetes/scheduler.conf"),
    _mode("cp1", "1.1.17", "/etc/kubernetes/controller-manager.conf", "0666"),
    _owner("cp1", "1.1.18", "/etc/kubernetes/controller-manager.conf"),
    _owner("cp1", "1.1.19", f"{PKI}/etcd/ca.crt"),
    _mode("cp1", "1.1.20", f"{PKI}/apiserver.crt", "0664"),
    _mode("cp1", "1.1.21", f"{PKI}/sa.key", "0640"),
    _component("1.3.2", "kube-controller-manager", "--profiling", "false", "true"),
    _component("1.4.1", "kube-scheduler", "--profiling", "false", "true"),
    _mode("w1", "4.1.1", UNIT, "0644"),
    _owner("w1", "4.1.2", UNIT),
    _mode("w2", "4.1.1", INIT_SCRIPT, "0777"),
    _owner("w2", "4.1.2", INIT_SCRIPT),
    _mode("w1", "4.1.5", "/etc/kubernetes/kubelet.conf", "0644"),
    _owner("w2", "4.1.6", "/etc/kubernetes/kubelet.conf"),
    _mode("w2", "4.1.7", f"{PKI}/ca.crt", "0646"),
    _owner("w1", "4.1.8", f"{PKI}/ca.crt"),
    _mode("w2", "4.1.9", CONFIG, "0644"),
    _mode("w1", "4.1.9", f"{DROP_INS}/50-host.conf", "0640"),
    _owner("w1", "4.1.10", CONFIG),
    _kubelet(
        "w1",
        "4.2.1",
        f"sed -i '/anonymous:/{{n;s/false/true/}}' {CONFIG}",
        "authentication.anonymous.enabled",
    ),
    _kubelet("w2", "4.2.2", f"sed -i 's/mode: Webhook/mode: AlwaysAllow/' {CONFIG}", "AlwaysAllow"),
    _setting("w1", "4.2.4", "readOnlyPort", "10255"),
    _setting("w2", "4.2.6", "makeIPTablesUtilChains", "false"),
    _setting("w1", "4.2.8", "eventRecordQPS", "0"),
    _setting("w2", "4.2.10", "rotateCertificates", "false"),
    # A drop-in takes precedence over the file.
    Fault(
        "w1",
        "4.2.12",
        f"printf '%s\\n' 'apiVersion: kubelet.config.k8s.io/v1beta1' 'kind: KubeletConfiguration'"
        # With one that HTTP/2 needs, without which the kubelet does not start.
        f" 'tlsCipherSuites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_128_CBC_SHA]'"
        f" > {DROP_INS}/90-late.conf; chmod 0600 {DROP_INS}/90-late.conf",
        ("TLS_RSA_WITH_AES_128_CBC_SHA",),
        f"rm {DROP_INS}/90-late.conf; {_RESTART}",
        _RESTART,
    ),
    _setting("w2", "4.2.13", "podPidsLimit", "-1"),
    _setting("w1", "4.2.14", "seccompDefault", "false"),
)
#: A manual drop-in takes precedence over what remediation configures, and is left alone.
MANUAL = {"4.2.12"}


@dataclass(frozen=True)
class Seen:
    """What did not pass on one host.

    :param found: with each fault, in order.
    """

    before: list[dict[str, Any]]
    found: list[dict[str, Any]]
    after: list[dict[str, Any]]


@pytest.fixture(scope="module")
def seen(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """All faults, one at a time on each host."""
    directory = tmp_path_factory.mktemp("faults")
    by_host: dict[str, list[dict[str, Any]]] = {}
    for fault in FAULTS:
        by_host.setdefault(fault.host, []).append(asdict(fault))
    given = directory / "faults.yml"
    given.write_text(
        json.dumps({"faults_by_host": by_host, "faults_directory": str(directory)}), encoding="utf-8"
    )
    playbook = Playbook(inventory, directory, name=str(SCENARIO / "inject_faults.yml"))
    playbook.run("-e", f"@{given}", log="faults.log").expect()
    return {
        path.stem: Seen(**json.loads(path.read_text(encoding="utf-8"))) for path in directory.glob("*.json")
    }


def test_enough_checks_have_a_fault() -> None:
    assert len({fault.id for fault in FAULTS}) >= 30


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.host} {fault.id}")
def test_fault_is_found_and_nothing_else(fault: Fault, seen: dict[str, Seen]) -> None:
    host = seen[fault.host]
    order = [one for one in FAULTS if one.host == fault.host]
    results = {one["id"]: one for one in host.found[order.index(fault)]["results"]}
    before = {one["id"] for one in host.before}
    assert fault.id not in before
    assert set(results) - before == {fault.id}, [
        results[check] for check in set(results) - before - {fault.id}
    ]
    finding = results[fault.id]
    assert finding["status"] == "fail", finding
    for words in fault.says:
        assert words in json.dumps(finding), finding


@pytest.mark.parametrize("name", ["cp1", "w1", "w2"])
def test_all_faults_are_repaired(name: str, seen: dict[str, Seen], hosts: dict[str, Host]) -> None:
    assert [one["id"] for one in seen[name].after] == [one["id"] for one in seen[name].before]
    left = hosts[name].check("ls -d /root/faults-* 2>/dev/null; true")
    assert not left.strip()


def _bash(host: Host, command: str) -> None:
    host.check(f"bash -c {shlex.quote(command)}")


def test_remediation_repairs_all_faults_at_once(
    hosts: dict[str, Host],
    remediating: Playbook,
    playbook: Playbook,
    first: Audit,
    seen: dict[str, Seen],
    tmp_path: Path,
) -> None:
    faults = [fault for fault in FAULTS if fault.id not in MANUAL]
    for fault in faults:
        _bash(hosts[fault.host], fault.command)
    for name, wait in sorted({(fault.host, fault.wait) for fault in faults if fault.wait}):
        _bash(hosts[name], wait)
    ids = sorted({fault.id for fault in faults})
    repaired = cis.audit(remediating, tmp_path, cis_remediate=ids)
    assert repaired.with_status("fail", "error") == first.with_status("fail", "error"), repaired.run.text[
        -6000:
    ]
    for host in hosts.values():
        host.check("rm -f /root/faults-*")
    assert not cis.audit(remediating, tmp_path, cis_remediate=ids).run.changed
    # The playbook site removes what remediation set explicitly, although it is the default.
    playbook.run().expect()
    playbook.run().expect_quiet()
