# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 1.1: control-plane configuration files."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.checks.section_1_1 import CHECKS
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import files
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import Evidence

from tests.unit.plugins.cis.fakes import Case, FakeReader, File, process

MANIFESTS = "/etc/kubernetes/manifests"
PKI = "/etc/kubernetes/pki"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
PASSWD = "root:x:0:0:root:/root:/bin/sh\netcd:x:997:996::/var/lib/etcd:/sbin/nologin\n"
GROUP = "root:x:0:\netcd:x:996:\n"
API_SERVER = process(
    "kube-apiserver",
    f"--client-ca-file={PKI}/ca.crt",
    f"--tls-cert-file={PKI}/apiserver.crt",
    f"--tls-private-key-file={PKI}/apiserver.key",
    "--etcd-servers=https://127.0.0.1:2379",
    pid=10,
)
SCHEDULER = process("kube-scheduler", "--kubeconfig=/etc/kubernetes/scheduler.conf", pid=11)
MANAGER = process(
    "kube-controller-manager", "--kubeconfig", "/etc/kubernetes/controller-manager.conf", pid=12
)
ETCD = process("etcd", "--data-dir=/var/lib/etcd", pid=13)
KUBELET = process("kubelet", "--config=/var/lib/kubelet/config.yaml", pid=14)
CONTAINERD = process("containerd", pid=15)


def manifest(program: str) -> str:
    return f"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command:\n    - {program}\n    - --flag=1\n"


HOST = FakeReader(
    running=(API_SERVER, SCHEDULER, MANAGER, ETCD, KUBELET, CONTAINERD),
    files={
        **{
            f"{MANIFESTS}/{name}.yaml": File(manifest(name))
            for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
        },
        "/etc/kubernetes/admin.conf": File(),
        "/etc/kubernetes/super-admin.conf": File(),
        "/etc/kubernetes/scheduler.conf": File(),
        "/etc/kubernetes/controller-manager.conf": File(),
        f"{PKI}/ca.crt": File(CERTIFICATE, mode=0o644),
        f"{PKI}/ca.key": File(KEY),
        f"{PKI}/apiserver.crt": File(CERTIFICATE, mode=0o644),
        f"{PKI}/apiserver.key": File(KEY),
        f"{PKI}/sa.pub": File("-----BEGIN PUBLIC KEY-----", mode=0o600),
        f"{PKI}/etcd/ca.crt": File(CERTIFICATE, mode=0o644),
        f"{PKI}/etcd/ca.key": File(KEY),
        "/var/lib/etcd": File(mode=0o700, uid=997, gid=996, kind="directory"),
        "/var/lib/kubelet/config.yaml": File(f"kind: KubeletConfiguration\nstaticPodPath: {MANIFESTS}\n"),
        "/etc/passwd": File(PASSWD, mode=0o644),
        "/etc/group": File(GROUP, mode=0o644),
        "/etc/containerd/config.toml": File('version = 3\n[plugins."io.containerd.cri.v1.runtime".cni]\n'),
        "/etc/cni/net.d/10-flannel.conflist": File("{}"),
    },
)


def having(changes: Mapping[str, File | None]) -> Callable[[], FakeReader]:
    return lambda: HOST.with_files(changes)


def unreadable(program: str, path: str) -> Callable[[], FakeReader]:
    """A container runtime whose configuration cannot be read."""
    files = {path: File(unreadable=errno.EIO), CNI_FILE: File()}
    return lambda: FakeReader(running=(process(program),), files=files)


def running(*names: str, files: Mapping[str, File | None] | None = None) -> Callable[[], FakeReader]:
    """The host with only these programs."""
    left = tuple(item for item in HOST.running if item.name in names)
    return lambda: HOST.with_(running=left).with_files(files or {})


