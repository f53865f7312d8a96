# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kubeadm on nodes that are members: reading manifests, planning, replacing files, trying arguments."""

from __future__ import annotations

import json
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import (
    components,
    manifests,
    member,
    plan,
    reconfigure,
    render,
    transaction,
    trial,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

# --- manifests ------------------------------------------------------------------------------------------------------


def pod(component: str, *arguments: str, tag: str = "v1.36.4", volumes: str = "") -> str:
    words = "".join(f"    - {word}\n" for word in (component, *arguments))
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: {component}\nspec:\n  containers:\n  - command:\n{words}"
        f"    image: registry.example.org:5000/k8s/{component}:{tag}\n    name: {component}\n{volumes}"
    )


VOLUMES = """    volumeMounts:
    - mountPath: /etc/kubernetes/audit
      name: audit
      readOnly: true
    - mountPath: /var/log/kubernetes
      name: log
    - mountPath: /tmp
      name: memory
  volumes:
  - hostPath:
      path: /etc/kubernetes/audit
      type: ""
    name: audit
  - hostPath:
      path: /var/log/kubernetes
      type: DirectoryOrCreate
    name: log
  - emptyDir: {}
    name: memory
"""


def test_manifest_is_read() -> None:
    found = manifests.read(
        "kube-apiserver", pod("kube-apiserver", "--a=1", "--b=2", "--a=3", volumes=VOLUMES)
    )
    assert found.command == ("kube-apiserver", "--a=1", "--b=2", "--a=3")
    assert (found.argument("a"), found.argument("c")) == ("3", None)
    assert manifests.image_version(found.image) == "v1.36.4"
    assert found.volumes == (
        manifests.Volume("/etc/kubernetes/audit", "/etc/kubernetes/audit", True, ""),
        manifests.Volume("/var/log/kubernetes", "/var/log/kubernetes", False, "DirectoryOrCreate"),
    )
    for text in ("kind: Pod\n", "a: [\n", ""):
        with pytest.raises(ValueError, match=r".*"):
            manifests.read("kube-apiserver", text)


def test_same_pod_looks_through_layout_but_not_through_values() -> None:
    text = pod("etcd", "--a=1")
    assert manifests.same_pod(text, "# mine\n" + text.replace("name: etcd", 'name: "etcd"'))
    assert not manifests.same_pod(text, pod("etcd", "--a=2"))
    assert not manifests.same_pod(text, None)
    assert not manifests.same_pod(text, "a: [damaged")


def test_members_of_etcd_are_kept() -> None:
    rendered = pod("etcd", "--data-dir=/x", "--initial-cluster=b=https://b", "--name=b")
    joined = pod(
        "etcd",
        "--data-dir=/y",
        "--initial-cluster=a=https://a,b=https://b",
        "--initial-cluster-state=existing",
    )
    assert manifests.keep_members(rendered, joined) == pod(
        "etcd",
        "--data-dir=/x",
        "--initial-cluster=a=https://a,b=https://b",
        "--initial-cluster-state=existing",
        "--name=b",
    )
    assert manifests.keep_members(rendered, None) == rendered
    assert manifests.keep_members(rendered, "emptied") == rendered


CLUSTER = {
    "apiServer": {"extraVolumes": [{"name": "a", "hostPath": "/etc/audit", "mountPath": "/a"}]},
    "scheduler": {"extraVolumes": [{"name": "b", "hostPath": "/etc/s.yaml", "mountPath": "/b"}]},
}


@pytest.mark.parametrize(
    ("path", "readers"),
    [
        ("/etc/audit/policy.yaml", ("kube-apiserver",)),
        ("/etc/audit", ("kube-apiserver",)),
        ("/etc/auditing", ()),
        ("/etc/s.yaml", ("kube-scheduler",)),
        ("/etc/kubernetes/pki/x", ("kube-apiserver", "kube-controller-manager")),
    ],
)
def test_readers_of(path: str, readers: tuple[str, ...]) -> None:
    assert manifests.readers_of(path, CLUSTER) == readers


