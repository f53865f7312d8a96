# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host tells node_exporter's textfile collector, and the daemon as a host runs it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import typing as t
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._metrics import textfile
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.events import Log

from tests.gates import repo
from tests.unit.support import certificates, deployed

ROLE = "node_exporter"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
END = certificates.END.timestamp()
DOCUMENT: dict[str, t.Any] = {
    "directory": "/var/lib/node_exporter/textfile",
    "interval": 60,
    "service_manager": "systemd",
    "services": ["containerd", "kubelet", "stopped", "gone"],
    "certificates": [],
}
#: Answers of systemctl, by unit.
UNITS = {
    "containerd": ("loaded", "active", "enabled"),
    "kubelet": ("loaded", "failed", "enabled"),
    "stopped": ("loaded", "inactive", "disabled"),
}


def systemctl(argv: t.Sequence[str]) -> tuple[int, str]:
    load, active, enabled = UNITS.get(argv[2].removesuffix(".service"), ("not-found", "inactive", ""))
    return 0, f"LoadState={load}\nActiveState={active}\nUnitFileState={enabled}\nMainPID=0\n"


def write(root: Path, path: str, text: str) -> Path:
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return target


def collect(root: Path, run: t.Any = systemctl, **more: t.Any) -> tuple[str, list[str]]:
    settings = textfile.parse_settings(json.dumps({**DOCUMENT, **more}))
    series = textfile.Collector(settings, str(root), lambda: NOW, run).collect()
    return textfile.render(series), series.errors


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def of(text: str, name: str) -> list[str]:
    return [line for line in rows(text) if line.startswith(name)]


def test_a_bare_host(tmp_path: Path) -> None:
    text, errors = collect(tmp_path)
    assert not errors
    assert rows(text) == [
        'bmk_service_up{service="containerd",init="systemd"} 1',
        'bmk_service_up{service="kubelet",init="systemd"} 0',
        "bmk_textfile_errors 0",
        f"bmk_textfile_last_run_timestamp_seconds {NOW:.0f}",
    ]
    # What node_exporter insists on.
    assert text.endswith("\n")
    assert text.count("# TYPE bmk_service_up gauge\n") == 1


def test_certificates(tmp_path: Path) -> None:
    authority = certificates.authority()
    own = certificates.issue("node:w1", issuer=authority)
    client = certificates.issue("kubernetes-admin", issuer=authority)
    write(tmp_path, "/etc/metrics/tls.crt", own.pem)
    write(tmp_path, "/etc/kubernetes/pki/ca.crt", authority.pem + authority.pem)
    write(tmp_path, "/var/lib/kubelet/pki/kubelet-client-1.pem", own.pair)
    os.symlink("kubelet-client-1.pem", tmp_path / "var/lib/kubelet/pki/kubelet-client-current.pem")
    os.symlink("gone.pem", tmp_path / "var/lib/kubelet/pki/kubelet-server-current.pem")
    user = {"client-certificate-data": certificates.encoded(client.pem)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "k", "cluster": {"server": "https://192.0.2.10:6443"}}],
        "users": [{"name": "u", "user": {**user, "client-key-data": certificates.encoded(client.key_pem)}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "current-context": "c",
    }
    write(tmp_path, "/etc/kubernetes/admin.conf", json.dumps(config))
    write(tmp_path, "/etc/kubernetes/other.conf", "something = else\n")
    write(tmp_path, "/etc/kubernetes/pki/damaged.crt", "nothing")
    write(tmp_path, "/srv/own.pem", own.pem)
    text, errors = collect(tmp_path, certificates=["/srv/*.pem", "/etc/metrics/*.crt"])
    name = "bmk_certificate_expiry_timestamp_seconds"
    ca = json.dumps(authority.certificate.subject.rfc4514_string().removeprefix("CN="))
    assert of(text, name) == sorted(
        [
            f'{name}{{path="/etc/kubernetes/admin.conf",subject="kubernetes-admin"}} {END:.0f}',
            f'{name}{{path="/etc/kubernetes/pki/ca.crt",subject={ca}}} {END:.0f}',
            f'{name}{{path="/etc/metrics/tls.crt",subject="node:w1"}} {END:.0f}',
            f'{name}{{path="/srv/own.pem",subject="node:w1"}} {END:.0f}',
            f'{name}{{path="/var/lib/kubelet/pki/kubelet-client-current.pem",subject="node:w1"}} {END:.0f}',
        ]
    )
    assert errors == ["/etc/kubernetes/pki/damaged.crt: no PEM certificate"]
    assert "bmk_textfile_errors 1" in rows(text)


def test_an_expired_certificate_is_in_the_past(tmp_path: Path) -> None:
    own = certificates.issue("node:w1", issuer=certificates.authority(), end=certificates.ENDED)
    write(tmp_path, "/etc/metrics/tls.crt", own.pem)
    (row,) = of(collect(tmp_path)[0], "bmk_certificate_expiry_timestamp_seconds")
    assert float(row.split()[-1]) == certificates.ENDED.timestamp() < NOW


@pytest.mark.parametrize(
    ("names", "made", "size"),
    [
        ((), 0, 0),
        (("site-a-20261130T060000Z.tar.gz.age", "site-a-20261129T060000Z.tar.gz.age"), NOW - 6 * 3600, 4),
        # Of another cluster, and of a time when the clock was wrong.
        (("site-b-20261130T060000Z.tar.gz.age", "site-a-20291130T060000Z.tar.gz.age"), 0, 0),
    ],
)
def test_backups(names: tuple[str, ...], made: float, size: int, tmp_path: Path) -> None:
    settings = {"directory": "/var/backups/kubernetes", "cluster_name": "site-a", "interval": 6}
    write(tmp_path, "/etc/baremetal-kubernetes/etcd-backup.json", json.dumps(settings))
    for name in names:
        write(tmp_path, f"/var/backups/kubernetes/{name}", "four")
    text, errors = collect(tmp_path)
    assert not errors
    assert of(text, "bmk_backup") == [
        f"bmk_backup_last_success_timestamp_seconds {made:.0f}",
        f"bmk_backup_size_bytes {size}",
    ]


def test_results_of_the_audit(tmp_path: Path) -> None:
    found = {"time": NOW - 60, "checks": {"pass": 80, "fail": 1, "manual": 3}}
    path = write(tmp_path, textfile.CIS, json.dumps(found))
    text, errors = collect(tmp_path)
    assert not errors
    assert of(text, "bmk_cis") == [
        'bmk_cis_checks{result="fail"} 1',
        'bmk_cis_checks{result="manual"} 3',
        'bmk_cis_checks{result="pass"} 80',
        f"bmk_cis_last_audit_timestamp_seconds {NOW - 60:.0f}",
    ]
    for damaged in ("{", "[]", '{"checks": {}}'):
        path.write_text(damaged)
        text, errors = collect(tmp_path)
        assert len(errors) == 1 and not of(text, "bmk_cis") and of(text, "bmk_service_up")


def test_services_of_openrc(tmp_path: Path) -> None:
    for name in ("containerd", "kubelet", "stopped"):
        write(tmp_path, f"/etc/init.d/{name}", "#!/sbin/openrc-run\n")
    for name in ("containerd", "kubelet"):
        write(tmp_path, f"/etc/runlevels/default/{name}", "")
    # 32 is what OpenRC says of one whose process is gone.
    codes = {"containerd": 0, "kubelet": 32, "stopped": 3}
    text, errors = collect(tmp_path, lambda argv: (codes[argv[1]], ""), service_manager="openrc")
    assert not errors
    assert of(text, "bmk_service_up") == [
        'bmk_service_up{service="containerd",init="openrc"} 1',
        'bmk_service_up{service="kubelet",init="openrc"} 0',
    ]


def test_a_service_manager_that_does_not_answer(tmp_path: Path) -> None:
    text, errors = collect(tmp_path, lambda _argv: (124, "systemctl did not end within 10 s"))
    assert not of(text, "bmk_service_up")
    assert len(errors) == len(DOCUMENT["services"])
    assert errors[0].startswith("containerd: systemctl show containerd failed")


def test_labels_are_escaped() -> None:
    series = textfile.Series()
    series.add("bmk_cis_checks", 1, result='a"b\\c\nd\udcff')
    assert rows(textfile.render(series)) == ['bmk_cis_checks{result="a\\"b\\\\c\\nd?"} 1']


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"interval": 0}, "interval is 0"),
        ({"interval": True}, "interval is True"),
        ({"services": [1]}, "expected a list of str"),
        ({"more": 1}, "Expected an object with"),
    ],
)
def test_settings_that_are_refused(change: dict[str, t.Any], message: str) -> None:
    with pytest.raises(OperatorError, match=message):
        textfile.parse_settings(json.dumps({**DOCUMENT, **change}))


