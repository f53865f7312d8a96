# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing after the other is broken on running hosts: the audit finds just that, and what it proposes repairs it.

Then all is broken at once, and the playbook repairs it.
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

#: A kubelet that was started anew listens again before anything else is done.
_RESTART = (
    "if test -d /run/systemd/system; then systemctl restart kubelet; else rc-service kubelet restart; fi;"
    " for i in $(seq 200); do (exec 3<>/dev/tcp/127.0.0.1/10250) 2>/dev/null && exit 0; sleep 0.2; done; exit 1"
)


@dataclass(frozen=True)
class Fault:
    """Something that somebody did to a host.

    :param id: the check that must find it. :param says: what its finding must name.
    :param breaks: shell command that does it. :param settles: one that waits until it is in force.
    :param undo: one that puts a setting back; modes and owners are repaired as the audit proposes.
    """

    host: str
    id: str
    breaks: str
    says: tuple[str, ...]
    undo: str = ""
    settles: str = ""


def _mode(host: str, check: str, path: str, mode: str) -> Fault:
    return Fault(host, check, f"chmod {mode} {path}", (path, mode))


def _owner(host: str, check: str, path: str, owner: str = f"{NOBODY}:{NOBODY}") -> Fault:
    return Fault(host, check, f"chown {owner} {path}", (path, owner))


def _copy(path: str) -> str:
    return f"/root/sabotage-{Path(path).name}"


def _edited(
    host: str, check: str, path: str, edit: str, says: tuple[str, ...], then: str, back: str
) -> Fault:
    """A file is edited with sed or by adding lines, and what reads it is waited for; and the same backwards."""
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

    # Not `sed -i`: the kubelet would see the file beside it, too.
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
    # A drop-in goes before the file.
    Fault(
        "w1",
        "4.2.12",
        f"printf '%s\\n' 'apiVersion: kubelet.config.k8s.io/v1beta1' 'kind: KubeletConfiguration'"
        # One that HTTP/2 needs, else the kubelet does not start.
        f" 'tlsCipherSuites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_128_CBC_SHA]'"
        f" > {DROP_INS}/90-late.conf; chmod 0600 {DROP_INS}/90-late.conf",
        ("TLS_RSA_WITH_AES_128_CBC_SHA",),
        f"rm {DROP_INS}/90-late.conf; {_RESTART}",
        _RESTART,
    ),
    _setting("w2", "4.2.13", "podPidsLimit", "-1"),
    _setting("w1", "4.2.14", "seccompDefault", "false"),
)
#: A person's drop-in goes before what remediation writes, and is left alone.
BY_HAND = {"4.2.12"}


@dataclass(frozen=True)
class Seen:
    """What the audit did not let pass on one host.

    :param found: with each fault, in order.
    """

    before: list[dict[str, Any]]
    found: list[dict[str, Any]]
    after: list[dict[str, Any]]


@pytest.fixture(scope="module")
def seen(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """All faults, one at a time on each host."""
    directory = tmp_path_factory.mktemp("sabotage")
    by_host: dict[str, list[dict[str, Any]]] = {}
    for fault in FAULTS:
        by_host.setdefault(fault.host, []).append(asdict(fault))
    given = directory / "faults.yml"
    given.write_text(
        json.dumps({"sabotage_faults": by_host, "sabotage_directory": str(directory)}), encoding="utf-8"
    )
    playbook = Playbook(inventory, directory, name=str(SCENARIO / "sabotage.yml"))
    playbook.run("-e", f"@{given}", log="sabotage.log").expect()
    return {
        path.stem: Seen(**json.loads(path.read_text(encoding="utf-8"))) for path in directory.glob("*.json")
    }


def test_enough_checks_are_broken() -> None:
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
def test_all_is_repaired(name: str, seen: dict[str, Seen], hosts: dict[str, Host]) -> None:
    assert [one["id"] for one in seen[name].after] == [one["id"] for one in seen[name].before]
    left = hosts[name].check("ls -d /root/sabotage-* 2>/dev/null; true")
    assert not left.strip()


def _bash(host: Host, command: str) -> None:
    host.check(f"bash -c {shlex.quote(command)}")


def test_remediation_repairs_all_at_once(
    hosts: dict[str, Host],
    auditing: Playbook,
    playbook: Playbook,
    first: Audit,
    seen: dict[str, Seen],
    tmp_path: Path,
) -> None:
    faults = [fault for fault in FAULTS if fault.id not in BY_HAND]
    for fault in faults:
        _bash(hosts[fault.host], fault.breaks)
    for name, settles in sorted({(fault.host, fault.settles) for fault in faults if fault.settles}):
        _bash(hosts[name], settles)
    ids = sorted({fault.id for fault in faults})
    repaired = cis.audit(auditing, tmp_path, cis_remediate=ids)
    assert repaired.with_status("fail", "error") == first.with_status("fail", "error"), repaired.run.text[
        -6000:
    ]
    for host in hosts.values():
        host.check("rm -f /root/sabotage-*")
    assert not cis.audit(auditing, tmp_path, cis_remediate=ids).run.changed
    # What remediation sets by name although it is the default is not the site's: its own playbook takes it away.
    playbook.run().expect()
    playbook.run().expect_quiet()