def test_digests_change_with_contents_and_only_for_readers() -> None:
    one = manifests.digests({"/etc/audit/p": b"1", "/etc/s.yaml": b"1", "/unread": b"1"}, CLUSTER)
    two = manifests.digests({"/etc/audit/p": b"2", "/etc/s.yaml": b"1", "/unread": b"2"}, CLUSTER)
    assert set(one) == {"kube-apiserver", "kube-scheduler"}
    assert one["kube-apiserver"] != two["kube-apiserver"]
    assert one["kube-scheduler"] == two["kube-scheduler"]
    (name,) = manifests.digest_patches({"etcd": "x"})
    assert name.startswith("etcd")
    assert name.endswith("+merge.json")
    assert json.loads(manifests.digest_patches({"etcd": "x"})[name]) == {
        "metadata": {"annotations": {manifests.DIGEST_ANNOTATION: "x"}}
    }


# --- documents for kubeadm --------------------------------------------------------------------------------------------

JOIN: dict[str, t.Any] = {
    "apiVersion": "kubeadm.k8s.io/v1beta4",
    "kind": "JoinConfiguration",
    "controlPlane": {
        "localAPIEndpoint": {"advertiseAddress": "192.0.2.12", "bindPort": 6443},
        "certificateKey": "k",
    },
    "nodeRegistration": {
        "name": "n2",
        "taints": [{"key": "a", "effect": "NoSchedule"}, {"key": "b", "value": "c", "effect": "NoExecute"}],
    },
}
CLUSTER_DOCUMENT: dict[str, t.Any] = {"kind": "ClusterConfiguration", "apiVersion": "kubeadm.k8s.io/v1beta4"}


def test_joined_control_plane_is_rendered_as_if_it_had_made_the_cluster() -> None:
    own, cluster = render.control_plane_documents([JOIN, CLUSTER_DOCUMENT], ["addon/kube-proxy"])
    assert own["kind"] == "InitConfiguration"
    assert own["localAPIEndpoint"] == JOIN["controlPlane"]["localAPIEndpoint"]
    assert own["nodeRegistration"] == JOIN["nodeRegistration"]
    assert cluster["proxy"] == {"disabled": True}
    assert "certificateKey" not in json.dumps(own)


def test_worker_gets_its_taints_as_an_argument() -> None:
    own = render.worker_configuration([JOIN])
    assert own["nodeRegistration"]["kubeletExtraArgs"] == [
        {"name": "register-with-taints", "value": "a:NoSchedule,b=c:NoExecute"}
    ]
    assert "kubeletExtraArgs" not in JOIN["nodeRegistration"]


def test_kubelet_object_is_found_in_a_dry_run() -> None:
    printed = (
        "[dryrun] x\ndata:\n  kubelet: |\n    a: 1\n    b:\n    - c\nkind: ConfigMap\nmetadata:\n  name: x\n"
    )
    assert render.kubelet_object(printed) == "a: 1\nb:\n- c\n"
    assert render.kubelet_object("nothing") is None


def test_names_of_the_certificate() -> None:
    text = (
        "apiServer:\n  certSANs:\n  - API.example.org\n  - 2001:DB8::1\ncontrolPlaneEndpoint: '[2001:db8::2]:6443'\n"
        "networking:\n  dnsDomain: c.local\n  serviceSubnet: 10.96.0.0/16,fd00::/108\n"
    )
    assert set(render.alt_names(text, "cp1", "192.0.2.11")) == {
        "10.96.0.1",
        "192.0.2.11",
        "2001:db8::1",
        "2001:db8::2",
        "api.example.org",
        "cp1",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.c.local",
    }


# --- planning -------------------------------------------------------------------------------------------------------

CLUSTER_TEXT = "clusterName: c\nkubernetesVersion: v1.36.4\nnetworking:\n  podSubnet: 10.244.0.0/16\n"
API = manifests.path_of("kube-apiserver")
SCHEDULER = manifests.path_of("kube-scheduler")
KUBELET = "/var/lib/kubelet/config.yaml"


