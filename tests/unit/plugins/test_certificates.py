# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of a node: which are due, who has to read them, and the modules over a tree of files."""

from __future__ import annotations

import json
import sys
import typing as t
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates import observe, plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates.plan import (
    Certificate,
    Renewal,
)

from tests.unit.support.certificates import Issued, authority, issue
from tests.unit.support.modules import RunModule
from tests.unit.support.servers import kubeconfig_of

NOW = datetime(2026, 11, 29, tzinfo=UTC)
BY_NAME = {known.name: known for known in plan.ALL}
STARTED = dict.fromkeys(plan.COMPONENTS, NOW.timestamp() - 100)
MONTH = timedelta(days=30)


def certificate(name: str, days: float, **change: t.Any) -> Certificate:
    end = NOW + timedelta(days=days)
    return Certificate(
        BY_NAME[name],
        **{"not_before": end - timedelta(days=365), "not_after": end, "modified_at": 1.0, **change},
    )


@pytest.mark.parametrize(
    ("found", "started", "within", "expected"),
    [
        ([certificate("apiserver", 31)], STARTED, MONTH, Renewal()),
        # The API server and etcd read their serving certificates again by themselves.
        ([certificate("apiserver", 30)], STARTED, MONTH, Renewal(("apiserver",))),
        ([certificate("etcd-server", -1)], STARTED, MONTH, Renewal(("etcd-server",))),
        ([certificate("admin.conf", 1)], STARTED, MONTH, Renewal(("admin.conf",))),
        (
            [certificate("scheduler.conf", 1), certificate("apiserver-etcd-client", 2)],
            STARTED,
            MONTH,
            Renewal(("scheduler.conf", "apiserver-etcd-client"), ("kube-apiserver", "kube-scheduler")),
        ),
        (
            [certificate("scheduler.conf", 300)],
            STARTED,
            None,
            Renewal(("scheduler.conf",), ("kube-scheduler",)),
        ),
        # Others renew these, or nobody does.
        (
            [
                certificate(name, -1)
                for name in ("kubelet-client", "kubelet-serving", "kubelet-csr-approver", "ca")
            ],
            STARTED,
            None,
            Renewal(),
        ),
        # An earlier run was interrupted before the restart.
        (
            [certificate("controller-manager.conf", 364, modified_at=NOW.timestamp() - 50)],
            STARTED,
            MONTH,
            Renewal((), ("kube-controller-manager",)),
        ),
        # A file of the future, as after a clock was set back, is no reason to restart again and again.
        (
            [certificate("controller-manager.conf", 364, modified_at=NOW.timestamp() + 50)],
            STARTED,
            MONTH,
            Renewal(),
        ),
        # A component that does not run reads its file when it starts; one that is not here is not restarted.
        (
            [certificate("scheduler.conf", 364, modified_at=NOW.timestamp())],
            {"kube-scheduler": None},
            MONTH,
            Renewal(),
        ),
        ([certificate("apiserver-etcd-client", 1)], {}, MONTH, Renewal(("apiserver-etcd-client",))),
    ],
)
def test_plan(
    found: list[Certificate],
    started: dict[str, float | None],
    within: timedelta | None,
    expected: Renewal,
) -> None:
    assert plan.plan(found, started, NOW, within) == expected
    assert expected.empty == (expected == Renewal())


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (certificate("apiserver", 1), None),
        (certificate("apiserver", 100, signable=False), None),
        (certificate("kubelet-client", 1, signable=False), None),
        (certificate("apiserver", 1, signable=False), "ca.key is not on this host"),
        (certificate("front-proxy-client", 1, issued=False), "was not issued by the front-proxy-ca"),
        (
            Certificate(BY_NAME["admin.conf"], error="cannot be read: x"),
            "kubeadm renews only what it can read",
        ),
    ],
)
def test_what_cannot_be_renewed(own: Certificate, words: str | None) -> None:
    why = plan.refusals([own], NOW, MONTH)
    assert len(why) == (words is not None)
    assert words is None or words in why[0]


def test_table_begins_with_what_ends_first() -> None:
    found = [certificate("ca", 3000), certificate("apiserver", -1), certificate("admin.conf", 12.5)]
    lines = plan.table(found, NOW)
    assert [line.split()[0] for line in lines] == ["apiserver", "admin.conf", "ca"]
    assert "EXPIRED" in lines[0] and "12 days" in lines[1] and lines[2].endswith("renewed by nobody")
    assert plan.expires(found, NOW, (plan.KUBEADM,)) == ("apiserver",)


