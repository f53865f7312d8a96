# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single settings of a member change, and all others are kept, manual edits included."""

from __future__ import annotations

import contextlib
import json
import shutil
import types
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import (
    converge,
    declared,
    manifests,
    reconfigure,
    reconfigure_plan,
    render,
    settings,
    settings_plan,
    stored,
    transaction,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError, Plan

Json = dict[str, t.Any]

# --- a fake kubeadm -------------------------------------------------------------------------------------------------

DEFAULTS: dict[str, dict[str, str]] = {
    "etcd": {"data-dir": "/var/lib/etcd", "client-cert-auth": "true"},
    "kube-apiserver": {
        "advertise-address": "192.0.2.11",
        "secure-port": "6443",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
    },
    "kube-controller-manager": {"bind-address": "127.0.0.1"},
    "kube-scheduler": {"bind-address": "127.0.0.1"},
}


def manifest(
    component: str, cluster: Json, annotations: Json | None = None, endpoint: Json | None = None
) -> str:
    place = cluster
    for key in settings_plan.PLACES[component]:
        place = place.get(key) or {}
    own = dict(DEFAULTS[component])
    if component == "kube-apiserver":
        own["advertise-address"] = (endpoint or {}).get("advertiseAddress", "192.0.2.11")
    for item in place.get("extraArgs") or []:
        own[item["name"]] = item["value"]
    volumes = place.get("extraVolumes") or []
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": component, "annotations": annotations or {}},
        "spec": {
            "containers": [
                {
                    "command": [component, *(f"--{name}={value}" for name, value in sorted(own.items()))],
                    "image": f"registry.example.org/{component}:v1.36.4",
                    "name": component,
                    "volumeMounts": [
                        {"name": item["name"], "mountPath": item["mountPath"]} for item in volumes
                    ],
                }
            ],
            "volumes": [{"name": item["name"], "hostPath": {"path": item["hostPath"]}} for item in volumes],
        },
    }
    return yaml.safe_dump(pod)


class FakeRenderer:
    """What kubeadm would do with documents; the cluster's are kept as text with sorted keys."""

    def __init__(
        self, host: t.Any, patches: t.Any = None, extra: t.Mapping[str, bytes] | None = None
    ) -> None:
        self._extra = extra or {}

    def control_plane(self, documents: t.Sequence[Json]) -> render.Rendering:
        own, cluster, kubelet = documents
        found = {}
        for component in manifests.COMPONENTS:
            patch = self._extra.get(f"{component}-zz-baremetal-kubernetes+merge.json")
            annotations = json.loads(patch)["metadata"]["annotations"] if patch else {}
            found[component] = manifest(component, cluster, annotations, own["localAPIEndpoint"])
        text = yaml.safe_dump(kubelet)
        return render.Rendering(found, {"config.yaml": text}, yaml.safe_dump(cluster), text)

    def worker(self, documents: t.Sequence[Json], cluster: str, kubelet: str) -> render.Rendering:
        text = yaml.safe_dump(documents[1]) if len(documents) > 1 else kubelet
        return render.Rendering(kubelet_files={"config.yaml": text})


CLUSTER: Json = {
    "apiVersion": "kubeadm.k8s.io/v1beta4",
    "kind": "ClusterConfiguration",
    "kubernetesVersion": "v1.36.4",
    "apiServer": {"extraArgs": [{"name": "v", "value": "3"}]},
}
KUBELET: Json = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "rotateCertificates": True,
    "authentication": {"anonymous": {"enabled": False}},
}
POLICY = "/etc/kubernetes/cis/audit-policy.yaml"
DIRECTORY = {"name": "cis", "hostPath": "/etc/kubernetes/cis", "mountPath": "/etc/kubernetes/cis"}