def state(text: str | None, mode: int = 0o600) -> reconfigure.FileState:
    return reconfigure.FileState() if text is None else reconfigure.FileState(text.encode(), mode)


def wanted_manifest(component: str, text: str) -> reconfigure.WantedFile:
    return reconfigure.WantedFile(
        manifests.path_of(component), text.encode(), "manifest", component, 0o600, 0, 0
    )


def changes(
    files: dict[str, reconfigure.FileState] | None = None,
    extra: tuple[reconfigure.WantedFile, ...] = (),
    **more: t.Any,
) -> reconfigure.Changes:
    """What is planned when everything but C(files) and the rest is as wanted."""
    cluster = more.pop("wants", CLUSTER_TEXT)
    wanted = reconfigure.Wanted(
        files=(
            wanted_manifest("kube-scheduler", pod("kube-scheduler", "--a=1")),
            wanted_manifest("kube-apiserver", pod("kube-apiserver", "--a=1")),
            reconfigure.WantedFile(KUBELET, b"a: 1\n", "kubelet", "kubelet"),
            *extra,
        ),
        cluster=cluster,
        kubelet="a: 1\n",
    )
    actual = {
        SCHEDULER: state(pod("kube-scheduler", "--a=1")),
        API: state(pod("kube-apiserver", "--a=1")),
        KUBELET: state("a: 1\n", 0o644),
        **(files or {}),
    }
    found = {"cluster": CLUSTER_TEXT, "kubelet": "a: 1\n", **more}
    return reconfigure.plan(wanted, reconfigure.Found("cp1", actual, **found))


def test_nothing_differs() -> None:
    assert changes() == reconfigure.Changes()
    assert changes(cluster=None, kubelet=None, answers=False) == reconfigure.Changes()


POLICY = reconfigure.WantedFile("/etc/audit/p", b"rules\n", mode=0o600)


@pytest.mark.parametrize(
    ("case", "names", "restarts"),
    [
        ({"files": {API: state(None)}}, ["kube-apiserver restored: its manifest was not there"], [True]),
        (
            {"files": {API: state(pod("kube-apiserver", "--a=2")), SCHEDULER: state("broken: [")}},
            ["kube-apiserver reconfigured", "kube-scheduler reconfigured"],
            [True, True],
        ),
        # An edited image is an edit like any other.
        (
            {"files": {API: state(pod("kube-apiserver", "--a=1", tag="v1.35.0"))}},
            ["kube-apiserver reconfigured"],
            [True],
        ),
        (
            {"files": {API: state("# mine\n" + pod("kube-apiserver", "--a=1"))}},
            ["kube-apiserver manifest rewritten, which makes the same pod"],
            [False],
        ),
        (
            {"files": {API: state(pod("kube-apiserver", "--a=1"), 0o644)}},
            ["kube-apiserver manifest corrected: mode 0644 instead of 0600"],
            [False],
        ),
        (
            {"unsettled": frozenset({API})},
            ["kube-apiserver seen at work after an interrupted run"],
            [False],
        ),
        ({"unsettled": frozenset({KUBELET})}, ["kubelet reconfigured"], [True]),
        ({"files": {KUBELET: state("a: 2\n")}}, ["kubelet reconfigured"], [True]),
        ({"extra": (POLICY,)}, ["/etc/audit/p placed"], [False]),
        (
            {"extra": (POLICY,), "files": {"/etc/audit/p": state("rules\n", 0o644)}},
            ["/etc/audit/p corrected: mode 0644 instead of 0600"],
            [False],
        ),
        ({"cluster": CLUSTER_TEXT + "gone: 1\n"}, ["ConfigMap kubeadm-config updated"], [False]),
        ({"kubelet": None}, ["ConfigMap kubelet-config updated"], [False]),
        (
            {"wants": CLUSTER_TEXT + "imageRepository: r\n"},
            ["ConfigMap kubeadm-config updated", "CoreDNS reconfigured"],
            [False, False],
        ),
        # While the API server is away, nobody knows what it keeps.
        (
            {"answers": False, "cluster": None, "kubelet": None, "files": {API: state(None)}},
            ["kube-apiserver restored: its manifest was not there"],
            [True],
        ),
    ],
)
def test_plan(case: dict[str, t.Any], names: list[str], restarts: list[bool]) -> None:
    made = changes(**case)
    assert made.names() == names
    assert [action.restarts for action in made.actions] == restarts