def test_errors_are_said_once(tmp_path: Path) -> None:
    settings = textfile.parse_settings(json.dumps({**DOCUMENT, "directory": str(tmp_path)}))
    said = io.StringIO()
    daemon = textfile.Daemon(
        settings, Log(said), textfile.Collector(settings, str(tmp_path / "root"), lambda: NOW, systemctl)
    )
    damaged = write(tmp_path / "root", "/etc/metrics/tls.crt", "nothing")
    daemon.step()
    daemon.step()
    damaged.unlink()
    daemon.step()
    daemon.step()
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    assert [(line["level"], len(line["errors"])) for line in lines] == [("warning", 1), ("info", 0)]
    written = tmp_path / textfile.OUTPUT
    assert written.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.glob("*.prom*")] == [textfile.OUTPUT]


def test_the_role_places_all_that_the_program_imports() -> None:
    assert deployed.sources(ROLE) == sorted(deployed.closure("_metrics/textfile.py"))
    directories = {
        item["path"].rpartition("/")[2]
        for item in repo.load(deployed.ROLES / ROLE / "vars/main.yml")["__node_exporter_directories"]
        if "__node_exporter_modules" in item["path"] and "/" in item["path"]
    }
    assert {name.partition("/")[0] for name in deployed.sources(ROLE) if "/" in name} <= directories


def test_the_program_as_a_host_runs_it(tmp_path: Path) -> None:
    (tmp_path / "program").mkdir()
    program = deployed.place(ROLE, tmp_path / "program")
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**DOCUMENT, "directory": str(tmp_path), "interval": 1, "services": []}))
    argv = [sys.executable, "-ISB", str(program), "--config", str(config)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd="/") as running:
        deadline = time.monotonic() + 30
        while not (tmp_path / textfile.OUTPUT).exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        running.terminate()
        printed, _ = running.communicate(timeout=30)
    assert running.returncode == 0
    assert "bmk_textfile_last_run_timestamp_seconds" in (tmp_path / textfile.OUTPUT).read_text()
    assert json.loads(printed.splitlines()[0])["event"] == "started"
    config.write_text("{")
    refused = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode == textfile.EXIT_CONFIG
    assert "not JSON" in refused.stdout