class Node:
    """A member that no playbook of ours created."""

    name = "cp1"

    def __init__(self, root: Path, cluster: Json = CLUSTER, kubelet: Json = KUBELET) -> None:
        self.root = str(root)
        self.cluster = yaml.safe_dump(cluster)
        self.kubelet = yaml.safe_dump(kubelet)
        for component in manifests.COMPONENTS:
            self.write(manifests.path_of(component), manifest(component, cluster))
        self.write("/var/lib/kubelet/config.yaml", self.kubelet)
        self.write(
            "/var/lib/kubelet/instance-config.yaml", "containerRuntimeEndpoint: unix:///run/crio/crio.sock\n"
        )

    def write(self, path: str, text: str) -> None:
        target = Path(self.root) / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(0o600)

    def read(self, path: str) -> str:
        return (Path(self.root) / path.lstrip("/")).read_text()

    def edit(self, component: str, before: str, after: str) -> None:
        text = self.read(manifests.path_of(component))
        assert before in text
        self.write(manifests.path_of(component), text.replace(before, after))

    def node_name(self) -> str:
        return "node-1"

    def wait_ready(self, seconds: float) -> None:
        pass

    @contextlib.contextmanager
    def exclusive(self, seconds: float) -> t.Iterator[None]:
        yield

    @contextlib.contextmanager
    def config_file(self, content: bytes) -> t.Iterator[str]:
        path = Path(self.root) / "config.yaml"
        path.write_bytes(content)
        yield str(path)

    def run(self, argv: t.Sequence[str], seconds: float) -> None:
        """C(kubeadm init phase upload-config)."""
        _own, cluster, kubelet = yaml.safe_load_all(Path(argv[-1]).read_text())
        if argv[:4] == ["init", "phase", "upload-config", "kubeadm"]:
            self.cluster = yaml.safe_dump(cluster)
        else:
            self.kubelet = yaml.safe_dump(kubelet)


class Components:
    """Components that run as their manifests say."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def processes(self, component: str) -> list[t.Any]:
        return []

    def wait(self, read: manifests.Manifest, before: t.Any, restarts: bool, seconds: float) -> None:
        if restarts:
            self.done.append(read.component)

    def restart_kubelet(self, seconds: float) -> None:
        self.done.append("kubelet")


@pytest.fixture(autouse=True)
def no_kubeadm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "Renderer", FakeRenderer)


@pytest.fixture
def host(tmp_path: Path) -> Node:
    return Node(tmp_path)


class Stored:
    """The ConfigMaps of the host's cluster."""

    def __init__(self, host: Node) -> None:
        self.host = host

    def by_control_plane(self) -> stored.StoredConfiguration:
        return stored.StoredConfiguration(self.host.cluster, self.host.kubelet)

    by_worker = by_control_plane


def source(
    host: Node, *arguments: Json, role: str = "control_plane", check: bool = False, **more: t.Any
) -> settings.Settings:
    desired = settings.DesiredSettings(
        arguments=settings_plan.desired_arguments(arguments),
        kubelet=more.get("kubelet_configuration"),
        files=declared.desired_files(more.get("files", ())),
        replace_edits=more.get("replace_edits", False),
    )
    made = settings.Settings(t.cast("t.Any", host), role, desired, check)
    made.config_maps = t.cast("t.Any", Stored(host))
    return made


def plan(host: Node, *arguments: Json, **more: t.Any) -> Plan:
    return reconfigure_plan.plan_reconfiguration(source(host, *arguments, **more).observe())


def run(host: Node, *arguments: Json, **more: t.Any) -> list[str]:
    """What a run does; a second one has nothing left to do."""
    role = more.get("role", "control_plane")
    reconfiguration = reconfigure.Reconfiguration(t.cast("t.Any", host), role, 1, 1)
    reconfiguration.components = t.cast("t.Any", Components())
    member = converge.Member(source(host, *arguments, **more), reconfiguration)
    outcome = converge.converge(member, t.cast("t.Any", host), 1, 1, check_mode=False)
    # Two backups of one second and one process would have the same name.
    shutil.rmtree(Path(host.root) / transaction.STATE.lstrip("/"), ignore_errors=True)
    assert plan(host, *arguments, **more).names() == []
    return outcome.names()


def words(host: Node, component: str) -> tuple[str, ...]:
    return manifests.read(component, host.read(manifests.path_of(component))).command[1:]


PROFILING: Json = {"component": "kube-apiserver", "name": "profiling", "value": "false"}


# --- one argument ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "item", "after"),
    [
        ({}, {"value": "1"}, "1"),
        ({"x": "2"}, {"value": "1"}, "1"),
        ({"x": "2"}, {"value": "1", "keep": True}, "2"),
        ({}, {"value": "1", "keep": True}, "1"),
        ({"x": "2"}, {"absent": True}, None),
        ({}, {"absent": True}, None),
        ({"x": "a,b"}, {"add": ["c"]}, "a,b,c"),
        ({"x": "a,b"}, {"add": ["b"]}, "a,b"),
        ({"x": "a,b"}, {"remove": ["a"]}, "b"),
        ({"x": "a"}, {"remove": ["a"]}, None),
        ({"x": "a"}, {"add": ["b"], "remove": ["a"]}, "b"),
        ({}, {"remove": ["a"]}, None),
        ({"y": "1"}, {"value": "1", "unless": ["y"]}, None),
        ({"y": "1", "x": "1"}, {"value": "1", "unless": ["y"]}, "1"),
        ({"y": "1"}, {"add": ["a"], "unless": ["y"]}, None),
    ],
)
def test_argument(before: dict[str, str], item: Json, after: str | None) -> None:
    cluster = {"scheduler": {"extraArgs": [{"name": name, "value": value} for name, value in before.items()]}}
    present = {"kube-scheduler": manifests.read("kube-scheduler", manifest("kube-scheduler", cluster))}
    (request,) = settings_plan.desired_arguments([{"component": "kube-scheduler", "name": "x", **item}])
    made = settings_plan.plan_arguments(cluster, present, [request])
    found = {
        argument["name"]: argument["value"] for argument in made.cluster["scheduler"].get("extraArgs") or []
    }
    assert found.get("x") == after
    assert {name: value for name, value in found.items() if name != "x"} == {
        name: value for name, value in before.items() if name != "x"
    }
    blocked = "unless" in item and "x" not in before
    assert bool(made.skipped) is blocked