def test_order_is_files_certificate_pods_kubelet_cluster() -> None:
    certificate = reconfigure.WantedFile(
        "/pki/apiserver.crt", b"c", "certificate", "kube-apiserver", note="with x"
    )
    made = changes(
        files={API: state("x: 1\n"), SCHEDULER: state("x: 1\n"), KUBELET: state("x: 1\n")},
        extra=(certificate, POLICY),
        wants=CLUSTER_TEXT + "more: 1\n",
    )
    assert made.names() == [
        "/etc/audit/p placed",
        "API server's certificate made anew: with x",
        "kube-apiserver reconfigured",
        "kube-scheduler reconfigured",
        "kubelet reconfigured",
        "ConfigMap kubeadm-config updated",
    ]
    assert made.local


def test_diff_shows_arguments_and_no_secret() -> None:
    secret = reconfigure.WantedFile("/etc/key", b"new-key\n", secret=True)
    made = changes(
        files={API: state(pod("kube-apiserver", "--a=2")), "/etc/key": state("old-key\n")}, extra=(secret,)
    )
    assert "-    - --a=2\n+    - --a=1\n" in made.diffs()
    assert "/etc/key: has other contents (secret, not shown)" in made.diffs()
    assert "-key" not in made.diffs().replace("/etc/key", "")
    assert "new-key" not in repr(made)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({"cluster": CLUSTER_TEXT.replace("36.4", "35.2")}, ("cp1", "v1.35.2", "v1.36.4", "upgrade")),
        (
            {"cluster": CLUSTER_TEXT.replace("10.244", "10.245")},
            ("networking.podSubnet", "10.245.0.0/16", "10.244.0.0/16"),
        ),
        (
            {
                "answers": False,
                "cluster": None,
                "files": {API: state(None), SCHEDULER: state(pod("kube-scheduler", tag="v1.35.2"))},
            },
            ("v1.35.2", "v1.36.4", "upgrade"),
        ),
    ],
)
def test_what_is_no_reconfiguration_is_refused(case: dict[str, t.Any], words: tuple[str, ...]) -> None:
    with pytest.raises(plan.KubeadmError) as caught:
        changes(**case)
    assert all(word in str(caught.value) for word in words)
    assert "othing was changed" in str(caught.value)


def test_version_without_its_letter_is_the_same() -> None:
    assert changes(cluster=CLUSTER_TEXT.replace("v1.36.4", "1.36.4")).names() == [
        "ConfigMap kubeadm-config updated"
    ]


ALL = (
    node.KUBELET_CONF,
    node.ADMIN_CONF,
    node.CA_CERT,
    node.CA_KEY,
    *node.CONTROL_PLANE_MANIFESTS,
    node.ETCD_MANIFEST,
    node.ETCD_DATA,
    plan.KUBELET_CONFIG,
)


@pytest.mark.parametrize(
    ("gone", "etcd_data", "credentials", "mends"),
    [
        ((node.CONTROL_PLANE_MANIFESTS[0],), True, True, True),
        ((*node.CONTROL_PLANE_MANIFESTS, node.ETCD_MANIFEST), True, True, True),
        # An interrupted kubeadm: the kubelet was never started, or etcd never was.
        ((node.CONTROL_PLANE_MANIFESTS[0],), True, False, False),
        ((node.ETCD_MANIFEST, node.ETCD_DATA), False, True, False),
        ((node.CONTROL_PLANE_MANIFESTS[0], node.ADMIN_CONF), True, True, False),
        ((node.CONTROL_PLANE_MANIFESTS[0], node.CA_KEY), True, True, False),
        ((), True, True, False),
    ],
)
def test_deleted_manifests(gone: tuple[str, ...], etcd_data: bool, credentials: bool, mends: bool) -> None:
    files = tuple(path for path in ALL if path not in gone)
    local_etcd = node.ETCD_MANIFEST in gone or node.ETCD_MANIFEST in files
    seen = plan.Observation(
        "cp1", node.classify(files, local_etcd), files, etcd_data=etcd_data, credentials=credentials
    )
    assert bool(plan.deleted_manifests(seen)) is mends