KUBEADM = r"""#!{python}
import datetime, json, os, pathlib, sys
sys.path[:0] = {path!r}
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from tests.unit.support import certificates
from tests.unit.support.servers import kubeconfig_of

directory = pathlib.Path({directory!r})
pki = directory / "etc/kubernetes/pki"
argv = sys.argv[1:]
config = pathlib.Path(argv[argv.index("--config") + 1]).read_text()
with (directory / "calls").open("a") as stream:
    stream.write(json.dumps([argv, config]) + "\n")
ca = certificates.Issued(
    x509.load_pem_x509_certificate((pki / "ca.crt").read_bytes()),
    serialization.load_pem_private_key((pki / "ca.key").read_bytes(), None),
)
begin = datetime.datetime.now(datetime.timezone.utc)
days = int((directory / "days").read_text())
def new(name, *groups, days=days):
    return certificates.issue(name, groups, issuer=ca, begin=begin, end=begin + datetime.timedelta(days=days))
if argv[:2] == ["certs", "renew"]:
    name = argv[2]
    if name.endswith(".conf"):
        (directory / "etc/kubernetes" / name).write_text(kubeconfig_of("https://192.0.2.1:6443", ca.pem, new(name)))
    else:
        (pki / (name + ".crt")).write_text(new(name).pem)
else:
    print(kubeconfig_of("https://192.0.2.1:6443", ca.pem, new(argv[3], argv[5], days=20)), end="")
"""