def test_arguments_of_one_list_come_together() -> None:
    present = {"kube-apiserver": manifests.read("kube-apiserver", manifest("kube-apiserver", {}))}
    items = [
        {"component": "kube-apiserver", "name": "enable-admission-plugins", "add": [word]}
        for word in ("A", "B")
    ]
    made = settings_plan.plan_arguments({}, present, settings_plan.desired_arguments(items))
    (argument,) = made.cluster["apiServer"]["extraArgs"]
    assert argument["value"] == "NodeRestriction,A,B"
    assert made.managed["kube-apiserver"]["enable-admission-plugins"] == {"A", "B"}


@pytest.mark.parametrize(
    "item",
    [{}, {"value": "1", "absent": True}, {"value": "1", "add": ["a"]}, {"value": "1", "name": "--x"}],
)
def test_ambiguous_arguments_are_refused(item: Json) -> None:
    with pytest.raises(KubeadmError, match="arguments"):
        settings_plan.desired_arguments([{"component": "etcd", "name": "x", **item}])


def test_missing_file_of_an_argument_is_refused(host: Node) -> None:
    with pytest.raises(KubeadmError, match=r"/etc/kubernetes/cis/audit-policy\.yaml"):
        source(host, {**PROFILING, "files": [POLICY]})


# --- a control plane ------------------------------------------------------------------------------------------------


def test_only_the_component_concerned_is_touched(host: Node) -> None:
    host.edit("kube-scheduler", "--bind-address=127.0.0.1", "--bind-address=192.0.2.11")
    others = {
        name: host.read(manifests.path_of(name)) for name in manifests.COMPONENTS if name != "kube-apiserver"
    }
    assert run(host, PROFILING) == ["kube-apiserver reconfigured", "ConfigMap kubeadm-config updated"]
    assert "--profiling=false" in words(host, "kube-apiserver")
    assert "--v=3" in words(host, "kube-apiserver")
    for name, text in others.items():
        assert host.read(manifests.path_of(name)) == text
    assert yaml.safe_load(host.cluster)["apiServer"]["extraArgs"] == [
        {"name": "v", "value": "3"},
        {"name": "profiling", "value": "false"},
    ]


def test_check_mode_changes_nothing_and_shows_all(host: Node) -> None:
    changes = plan(host, PROFILING, check=True)
    assert "+    - --profiling=false" in changes.diff()
    assert "ConfigMap kube-system/kubeadm-config" in changes.diff()
    assert "--profiling=false" not in words(host, "kube-apiserver")


def test_init_configuration_is_read_from_the_host(host: Node) -> None:
    host.write(
        manifests.path_of("kube-apiserver"),
        manifest("kube-apiserver", CLUSTER, endpoint={"advertiseAddress": "192.0.2.12"}),
    )
    own = source(host, PROFILING).observe().documents[0]
    assert own["localAPIEndpoint"] == {"advertiseAddress": "192.0.2.12", "bindPort": 6443}
    assert own["nodeRegistration"] == {"name": "node-1", "criSocket": "unix:///run/crio/crio.sock"}
    run(host, PROFILING)
    assert "--advertise-address=192.0.2.12" in words(host, "kube-apiserver")


AUDIT: tuple[Json, ...] = (
    {
        "component": "kube-apiserver",
        "name": "audit-policy-file",
        "value": POLICY,
        "keep": True,
        "volumes": [DIRECTORY],
        "files": [POLICY],
    },
    {"component": "kube-apiserver", "name": "audit-log-maxage", "value": "30"},
)
FILES = [{"path": POLICY, "content": "rules: []\n", "secret": False}]