# --- files ----------------------------------------------------------------------------------------------------------


def wanted(path: str, text: str, **more: t.Any) -> reconfigure.WantedFile:
    return reconfigure.WantedFile(path, text.encode(), **more)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/a").write_text("old a")
    (tmp_path / "etc/a").chmod(0o640)
    return tmp_path


def test_transaction_puts_everything_back(host: Path) -> None:
    files = [wanted("/etc/a", "new a"), wanted("/etc/sub/b", "new b", mode=0o644)]
    change = transaction.Transaction(str(host))
    change.begin(files)
    for item in files:
        change.place(item)
    assert (host / "etc/a").read_text() == "new a"
    assert stat.S_IMODE((host / "etc/a").stat().st_mode) == 0o640
    assert stat.S_IMODE((host / "etc/sub/b").stat().st_mode) == 0o644

    # Killed here: the next run knows what is unsettled, and what was there before the first.
    later = transaction.Transaction(str(host))
    assert later.pending == {"/etc/a", "/etc/sub/b"}
    again = [wanted("/etc/a", "newer a"), files[1]]
    later.begin(again)
    later.place(again[0])
    assert sorted(later.restore()) == ["/etc/a", "/etc/sub/b"]
    assert (host / "etc/a").read_text() == "old a"
    assert stat.S_IMODE((host / "etc/a").stat().st_mode) == 0o640
    assert not (host / "etc/sub/b").exists()
    assert transaction.Transaction(str(host)).pending == frozenset()


def test_transaction_keeps_a_few_private_backups(host: Path) -> None:
    for number in range(7):
        change = transaction.Transaction(str(host))
        change.begin([wanted("/etc/a", f"{number}")])
        change.place(wanted("/etc/a", f"{number}"))
        change.commit()
        kept = host / transaction.STATE.lstrip("/") / "backups"
        # One process makes one backup a second at most; here they are told apart by hand.
        for entry in list(kept.iterdir()):
            if not entry.name.startswith("k"):
                entry.rename(kept / f"k{number}")
    assert len(list(kept.iterdir())) <= 6
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert transaction.Transaction(str(host)).pending == frozenset()


def test_what_an_interrupted_run_settled_is_not_put_back(host: Path) -> None:
    change = transaction.Transaction(str(host))
    change.begin([wanted("/etc/a", "new a")])
    change.place(wanted("/etc/a", "new a"))
    later = transaction.Transaction(str(host))
    later.begin([wanted("/etc/b", "b")])
    later.place(wanted("/etc/b", "b"))
    assert later.restore() == ["/etc/b"]
    assert (host / "etc/a").read_text() == "new a"


@pytest.mark.parametrize(
    ("item", "word"),
    [
        ({"path": "relative"}, "absolute"),
        ({"path": "/etc/kubernetes/manifests/x.yaml"}, "outside"),
        ({"path": "/x", "mode": "rw"}, "mode"),
        ({"path": "/x", "owner": "no-such-user"}, "no-such-user"),
    ],
)
def test_files_that_cannot_be_meant(item: dict[str, t.Any], word: str) -> None:
    with pytest.raises(plan.KubeadmError, match=word):
        member.extra_files([{"content": "x", **item}])


def test_files_of_the_option() -> None:
    (found,) = member.extra_files([{"path": "/etc//x/../p", "content": "c", "mode": "640", "secret": False}])
    assert (found.path, found.content, found.mode, found.secret) == ("/etc/p", b"c", 0o640, False)


# --- a member ---------------------------------------------------------------------------------------------------------