def _pair(mode_id: str, owner_id: str, path: str, odd: list[Case]) -> list[Case]:
    return [
        Case(mode_id, "pass", "owner only", lambda: HOST, "pass", says=("0600",)),
        Case(mode_id, "pass", "stricter than asked for", having({path: File(mode=0o400)}), "pass"),
        Case(
            mode_id, "fail", "readable by all", having({path: File(mode=0o644)}), "fail", says=(path, "0644")
        ),
        Case(mode_id, "fail", "executable by its owner", having({path: File(mode=0o700)}), "fail"),
        Case(
            mode_id,
            "odd",
            "unreadable",
            having({path: File(kind="unreachable")}),
            "error",
            says=("denied",),
        ),
        Case(owner_id, "pass", "root", lambda: HOST, "pass"),
        Case(owner_id, "fail", "of a user", having({path: File(uid=1000)}), "fail", says=(path, "1000:0")),
        Case(owner_id, "fail", "of a group", having({path: File(gid=50)}), "fail", says=("0:50",)),
        Case(owner_id, "odd", "unreadable", having({path: File(kind="unreachable")}), "error"),
        *odd,
    ]


def _manifest_odd(mode_id: str, owner_id: str, program: str) -> list[Case]:
    path = f"{MANIFESTS}/{program}.yaml"
    gone: dict[str, File | None] = {
        f"{MANIFESTS}/{name}": None for name in ("kube-apiserver.yaml", f"{program}.yaml")
    }
    return [
        Case(
            mode_id,
            "odd",
            "a copy that the kubelet runs as well",
            having({f"{MANIFESTS}/{program}.bak": File(manifest(program), mode=0o644)}),
            "fail",
            says=(f"{program}.bak",),
        ),
        Case(
            mode_id,
            "odd",
            "a copy that the kubelet leaves alone",
            having({f"{MANIFESTS}/.{program}.yaml.swp": File(manifest(program), mode=0o644)}),
            "pass",
        ),
        Case(
            mode_id,
            "odd",
            "static pods elsewhere",
            having(
                {
                    path: File(manifest(program), mode=0o644),
                    "/var/lib/kubelet/config.yaml": File("staticPodPath: /etc/pods\n"),
                    "/etc/pods/control.yaml": File(manifest(f"/usr/local/bin/{program}")),
                }
            ),
            "pass",
            says=("/etc/pods/control.yaml",),
        ),
        Case(mode_id, "odd", "a service of the host", running(program, files=gone), "not_applicable"),
        Case(owner_id, "odd", "a service of the host", running(program, files=gone), "not_applicable"),
        Case(mode_id, "odd", "not running", running("kubelet", files=gone), "error", says=("Start it",)),
    ]


def _kubeconfig_odd(mode_id: str, owner_id: str, program: str, path: str) -> list[Case]:
    other = "/etc/kubernetes/other.conf"
    moved = process(program, "--kubeconfig", "/etc/kubernetes/first.conf", f"--kubeconfig={other}", pid=20)
    contained = process(program, f"--kubeconfig={other}", pid=21)
    return [
        Case(
            mode_id,
            "odd",
            "the last of two flags",
            lambda: HOST.with_(running=(moved,)).with_files({other: File(mode=0o640)}),
            "fail",
            says=(other, "0640"),
        ),
        Case(
            mode_id,
            "odd",
            "a file of the container",
            lambda: HOST.with_(running=(contained,), seen_by={program: {other: File(mode=0o604)}}),
            "fail",
            says=(other, "0604"),
        ),
        Case(
            mode_id,
            "odd",
            "a link",
            having({path: File(mode=0o600, link="/srv/secret.conf")}),
            "pass",
            says=("a link to /srv/secret.conf",),
        ),
        Case(
            mode_id,
            "odd",
            "not running, but the file is there",
            running("kubelet", files={path: File(mode=0o644)}),
            "fail",
        ),
        Case(
            mode_id,
            "odd",
            "nothing of it",
            running("kubelet", files={path: None}),
            "error",
            says=("Start it",),
        ),
        Case(
            owner_id,
            "odd",
            "no kubeconfig at all",
            lambda: HOST.with_(running=(process(program, "--master=http://127.0.0.1:1"),)).with_files(
                {path: None}
            ),
            "not_applicable",
        ),
    ]


def _external(check: str) -> Case:
    servers = process("kube-apiserver", "--etcd-servers=https://10.0.0.9:2379,https://10.0.0.8:2379")
    return Case(
        check,
        "odd",
        "etcd on other hosts",
        lambda: FakeReader(running=(servers,)),
        "not_applicable",
        says=("https://10.0.0.9:2379", "where it does"),
    )