def test_second_control_plane_is_changed_after_the_config_maps_are(tmp_path: Path) -> None:
    first = Node(tmp_path / "1")
    names = run(first, *AUDIT, files=FILES)
    assert names == [
        f"{POLICY} placed",
        "kube-apiserver reconfigured",
        "ConfigMap kubeadm-config updated",
    ]
    second = Node(tmp_path / "2")
    second.cluster = first.cluster
    assert run(second, *AUDIT, files=FILES) == names[:2]
    assert words(second, "kube-apiserver") == words(first, "kube-apiserver")


def test_digest_of_files_is_kept_and_joined(host: Node) -> None:
    path = manifests.path_of("kube-apiserver")
    host.write(path, manifest("kube-apiserver", CLUSTER, {manifests.DIGEST_ANNOTATION: "site"}))
    run(host, PROFILING)
    assert settings_plan.annotation(host.read(path)) == "site"
    run(host, *AUDIT, files=FILES)
    first = settings_plan.annotation(host.read(path))
    assert first is not None
    assert first.startswith("site+settings-")
    # Another policy: the API server reads it at its next start.
    assert run(host, *AUDIT, files=[{**FILES[0], "content": "rules: [x]\n"}]) == [
        f"{POLICY} replaced",
        "kube-apiserver reconfigured",
    ]
    assert settings_plan.annotation(host.read(path)) not in (first, "site")


def test_files_of_a_value_that_stays_are_not_placed(tmp_path: Path) -> None:
    own = {**CLUSTER, "apiServer": {"extraArgs": [{"name": "audit-policy-file", "value": "/etc/mine.yaml"}]}}
    host = Node(tmp_path, own)
    run(host, *AUDIT, files=FILES)
    assert "--audit-policy-file=/etc/mine.yaml" in words(host, "kube-apiserver")
    assert not (tmp_path / POLICY.lstrip("/")).exists()
    assert "extraVolumes" not in yaml.safe_load(host.cluster)["apiServer"]


# --- manual edits ---------------------------------------------------------------------------------------------------

HARDENED: Json = {
    **CLUSTER,
    "apiServer": {
        "extraArgs": [
            {"name": "profiling", "value": "false"},
            {"name": "enable-admission-plugins", "value": "NodeRestriction,Mine"},
        ]
    },
}
PLUGIN: Json = {"component": "kube-apiserver", "name": "enable-admission-plugins", "add": ["NodeRestriction"]}


@pytest.mark.parametrize(
    ("before", "after", "item"),
    [
        ("    - --profiling=false\n", "", PROFILING),
        ("--profiling=false", "--profiling=true", PROFILING),
        ("    - --profiling=false\n", "    - --profiling\n    - 'true'\n", PROFILING),
        ("plugins=NodeRestriction,Mine", "plugins=Mine", PLUGIN),
    ],
)
def test_edit_of_a_managed_argument_is_replaced(tmp_path: Path, before: str, after: str, item: Json) -> None:
    host = Node(tmp_path, HARDENED)
    made_by_kubeadm = host.read(manifests.path_of("kube-apiserver"))
    host.edit("kube-apiserver", before, after)
    assert run(host, item) == ["kube-apiserver reconfigured"]
    assert host.read(manifests.path_of("kube-apiserver")) == made_by_kubeadm


@pytest.mark.parametrize(
    ("before", "after", "item"),
    [
        ("    - --profiling=false\n", "", PLUGIN),
        ("    - --profiling=false\n", "    - --profiling=true\n    - --tracing=1\n", PROFILING),
        ("plugins=NodeRestriction,Mine", "plugins=Mine,Other", PLUGIN),
        ("kube-apiserver:v1.36.4", "kube-apiserver:v1.36.4-mine", PROFILING),
        ("volumes: []", "volumes: [{name: x, hostPath: {path: /x}}]", PROFILING),
    ],
)
def test_edit_of_anything_else_is_refused(tmp_path: Path, before: str, after: str, item: Json) -> None:
    host = Node(tmp_path, HARDENED)
    host.edit("kube-apiserver", before, after)
    edited = host.read(manifests.path_of("kube-apiserver"))
    with pytest.raises(KubeadmError) as caught:
        plan(host, item)
    message = str(caught.value)
    assert all(
        word in message for word in ("cp1", "kube-apiserver.yaml", "replace_edits", "Nothing was changed")
    )
    assert caught.value.context["edited"] == [manifests.path_of("kube-apiserver")]
    assert host.read(manifests.path_of("kube-apiserver")) == edited