class Components:
    """A control plane that obeys, but for what is told to break."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.done: list[str] = []

    def processes(self, component: str) -> list[components.Process]:
        return []

    def wait(self, manifest: manifests.Manifest, before: t.Any, restarts: bool, seconds: float) -> None:
        self.done.append(f"{manifest.component} {' '.join(manifest.command[1:])}")
        if self.broken and self.broken in manifest.command:
            raise components.BrokenError(manifest.component, "ends soon after each start", "flag: bad")

    def restart_kubelet(self, seconds: float) -> None:
        self.done.append("kubelet")


class Host:
    """A host whose API server is ready and whose kubeadm does what it is told."""

    name = "cp1"

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.phases: list[str] = []

    def wait_ready(self, seconds: float) -> None:
        pass


PARAMS: dict[str, t.Any] = {
    "role": "control_plane",
    "documents": [CLUSTER_DOCUMENT],
    "files": [{"path": "/etc/audit/p", "content": "rules"}],
    "patches": None,
    "skip_phases": [],
    "ready_timeout": 1,
    "timeout": 1,
}


@pytest.fixture
def node_with_manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> member.Member:
    for component in ("kube-apiserver", "kube-scheduler"):
        path = tmp_path / manifests.path_of(component).lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pod(component, "--a=old"))
        path.chmod(0o600)
    made = member.Member(t.cast("t.Any", Host(tmp_path)), PARAMS)
    uploaded: list[str] = []
    monkeypatch.setattr(made, "_phase", lambda action: uploaded.append(action.target))
    monkeypatch.setattr(made, "uploaded", uploaded, raising=False)
    files = (
        *made.files,
        wanted_manifest("kube-apiserver", pod("kube-apiserver", "--a=new")),
        wanted_manifest("kube-scheduler", pod("kube-scheduler", "--a=new")),
    )
    made.wanted = reconfigure.Wanted(files, CLUSTER_TEXT + "new: 1\n")
    states = {item.path: transaction.state_of(str(tmp_path), item.path) for item in files}
    made.found = reconfigure.Found("cp1", states, cluster=CLUSTER_TEXT)
    return made


def manifest_of(made: member.Member, component: str) -> str:
    return (Path(made.host.root) / manifests.path_of(component).lstrip("/")).read_text()


def test_member_is_changed_one_component_at_a_time(node_with_manifests: member.Member) -> None:
    made = node_with_manifests
    parts = Components()
    made.components = t.cast("t.Any", parts)
    made.apply(reconfigure.plan(made.wanted, made.found))
    assert parts.done[:2] == ["kube-apiserver --a=new", "kube-scheduler --a=new"]
    assert manifest_of(made, "kube-scheduler") == pod("kube-scheduler", "--a=new")
    assert (Path(made.host.root) / "etc/audit/p").read_text() == "rules"
    assert t.cast("t.Any", made).uploaded == ["upload-config/kubeadm"]
    assert not made.interrupted()


def test_member_is_as_before_when_one_component_breaks(node_with_manifests: member.Member) -> None:
    made = node_with_manifests
    parts = Components()
    made.components = t.cast("t.Any", parts)
    broken = wanted_manifest("kube-scheduler", pod("kube-scheduler", "--a=bad"))
    made.wanted = reconfigure.Wanted((*made.wanted.files[:-1], broken), made.wanted.cluster)
    parts.broken = "--a=bad"
    with pytest.raises(plan.KubeadmError) as caught:
        made.apply(reconfigure.plan(made.wanted, made.found))
    message = str(caught.value)
    assert all(
        word in message
        for word in ("cp1", "kube-scheduler ends soon", "flag: bad", "works as before", SCHEDULER)
    )
    assert caught.value.context["component"] == "kube-scheduler"
    assert sorted(caught.value.context["rolled_back"]) == sorted(["/etc/audit/p", API, SCHEDULER])
    for component in ("kube-apiserver", "kube-scheduler"):
        assert manifest_of(made, component) == pod(component, "--a=old")
    assert not (Path(made.host.root) / "etc/audit/p").exists()
    assert parts.done[-2:] == ["kube-apiserver --a=old", "kube-scheduler --a=old"]
    assert t.cast("t.Any", made).uploaded == []
    assert not made.interrupted()


def test_kubelet_that_ends_again_and_again_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host = Host(tmp_path)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    monkeypatch.setattr(host, "unhealthy_kubelet", lambda: "connection refused", raising=False)
    monkeypatch.setattr(components, "command", lambda argv, seconds=0: (0, "E1121 bad value\n"))
    monkeypatch.setattr(components, "_POLL_SECONDS", 0.0)
    made = components.ControlPlane(t.cast("t.Any", host))
    pids = iter(range(100))
    monkeypatch.setattr(made, "processes", lambda _name: [components.Process(next(pids), ("kubelet",))])
    with pytest.raises(components.BrokenError, match="ends soon") as caught:
        made.restart_kubelet(60)
    assert caught.value.log == "E1121 bad value"
    assert next(pids) == 5


# --- trial ----------------------------------------------------------------------------------------------------------

KLOG = "E1121 17:21:02.058034       1 run.go:72] "
REFUSED = KLOG + '"command failed" err="enable-admission-plugins plugin \\"Foo\\" is unknown"\n'
SEARCHING = 'W1121 17:21:24.7 1 logging.go:55] Err: "dial tcp 127.0.0.1:2379: connect: connection refused"\n'
NO_ETCD = KLOG + '"command failed" err="error creating storage factory: context deadline exceeded"\n'


@pytest.mark.parametrize(
    ("code", "output", "seconds", "reached", "judged"),
    [
        (1, REFUSED, 2.0, 0.0, False),
        (1, "Error: unknown flag: --x\n", 1.0, 0.0, False),
        # Refused by an admission plugin, after the first look for etcd.
        (1, SEARCHING + REFUSED, 3.0, 1.0, False),
        (1, SEARCHING + NO_ETCD, 20.0, 1.0, True),
        (None, "", 2.0, 0.0, None),
        (None, SEARCHING, 5.0, 1.0, None),
        (None, SEARCHING, 9.0, 5.0, True),
        (None, "", 100.0, 0.0, True),
        (0, "", 1.0, 0.0, True),
    ],
)
def test_verdict(code: int | None, output: str, seconds: float, reached: float, judged: bool | None) -> None:
    assert trial.verdict(code, output, seconds, reached) is judged


def test_trial_sees_files_that_are_not_there_yet(tmp_path: Path) -> None:
    root, scratch = tmp_path / "root", tmp_path / "scratch"
    (root / "etc/kubernetes/audit").mkdir(parents=True)
    (root / "etc/kubernetes/audit/other").write_text("kept")
    scratch.mkdir()
    made = manifests.read("kube-apiserver", pod("kube-apiserver", volumes=VOLUMES))
    found = trial.mounts(made, {"/etc/kubernetes/audit/policy": b"new"}, str(root), str(scratch))
    assert [(target, writable) for _source, target, writable in found] == [
        ("/etc/kubernetes/audit", False),
        ("/var/log/kubernetes", True),
    ]
    copy = Path(found[0][0])
    assert {entry.name: entry.read_text() for entry in copy.iterdir()} == {"other": "kept", "policy": "new"}
    assert not (root / "etc/kubernetes/audit/policy").exists()
    assert not (root / "var").exists()


def test_trial_misses_a_file_that_nobody_places(tmp_path: Path) -> None:
    volumes = VOLUMES.replace('type: ""', "type: File")
    made = manifests.read("kube-apiserver", pod("kube-apiserver", volumes=volumes))
    with pytest.raises(plan.KubeadmError, match="/etc/kubernetes/audit"):
        trial.mounts(made, {}, str(tmp_path), str(tmp_path))


def test_last_words_say_each_thing_once() -> None:
    log = "I1 fine\n" + "".join(
        f"E1121 18:00:{second}.306417    675{second} run.go:72] failed\n" for second in (29, 31)
    )
    assert components.last_words(log) == "E1121 18:00:31.306417    67531 run.go:72] failed"
    assert components.last_words("one\ntwo\n") == "one | two"