class Plane:
    """A tree of files and a kubeadm that renews like the real one."""

    def __init__(self, directory: Path, run_module: RunModule) -> None:
        self.root = directory
        self.ca = authority()
        self.pki = directory / "etc/kubernetes/pki"
        self.pki.mkdir(parents=True)
        (self.pki / "ca.crt").write_text(self.ca.pem)
        (self.pki / "ca.key").write_text(self.ca.key_pem)
        (directory / "run").mkdir()
        (directory / "days").write_text("365")
        self.kubeadm = directory / "kubeadm"
        self.kubeadm.write_text(
            KUBEADM.format(python=sys.executable, path=sys.path, directory=str(directory))
        )
        self.kubeadm.chmod(0o755)
        self._run_module = run_module
        self.place("apiserver", 365)
        self.place("admin.conf", 365)

    def issued(self, days: float, name: str = "kubernetes", *groups: str) -> Issued:
        end = datetime.now(UTC) + timedelta(days=days)
        return issue(name, groups, issuer=self.ca, begin=end - timedelta(days=400), end=end)

    def place(self, name: str, days: float) -> None:
        made = self.issued(days)
        if name.endswith(".conf"):
            text = kubeconfig_of("https://192.0.2.1:6443", self.ca.pem, made)
            (self.root / "etc/kubernetes" / name).write_text(text)
        else:
            (self.pki / f"{name}.crt").write_text(made.pem)

    def run(self, name: str, *, check: bool = False, **args: t.Any) -> dict[str, t.Any]:
        given = {"root": str(self.root), **args}
        if name != "certificates_info":
            given["kubeadm_path"] = str(self.kubeadm)
        return self._run_module(name, given, check=check)

    def calls(self) -> list[list[str]]:
        file = self.root / "calls"
        return [json.loads(line)[0] for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def plane(tmp_path: Path, run_module: RunModule) -> Plane:
    return Plane(tmp_path, run_module)


def test_info(plane: Plane) -> None:
    plane.place("apiserver", 20)
    result = plane.run("certificates_info")
    assert (result["due"], result["expired"], result["refused"], result["ending"]) == (
        ["apiserver"],
        [],
        [],
        [],
    )
    names = {own["name"]: own for own in result["certificates"]}
    assert set(names) == {"apiserver", "admin.conf", "ca"}
    assert names["apiserver"]["renewable"] and names["ca"]["renewed_by"] == "nobody"
    assert plane.run("certificates_info", all=True)["due"] == ["apiserver", "admin.conf"]
    assert plane.run("certificates_info", within_days=20000)["ending"] == ["ca"]
    (plane.pki / "ca.key").unlink()
    assert "ca.key is not on this host" in plane.run("certificates_info")["refused"][0]


def test_renewal_of_files(plane: Plane) -> None:
    plane.place("admin.conf", -3)
    result = plane.run("certificate_renewal", check=True, restart=False)
    assert result["changed"] and result["renewed"] == ["admin.conf"] and plane.calls() == []
    assert "admin.conf                renewed" in result["diff"]["after"]
    result = plane.run(
        "certificate_renewal", restart=False, configuration={"certificateValidityPeriod": "8760h0m0s"}
    )
    assert result["changed"] and [call[:3] for call in plane.calls()] == [["certs", "renew", "admin.conf"]]
    assert "EXPIRED" in result["diff"]["before"] and "EXPIRED" not in result["diff"]["after"]
    config = json.loads((plane.root / "calls").read_text())[1]
    assert '"certificateValidityPeriod": "8760h0m0s"' in config and "192.0.2.1:6443" in config
    assert not plane.run("certificate_renewal", restart=False)["changed"]


def test_certificates_that_are_too_short_are_named(plane: Plane) -> None:
    plane.place("apiserver", 5)
    (plane.root / "days").write_text("7")
    result = plane.run("certificate_renewal", restart=False)
    assert result["failed"] and "renew_certificates_within_days" in result["msg"]


def test_unusable_certificate_is_refused_before_anything_changes(plane: Plane) -> None:
    plane.place("admin.conf", 1)
    (plane.pki / "apiserver.crt").write_text("damaged")
    result = plane.run("certificate_renewal", restart=False)
    assert result["failed"] and "Nothing was changed" in result["msg"] and plane.calls() == []


def test_kubelet_keeps_a_valid_certificate(plane: Plane) -> None:
    assert plane.run("kubelet_credentials")["changed"] is False, "this host is no node"
    text = kubeconfig_of("https://192.0.2.1:6443", plane.ca.pem, plane.issued(3))
    (plane.root / "etc/kubernetes/kubelet.conf").write_text(text)
    result = plane.run("kubelet_credentials")
    assert not result["changed"] and result["not_after"]


def test_kubelet_without_key_of_the_authority_needs_a_token(plane: Plane) -> None:
    node = plane.issued(-3, "system:node:w1", "system:nodes")
    (plane.root / "etc/kubernetes/kubelet.conf").write_text(
        kubeconfig_of("https://192.0.2.1:6443", plane.ca.pem, node)
    )
    (plane.pki / "ca.key").unlink()
    assert plane.run("kubelet_credentials", check=True)["changed"]
    result = plane.run("kubelet_credentials")
    assert result["failed"] and "Give a bootstrap token" in result["msg"]


def test_kubelet_of_a_control_plane_gets_a_certificate_where_it_looks(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
    from ansible_collections.baremetal.kubernetes.plugins.modules import kubelet_credentials

    directory = plane.root / "var/lib/kubelet/pki"
    directory.mkdir(parents=True)
    current = directory / "kubelet-client-current.pem"
    (directory / "kubelet-client-old.pem").write_text(
        plane.issued(-3, "system:node:cp1", "system:nodes").pair
    )
    current.symlink_to("/var/lib/kubelet/pki/kubelet-client-old.pem")
    path = "/var/lib/kubelet/pki/kubelet-client-current.pem"
    (plane.root / "etc/kubernetes/kubelet.conf").write_text(
        "clusters: [{name: c, cluster: {server: https://192.0.2.1:6443}}]\n"
        f"users: [{{name: u, user: {{client-certificate: {path}, client-key: {path}}}}}]\n"
    )
    host = Host(str(plane.root), str(plane.kubeadm))
    assert host.node_name() == "cp1"
    kubelet_credentials.issue(host, "cp1", {"valid_days": 20, "kubeadm_timeout": 30})
    assert plane.calls()[0][:6] == [
        "kubeconfig", "user", "--client-name", "system:node:cp1", "--org", "system:nodes",
    ]  # fmt: skip
    own = kubelet_credentials.client(str(plane.root))
    assert own is not None and own.days_left(datetime.now(UTC)) == 19 and not own.error
    assert current.is_symlink() and str(current.readlink()) != "/var/lib/kubelet/pki/kubelet-client-old.pem"
    placed = plane.root / str(current.readlink()).lstrip("/")
    assert placed.stat().st_mode & 0o777 == 0o600 and "PRIVATE KEY" in placed.read_text()
    assert [o.known.name for o in observe.collect(str(plane.root))][:3] == [
        "apiserver",
        "admin.conf",
        "kubelet-client",
    ]


def test_kubelet_certificates_of_another_authority(plane: Plane) -> None:
    """As in a CA rotation: they are valid, and replaced when that is asked for."""
    directory = plane.root / "var/lib/kubelet/pki"
    directory.mkdir(parents=True)
    for name in ("client", "server"):
        (directory / f"kubelet-{name}-2026-01-01.pem").write_text(
            plane.issued(30, "system:node:w1", "system:nodes").pair
        )
        link = f"/var/lib/kubelet/pki/kubelet-{name}-2026-01-01.pem"
        (directory / f"kubelet-{name}-current.pem").symlink_to(link)
    path = "/var/lib/kubelet/pki/kubelet-client-current.pem"
    (plane.root / "etc/kubernetes/kubelet.conf").write_text(
        "clusters: [{name: c, cluster: {server: https://192.0.2.1:6443}}]\n"
        f"users: [{{name: u, user: {{client-certificate: {path}, client-key: {path}}}}}]\n"
    )
    assert not plane.run("kubelet_credentials", check_issuer=True)["changed"]
    (plane.pki / "ca.crt").write_text(authority().pem)
    (plane.pki / "ca.key").unlink()
    assert not plane.run("kubelet_credentials")["changed"]
    assert plane.run("kubelet_credentials", check_issuer=True, check=True)["changed"]
    result = plane.run("kubelet_credentials", check_issuer=True)
    assert result["failed"] and "is of another CA" in result["msg"] and "bootstrap token" in result["msg"]
    # Killed after the link was deleted: the next run finds the certificate again.
    (directory / "kubelet-client-current.pem").unlink()
    result = plane.run("kubelet_credentials", check_issuer=True)
    assert "is of another CA" in result["msg"]
    assert str((directory / "kubelet-client-current.pem").readlink()).endswith(
        "kubelet-client-2026-01-01.pem"
    )