def test_manifest_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    host = Node(tmp_path, HARDENED)
    host.edit("kube-scheduler", "kind: Pod", "kind: [")
    with pytest.raises(KubeadmError, match=r"kube-scheduler\.yaml is not"):
        plan(host, {"component": "kube-scheduler", "name": "profiling", "value": "false"})
    host.edit("kube-apiserver", "kind: Pod", "kind: [")
    with pytest.raises(KubeadmError, match=r"kube-apiserver\.yaml cannot be read"):
        plan(host, PROFILING)


def test_edit_is_replaced_on_request(tmp_path: Path) -> None:
    host = Node(tmp_path, HARDENED)
    host.edit("kube-apiserver", "    - --profiling=false\n", "    - --tracing=1\n")
    assert run(host, PROFILING, replace_edits=True) == ["kube-apiserver reconfigured"]
    assert "--tracing=1" not in words(host, "kube-apiserver")


def test_comments_and_layout_are_kept(host: Node) -> None:
    run(host, PROFILING)
    path = manifests.path_of("kube-apiserver")
    host.write(path, "# mine\n" + host.read(path))
    assert plan(host, PROFILING).names() == []


def test_edit_of_another_component_is_kept(host: Node) -> None:
    host.edit("kube-controller-manager", "--bind-address", "--mine=1\n    - --bind-address")
    assert run(host, PROFILING)[0] == "kube-apiserver reconfigured"
    assert "--mine=1" in words(host, "kube-controller-manager")


# --- kubelet --------------------------------------------------------------------------------------------------------

PIDS = {"podPidsLimit": 4096}


def test_kubelet_of_a_control_plane_and_its_config_map(host: Node) -> None:
    assert run(host, kubelet_configuration=PIDS) == [
        "kubelet reconfigured",
        "ConfigMap kubelet-config updated",
    ]
    found = yaml.safe_load(host.read("/var/lib/kubelet/config.yaml"))
    assert found == {**KUBELET, **PIDS} == yaml.safe_load(host.kubelet)


def test_worker_follows_what_a_control_plane_stored(host: Node) -> None:
    with pytest.raises(KubeadmError, match="control plane first"):
        plan(host, kubelet_configuration=PIDS, role="worker")
    checked = plan(host, kubelet_configuration=PIDS, role="worker", check=True)
    assert "+podPidsLimit: 4096" in checked.diff()
    host.kubelet = yaml.safe_dump({**KUBELET, **PIDS})
    assert run(host, kubelet_configuration=PIDS, role="worker") == ["kubelet reconfigured"]


def test_arguments_are_ignored_on_workers(host: Node) -> None:
    assert run(host, *AUDIT, files=FILES, role="worker") == []


@pytest.mark.parametrize(
    ("edit", "refused"),
    [
        ({"podPidsLimit": 10}, False),
        ({"maxPods": 10}, True),
        ({"authentication": {"webhook": {"enabled": True}}}, True),
    ],
)
def test_edit_of_the_kubelet(host: Node, edit: Json, refused: bool) -> None:
    host.write("/var/lib/kubelet/config.yaml", yaml.safe_dump({**KUBELET, **edit}))
    if not refused:
        assert run(host, kubelet_configuration=PIDS)[0] == "kubelet reconfigured"
        return
    with pytest.raises(KubeadmError, match=r"config\.yaml is not"):
        plan(host, kubelet_configuration=PIDS)
    assert run(host, kubelet_configuration=PIDS, replace_edits=True)[0] == "kubelet reconfigured"


@pytest.mark.parametrize(
    ("present", "over", "merged"),
    [
        ({}, {"a": {"b": None}}, {}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}),
        ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
        ({"a": [1]}, {"a": [2]}, {"a": [2]}),
    ],
)
def test_kubelet_fields_are_merged_and_removed(present: Json, over: Json, merged: Json) -> None:
    assert settings_plan.merge_kubelet(present, over) == merged


# --- refused clusters -----------------------------------------------------------------------------------------------


def test_cluster_that_does_not_answer_or_has_no_config_maps_is_refused(host: Node) -> None:
    made = source(host, PROFILING)
    answer = stored.StoredConfiguration(unreachable="cp1: the API server does not answer.")
    made.config_maps = t.cast("t.Any", types.SimpleNamespace(by_control_plane=lambda: answer))
    with pytest.raises(KubeadmError, match="does not answer"):
        made.observe()
    answer = stored.StoredConfiguration()
    with pytest.raises(KubeadmError, match="kubeadm-config"):
        made.observe()


def test_old_api_version_is_refused(tmp_path: Path) -> None:
    host = Node(tmp_path, {**CLUSTER, "apiVersion": "kubeadm.k8s.io/v1beta3"})
    with pytest.raises(KubeadmError, match="v1beta3"):
        plan(host, PROFILING)