CNI_FILE = "/etc/cni/net.d/10-flannel.conflist"
CASES: list[Case] = [
    *_pair(
        "1.1.1",
        "1.1.2",
        f"{MANIFESTS}/kube-apiserver.yaml",
        _manifest_odd("1.1.1", "1.1.2", "kube-apiserver"),
    ),
    *_pair(
        "1.1.3",
        "1.1.4",
        f"{MANIFESTS}/kube-controller-manager.yaml",
        _manifest_odd("1.1.3", "1.1.4", "kube-controller-manager"),
    ),
    *_pair(
        "1.1.5",
        "1.1.6",
        f"{MANIFESTS}/kube-scheduler.yaml",
        _manifest_odd("1.1.5", "1.1.6", "kube-scheduler"),
    ),
    *_pair("1.1.7", "1.1.8", f"{MANIFESTS}/etcd.yaml", _manifest_odd("1.1.7", "1.1.8", "etcd")),
    _external("1.1.7"),
    _external("1.1.8"),
    *_pair(
        "1.1.9",
        "1.1.10",
        CNI_FILE,
        [
            Case(
                "1.1.9",
                "odd",
                "a directory from a flag of containerd",
                having(
                    {
                        "/etc/containerd/config.toml": File("# conf_dir = '/no'\n  conf_dir = '/etc/net'\n"),
                        CNI_FILE: File(mode=0o644),
                        "/etc/net/10-x.conf": File(),
                    }
                ),
                "pass",
                says=("/etc/net/10-x.conf",),
            ),
            Case(
                "1.1.9",
                "odd",
                "a file that containerd imports",
                having(
                    {
                        "/etc/containerd/config.toml": File('imports = ["/etc/containerd/conf.d/*.toml"]\n'),
                        "/etc/containerd/conf.d/cni.toml": File('conf_dir = "/etc/net"\n'),
                        "/etc/net/20-x.conf": File(mode=0o666),
                    }
                ),
                "fail",
                says=("/etc/net/20-x.conf", "0666"),
            ),
            Case(
                "1.1.10",
                "odd",
                "CRI-O, and a drop-in",
                lambda: HOST.with_(running=(process("crio"),)).with_files(
                    {
                        "/etc/crio/crio.conf": File('network_dir = "/etc/first"\n'),
                        "/etc/crio/crio.conf.d/10-x.conf": File('network_dir = "/etc/second/"\n'),
                        "/etc/second/a.conflist": File(uid=5),
                    }
                ),
                "fail",
                says=("/etc/second/a.conflist",),
            ),
            Case(
                "1.1.9",
                "odd",
                "no network yet",
                having({CNI_FILE: None}),
                "not_applicable",
                says=("/etc/cni/net.d",),
            ),
            Case("1.1.10", "odd", "no network yet", having({CNI_FILE: None}), "not_applicable"),
        ],
    ),
    Case("1.1.11", "pass", "owner only", lambda: HOST, "pass", says=("/var/lib/etcd",)),
    Case(
        "1.1.11",
        "fail",
        "open to the group",
        having({"/var/lib/etcd": File(mode=0o750, kind="directory")}),
        "fail",
        says=("0750", "0700"),
    ),
    Case(
        "1.1.11",
        "odd",
        "a directory by a variable",
        lambda: HOST.with_(running=(process("etcd", env={"ETCD_DATA_DIR": "/srv/etcd"}),)).with_files(
            {"/srv/etcd": File(mode=0o755, kind="directory")}
        ),
        "fail",
        says=("/srv/etcd",),
    ),
    Case(
        "1.1.11",
        "odd",
        "a flag that the file overrides",
        lambda: HOST.with_(
            running=(process("etcd", "--data-dir=/var/lib/etcd", "--config-file=/etc/etcd.yaml"),)
        ).with_files(
            {
                "/etc/etcd.yaml": File("data-dir: /srv/etcd\n"),
                "/srv/etcd": File(mode=0o777, kind="directory"),
            }
        ),
        "fail",
        says=("/srv/etcd", "0777"),
    ),
    Case("1.1.11", "odd", "not running", running("kubelet"), "error", says=("Start it",)),
    Case(
        "1.1.11",
        "odd",
        "a file beyond the reader",
        lambda: HOST.with_(running=(process("etcd", "--config-file=/etc/etcd.yaml"),)).with_files(
            {"/etc/etcd.yaml": File("a: &anchor\n")}
        ),
        "error",
        says=("/etc/etcd.yaml",),
    ),
    _external("1.1.11"),
    Case("1.1.12", "pass", "user etcd", lambda: HOST, "pass", says=("997:996",)),
    Case(
        "1.1.12",
        "fail",
        "root",
        having({"/var/lib/etcd": File(mode=0o700, kind="directory")}),
        "fail",
        says=("0:0", "997"),
    ),
    Case(
        "1.1.12",
        "fail",
        "another user",
        having({"/var/lib/etcd": File(mode=0o700, uid=1000, gid=996, kind="directory")}),
        "fail",
    ),
    Case(
        "1.1.12",
        "odd",
        "user etcd, group root",
        having({"/var/lib/etcd": File(mode=0o700, uid=997, kind="directory")}),
        "pass",
        literal="fail",
    ),
    Case(
        "1.1.12",
        "odd",
        "no such user",
        having({"/etc/passwd": File("root:x:0:0::/root:/bin/sh\n")}),
        "fail",
        says=("no user etcd",),
    ),
    Case(
        "1.1.12",
        "odd",
        "users that the container has otherwise",
        lambda: HOST.with_(seen_by={"etcd": {"/etc/passwd": File("etcd:x:1:1::/:/sh\n")}}),
        "pass",
    ),
    Case(
        "1.1.12",
        "odd",
        "users that cannot be read",
        having({"/etc/passwd": File(unreadable=errno.EIO)}),
        "error",
        says=("/etc/passwd",),
    ),
    Case(
        "1.1.12",
        "odd",
        "a directory that is gone",
        having({"/var/lib/etcd": None}),
        "error",
        says=("no such directory",),
    ),
    _external("1.1.12"),
    *_pair(
        "1.1.13",
        "1.1.14",
        "/etc/kubernetes/admin.conf",
        [
            Case(
                "1.1.13",
                "odd",
                "the other one",
                having(
                    {"/etc/kubernetes/admin.conf": None, "/etc/kubernetes/super-admin.conf": File(mode=0o660)}
                ),
                "fail",
                says=("super-admin.conf",),
            ),
            Case(
                "1.1.13",
                "odd",
                "taken away",
                having({"/etc/kubernetes/admin.conf": None, "/etc/kubernetes/super-admin.conf": None}),
                "not_applicable",
            ),
            Case("1.1.14", "odd", "one of two", having({"/etc/kubernetes/super-admin.conf": None}), "pass"),
        ],
    ),
    *_pair(
        "1.1.15",
        "1.1.16",
        "/etc/kubernetes/scheduler.conf",
        [
            *_kubeconfig_odd("1.1.15", "1.1.16", "kube-scheduler", "/etc/kubernetes/scheduler.conf"),
            Case(
                "1.1.15",
                "odd",
                "a file replaces the flags",
                lambda: HOST.with_(
                    running=(
                        process("kube-scheduler", "--config=/etc/s.yaml", "--kubeconfig=/etc/kubernetes/x"),
                    )
                ).with_files(
                    {
                        "/etc/s.yaml": File("clientConnection: {kubeconfig: /etc/mine.conf}\n"),
                        "/etc/mine.conf": File(mode=0o640),
                    }
                ),
                "fail",
                says=("/etc/mine.conf",),
            ),
        ],
    ),
    *_pair(
        "1.1.17",
        "1.1.18",
        "/etc/kubernetes/controller-manager.conf",
        _kubeconfig_odd(
            "1.1.17", "1.1.18", "kube-controller-manager", "/etc/kubernetes/controller-manager.conf"
        ),
    ),
    Case("1.1.19", "pass", "root", lambda: HOST, "pass", says=(f"{PKI}/etcd/ca.key",)),
    Case(
        "1.1.19",
        "fail",
        "one file of a user",
        having({f"{PKI}/etcd/ca.crt": File(CERTIFICATE, uid=7)}),
        "fail",
        says=(f"{PKI}/etcd/ca.crt", "7:0"),
    ),
    Case(
        "1.1.19",
        "odd",
        "certificates elsewhere",
        lambda: HOST.with_(
            running=(process("kube-apiserver", "--tls-cert-file=/etc/kubernetes/ssl/apiserver.crt"),)
        ).with_files(
            {"/etc/kubernetes/ssl/apiserver.crt": File(), "/etc/kubernetes/ssl/ca.key": File(gid=4)}
        ),
        "fail",
        says=("/etc/kubernetes/ssl/ca.key",),
    ),
    Case(
        "1.1.19",
        "odd",
        "a file in a directory of others",
        lambda: FakeReader(
            running=(process("kube-apiserver", "--client-ca-file=/etc/ca.crt"),),
            files={"/etc/ca.crt": File(), "/etc/shadow": File(gid=42)},
        ),
        "pass",
    ),
    Case("1.1.19", "odd", "no certificates", lambda: FakeReader(running=(SCHEDULER, ETCD)), "not_applicable"),
    Case("1.1.20", "odd", "nothing at all", lambda: FakeReader(), "error", says=("no program runs",)),
    Case(
        "1.1.19",
        "odd",
        "more than is read",
        having({f"{PKI}/{number:04}.crt": File(uid=1) for number in range(300)}),
        "fail",
        says=("and 297 more", "200 of them fail"),
    ),
    Case("1.1.20", "pass", "readable by all", lambda: HOST, "pass", says=("0644",)),
    Case(
        "1.1.20",
        "fail",
        "writable by the group",
        having({f"{PKI}/ca.crt": File(CERTIFICATE, mode=0o664)}),
        "fail",
        says=("0664",),
    ),
    Case(
        "1.1.20",
        "odd",
        "a key that is called pem",
        having({f"{PKI}/both.pem": File(CERTIFICATE + KEY, mode=0o600), f"{PKI}/note.txt": File(mode=0o777)}),
        "pass",
    ),
    Case("1.1.20", "odd", "unreadable", having({f"{PKI}/x.crt": File(kind="unreachable")}), "error"),
    Case("1.1.21", "pass", "owner only", lambda: HOST, "pass", says=(f"{PKI}/ca.key",)),
    Case(
        "1.1.21",
        "fail",
        "readable by the group",
        having({f"{PKI}/etcd/ca.key": File(KEY, mode=0o640)}),
        "fail",
        says=(f"{PKI}/etcd/ca.key", "0640"),
    ),
    Case(
        "1.1.21",
        "odd",
        "a key beside its certificate",
        having({f"{PKI}/both.pem": File(CERTIFICATE + KEY, mode=0o644)}),
        "fail",
        says=("both.pem",),
    ),
    *(
        Case(
            "1.1.21",
            "odd",
            f"a copy called {name}",
            having({name: File(held, mode=0o644)}),
            "fail",
            says=(name,),
        )
        for name, held in (
            (f"{PKI}/ca.key.bak", KEY),
            (f"{PKI}/old/ca.key~", KEY),
            (f"{PKI}/ca.der", b"\x30\x82\x04\xa4\x02\x01\x00\x02\x82"),
            (f"{PKI}/ca.p12", b"\x30\x82\x09\x51\x02\x01\x03\x30\x82"),
            (f"{PKI}/secret.yaml", "tls.key: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQo=\n"),
            ("/etc/kubernetes/pki.2026/sa.key", KEY),
            ("/etc/kubernetes/admin.conf.old", "users: [{user: {client-key-data: eA==}}]\n"),
        )
    ),
    *(
        Case(
            check_id,
            "odd",
            "a file that may be one",
            having({f"{PKI}/x": File(unreadable=errno.EACCES)}),
            "error",
            says=(f"{PKI}/x", "cannot be read"),
        )
        for check_id in ("1.1.20", "1.1.21")
    ),
    Case(
        "1.1.21",
        "odd",
        "a large file",
        having({"/etc/kubernetes/tmp/db": File(unreadable=errno.EFBIG)}),
        "pass",
    ),
    Case(
        "1.1.20",
        "odd",
        "a certificate without a suffix",
        having({f"{PKI}/ca": File(CERTIFICATE, 0o664)}),
        "fail",
    ),
    *(
        Case(
            check_id,
            "odd",
            f"a configuration of {program} that cannot be read",
            unreadable(program, path),
            "error",
            says=(path, "could not be read"),
        )
        for check_id in ("1.1.9", "1.1.10")
        for program, path in (("containerd", "/etc/containerd/config.toml"), ("crio", "/etc/crio/crio.conf"))
    ),
    Case(
        "1.1.1",
        "odd",
        "a directory that is not known",
        lambda: HOST.with_(running=(process("kubelet", "--config=/k.yaml"),)).with_files(
            {"/k.yaml": File("staticPodPath: &a /d\n")}
        ),
        "error",
        says=("perhaps another directory", "/k.yaml"),
    ),
    Case(
        "1.1.1",
        "odd",
        "a manifest that may be another's",
        having({"/etc/kubernetes/manifests/x.yaml": File(unreadable=errno.EIO)}),
        "error",
        says=("manifests/x.yaml",),
    ),
    Case(
        "1.1.21",
        "odd",
        "an empty directory",
        having({path: None for path in HOST.files if PKI in path}),
        "not_applicable",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdicts(case: Case) -> None:
    result = CHECKS[case.check](case.given())
    text = result.message + " " + " ".join(str(item.to_dict()) for item in result.evidence)
    assert (result.id, result.status, result.literal) == (case.check, case.status, case.literal), text
    for words in case.says:
        assert words in text
    assert "AAAA" not in text
    assert len(result.evidence) <= files.MOST_EVIDENCES + 1


def test_every_check_has_a_case() -> None:
    assert {case.check for case in CASES} == set(CHECKS) and len(CHECKS) == 21


def test_every_wrong_file_has_a_fix() -> None:
    host = HOST.with_files({f"{PKI}/ca.key": File(KEY, mode=0o664, uid=3, gid=4)})
    assert [fix.to_dict() for fix in CHECKS["1.1.21"](host).fixes] == [
        {"path": f"{PKI}/ca.key", "mode": "0600", "uid": None, "gid": None}
    ]
    assert [fix.to_dict() for fix in CHECKS["1.1.19"](host).fixes] == [
        {"path": f"{PKI}/ca.key", "mode": None, "uid": 0, "gid": 0}
    ]
    assert not CHECKS["1.1.20"](host).fixes


def test_fix_of_a_mode_adds_no_permission() -> None:
    host = HOST.with_files({f"{PKI}/ca.key": File(KEY, mode=0o440), f"{PKI}/sa.key": File(KEY, mode=0o006)})
    assert {fix.path: fix.mode for fix in CHECKS["1.1.21"](host).fixes} == {
        f"{PKI}/ca.key": 0o400,
        # Nothing would be left of it.
        f"{PKI}/sa.key": 0o600,
    }


def test_fix_of_the_owner_of_etcd_data_needs_the_user() -> None:
    given = HOST.with_files({"/var/lib/etcd": File(mode=0o700, kind="directory")})
    assert [(fix.uid, fix.gid) for fix in CHECKS["1.1.12"](given).fixes] == [(997, 996)]
    assert not CHECKS["1.1.12"](given.with_files({"/etc/passwd": File("")})).fixes
    assert not CHECKS["1.1.12"](HOST).fixes


def test_file_in_a_container_has_no_fix() -> None:
    path = "/run/own.conf"
    program = process("kube-scheduler", f"--kubeconfig={path}")
    host = HOST.with_(running=(program,), seen_by={"kube-scheduler": {path: File(mode=0o644)}})
    result = CHECKS["1.1.15"](host)
    assert result.status == "fail" and not result.fixes
    same = host.with_files({path: File(mode=0o644)})
    assert [fix.path for fix in CHECKS["1.1.15"](same).fixes] == [path]


def test_failures_come_first_in_shortened_evidence() -> None:
    many = [Evidence(f"/{number}", "mode", "0600", "", "pass") for number in range(50)]
    kept = files.limit([*many, Evidence("/bad", "mode", "0666", "", "fail")])
    assert kept[0].source == "/bad" and len(kept) == 21
    assert kept[-1].observed == "31 more, all of them pass"
