# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module kubelet_csr, run as Ansible runs it, over a fake cluster."""

from __future__ import annotations

import datetime
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._csr import cluster, plan, serving
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api as Client

from tests.unit.plugins.csr import fakes
from tests.unit.plugins.csr.fakes import Api, Kubelet, csr, node
from tests.unit.support.certificates import authority, issue, name
from tests.unit.support.modules import RunModule
from tests.unit.support.servers import refused

NODES = {"w1": {"addresses": ["192.0.2.21"]}, "w2": {"addresses": ["192.0.2.22"]}}


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@pytest.fixture
def api() -> t.Iterator[Api]:
    running = Api()
    running.nodes = {
        "w1": node("w1"),
        "w2": node("w2", ("InternalIP", "192.0.2.22"), ("Hostname", "w2")),
    }
    yield running
    running.close()


@pytest.fixture
def kubelet() -> t.Iterator[Kubelet]:
    running = Kubelet()
    yield running
    running.close()


class Run(t.Protocol):
    def __call__(self, *, check: bool = False, **args: t.Any) -> dict[str, t.Any]: ...


@pytest.fixture
def run(api: Api, tmp_path: Path, run_module: RunModule) -> Run:
    path = api.kubeconfig(tmp_path / "admin.conf", "kubernetes-admin")

    def call(*, check: bool = False, **args: t.Any) -> dict[str, t.Any]:
        return run_module("kubelet_csr", {"nodes": NODES, "kubeconfig": path, **args}, check=check)

    return call


def test_approves_what_matches_and_returns_reasons_for_the_rest(api: Api, run: Run) -> None:
    thief = csr("w2", ["w2", "192.0.2.21"], made=now())
    stranger = csr("w3", ["w3"], made=now())
    other = csr(
        "w1", made=now(), object_name="csr-client", signerName="kubernetes.io/kube-apiserver-client-kubelet"
    )
    old = csr("w1", made=now() - datetime.timedelta(hours=3), object_name="csr-old")
    api.add(csr("w1", made=now()), thief, stranger, other, old)
    result = run()
    assert result["rc"] == 0 and result["changed"]
    assert result["approved"] == [{"request": "csr-w1", "node": "w1", "names": ["w1", "192.0.2.21"]}]
    assert {one["request"]: one["codes"] for one in result["refused"]} == {
        "csr-w2": ["address-not-in-inventory", "address-not-in-object"],
        "csr-w3": ["not-in-inventory"],
    }
    assert [one["request"] for one in result["ignored"]] == ["csr-old"]
    assert result["diff"] == {
        "before": "csr-w1 of w1 (w1, 192.0.2.21): Pending\n",
        "after": "csr-w1 of w1 (w1, 192.0.2.21): Approved\n",
    }
    assert len(result["warnings"]) == 2 and "192.0.2.21" in str(result["warnings"][0])
    assert "serving" not in result
    [condition] = api.csrs["csr-w1"]["status"]["conditions"]
    assert condition["status"] == "True" and condition["reason"] == "NodeMatchesInventory"
    assert not any(api.conditions(name) for name in ("csr-w2", "csr-w3", "csr-client", "csr-old"))
    again = run()
    assert not again["changed"] and again["approved"] == [] and again["diff"] == {"before": "", "after": ""}


def test_check_mode_returns_the_same_and_changes_nothing(api: Api, run: Run) -> None:
    api.add(csr("w1", made=now()), csr("w2", ["w9"], made=now()))
    told = run(check=True, deny=True, wait=True, timeout=0)
    assert told["changed"] and told["rc"] == 0
    assert all(request.method == "GET" for request in api.requests)
    done = run(deny=True)
    assert {key: told[key] for key in ("approved", "refused", "diff")} == {
        key: done[key] for key in ("approved", "refused", "diff")
    }
    assert api.conditions("csr-w1") == ["Approved"]


def test_denies_when_told_to(api: Api, run: Run) -> None:
    api.add(csr("w2", ["w9"], made=now()))
    result = run(deny=True)
    assert result["changed"] and result["refused"][0]["denied"]
    assert api.conditions("csr-w2") == ["Denied"]
    assert "'w9'" in api.csrs["csr-w2"]["status"]["conditions"][0]["message"]
    assert not run(deny=True)["changed"]


def test_many_pages(api: Api, run: Run) -> None:
    api.page = 3
    made = (f"w{number}" for number in range(11, 19))
    listed = {own: {"addresses": [f"192.0.2.{own[1:]}"]} for own in made}
    for own, entry in listed.items():
        api.nodes[own] = node(own, ("InternalIP", entry["addresses"][0]))
        api.add(csr(own, entry["addresses"], made=now()))
    result = run(nodes=listed)
    assert [one["node"] for one in result["approved"]] == list(listed)
    assert sum("limit=" in target for target in api.targets) == 3


def test_warnings_are_limited(api: Api, run: Run) -> None:
    api.add(*(csr(f"x{number:02}", made=now()) for number in range(30)))
    result = run()
    assert len(result["refused"]) == 30 and len(result["warnings"]) == 10


def test_of_each_node_the_newest_requests_are_evaluated(api: Api, run: Run) -> None:
    """Nobody, with the identity of one node, keeps those of the others waiting."""
    api.add(*(csr("w1", ["w9"], made=now(), object_name=f"csr-{number:03}") for number in range(200)))
    api.add(csr("w2", ["w2"], made=now(), object_name="csr-999"))
    result = run()
    assert [one["request"] for one in result["refused"]] == ["csr-196", "csr-197", "csr-198", "csr-199"]
    assert [one["request"] for one in result["approved"]] == ["csr-999"]


def test_one_approval_that_fails_does_not_keep_the_others(api: Api, run: Run) -> None:
    api.add(csr("w1", made=now()), csr("w2", ["w2"], made=now()))
    api.answers["PUT", f"{fakes.REQUESTS}/csr-w1/approval"] = refused(422, "no such condition")
    result = run()
    assert [one["request"] for one in result["approved"]] == ["csr-w2"]
    assert [one["codes"] for one in result["refused"]] == [["answer-422"]]


def test_another_control_plane_was_faster(api: Api, run: Run) -> None:
    def approve(own: str) -> None:
        if api.conditions(own) == []:
            api.csrs[own]["status"]["conditions"] = [{"type": "Approved", "status": "True"}]
            api.touch(own)

    api.before_change = approve
    api.add(csr("w1", made=now()))
    result = run()
    assert result["rc"] == 0 and not result["changed"] and result["approved"] == []
    assert api.conditions("csr-w1") == ["Approved"]


def test_a_harmless_change_in_between(api: Api, run: Run) -> None:
    """Somebody else's note on the object makes the first try fail, not the approval."""
    noted: list[str] = []

    def note(own: str) -> None:
        if not noted:
            noted.append(own)
            api.touch(own)

    api.before_change = note
    api.add(csr("w1", made=now()))
    assert run()["changed"]
    assert api.conditions("csr-w1") == ["Approved"]


def test_deleted_in_between(api: Api, run: Run) -> None:
    api.before_change = lambda own: api.csrs.clear()
    api.add(csr("w1", made=now()))
    result = run()
    assert result["rc"] == 0 and not result["changed"]


def test_node_changed_between_list_and_approval(api: Api, tmp_path: Path) -> None:
    """What is written is decided on what is there then, not on what was listed."""
    client = Client(kubeconfig=api.kubeconfig(tmp_path / "k"))
    requests = cluster.Requests(client, plan.parse_allowed(NODES))
    api.add(csr("w1", made=now()))
    [(listed, decision)] = requests.pending()
    assert decision.verdict == plan.APPROVE
    api.nodes["w1"]["status"]["addresses"] = []
    assert requests.approve(listed).verdict == plan.REFUSE
    assert api.conditions("csr-w1") == []


def test_endless_changes(api: Api, run: Run) -> None:
    api.before_change = lambda own: api.touch(own)
    api.add(csr("w1", made=now()))
    result = run()
    assert result["rc"] == 0 and not result["changed"]


def test_waits_until_the_certificate_is_served(api: Api, kubelet: Kubelet, run: Run) -> None:
    api.nodes["w1"] = node("w1", ("InternalIP", "127.0.0.1"), ("ExternalIP", "192.0.2.21"), port=kubelet.port)
    api.signed = lambda _own, certificate: kubelet.serve(certificate)

    def ask() -> None:
        time.sleep(1.0)
        api.add(csr("w1", key=kubelet.key, made=now()))

    threading.Thread(target=ask, daemon=True).start()
    result = run(wait=True, wait_for=["w1"], timeout=20)
    assert result["rc"] == 0, result
    assert result["changed"] and len(result["approved"]) == 1
    served = result["serving"]["w1"]
    assert (served["state"], served["issuer"], served["address"]) == ("issued", "kubernetes", "127.0.0.1")
    assert served["not_after"].endswith("Z")
    again = run(wait=True, wait_for=["w1"], timeout=20)
    assert not again["changed"] and again["serving"]["w1"]["state"] == "issued"


def test_timeout_names_the_reasons(api: Api, kubelet: Kubelet, run: Run) -> None:
    api.nodes["w1"] = node("w1", ("InternalIP", "127.0.0.1"), port=kubelet.port)
    del api.nodes["w2"]
    kubelet.serve(issue("w1@1", issuer=authority("w1-ca@1"), names=["127.0.0.1"]))
    api.add(csr("w1", ["w1", "192.0.2.22"], made=now()))
    result = run(wait=True, timeout=1)
    assert result["failed"]
    for words in (
        "2 of 2 nodes",
        "'w1-ca@1'",
        "csr-w1 is refused",
        "192.0.2.22",
        "no such node",
        "serverTLSBootstrap",
    ):
        assert words in result["msg"], words
    assert result["refused"][0]["request"] == "csr-w1"
    assert result["changed"] is False


def test_timeout_returns_what_was_approved(api: Api, run: Run) -> None:
    api.add(csr("w1", made=now()))
    result = run(wait=True, wait_for=["w2"], timeout=0)
    assert result["failed"] and result["changed"]
    assert result["approved"][0]["node"] == "w1"


def test_check_mode_looks_once(api: Api, kubelet: Kubelet, run: Run) -> None:
    api.nodes["w1"] = node("w1", ("InternalIP", "127.0.0.1"), port=kubelet.port)
    api.nodes["w2"] = node("w2", ("Hostname", "w2"))
    result = run(check=True, wait=True)
    assert result["rc"] == 0 and not result["changed"]
    assert result["serving"]["w1"]["state"] == "none"
    assert result["serving"]["w2"]["message"] == "its Node object has no address yet"


def look(api: Api, kubelet: Kubelet, own: str = "w1") -> serving.Served:
    return serving.look(own, "127.0.0.1", kubelet.port, api.authority.pem, 2)


def test_what_a_kubelet_serves(api: Api, kubelet: Kubelet) -> None:
    subject = name("system:node:w1", ["system:nodes"])
    assert look(api, kubelet).state == "none"
    kubelet.serve(issue(subject, issuer=api.authority, names=["127.0.0.1"]))
    assert look(api, kubelet).state == "issued"
    assert look(api, kubelet, "w2").state == "other", "the certificate of another node"
    kubelet.serve(issue(subject, issuer=api.authority, names=["192.0.2.21"]))
    assert look(api, kubelet).state == "other", "not for the address that is dialed"
    kubelet.serve(issue(subject, issuer=authority(), names=["127.0.0.1"]))
    impostor = look(api, kubelet)
    assert impostor.state == "other" and "'kubernetes'" in impostor.text, "the same name, another key"
    ended = now() - datetime.timedelta(days=1)
    kubelet.serve(issue(subject, issuer=api.authority, names=["127.0.0.1"], end=ended))
    expired = look(api, kubelet)
    assert expired.state == "other" and "expired" in expired.text
    nobody = serving.look("w1", "127.0.0.1", 1, api.authority.pem, 2)
    assert nobody.state == "unreachable" and "port 1" in nobody.text


def test_endpoint_of_a_node() -> None:
    assert serving.endpoint({}) == ("", 10250)
    both = node(
        "w1", ("Hostname", "w1"), ("ExternalIP", "192.0.2.99"), ("InternalIP", "192.0.2.21"), port=10255
    )
    assert serving.endpoint(both) == ("192.0.2.21", 10255)
    assert serving.endpoint(node("w1", ("Hostname", "w1"), ("ExternalIP", "192.0.2.99"))) == (
        "192.0.2.99",
        10250,
    )


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"nodes": {"w1": {"addresses": ["x"]}}}, "no IP address"),
        ({"nodes": {"W1": {}}}, "lower case"),
        ({"wait_for": ["w9"]}, "wait_for names w9"),
        ({"kubeconfig": "/nonexistent"}, "cannot be read"),
        ({"kubeconfig": "/etc/hostname"}, "no usable kubeconfig"),
    ],
)
def test_bad_input(run: Run, args: dict[str, t.Any], says: str) -> None:
    result = run(**args)
    assert result["failed"] and says in result["msg"]


def test_missing_permission_is_named(api: Api, run: Run) -> None:
    told = 'certificatesigningrequests is forbidden: User "x" cannot list resource'
    api.answers["GET", fakes.REQUESTS] = refused(403, told)
    result = run()
    assert result["failed"] and told in result["msg"] and "permission" in result["msg"]


def test_approval_that_admission_refuses(api: Api, run: Run) -> None:
    api.add(csr("w1", made=now()))
    api.answers["PUT", f"{fakes.REQUESTS}/csr-w1/approval"] = refused(
        403,
        'user not permitted to approve signer "x"',
    )
    result = run()
    assert result["failed"] and "not permitted to approve" in result["msg"]


def test_dead_server(api: Api, tmp_path: Path, run_module: RunModule) -> None:
    path = api.kubeconfig(tmp_path / "dead.conf", port=1)
    result = run_module("kubelet_csr", {"nodes": NODES, "kubeconfig": path})
    assert result["failed"] and "does not answer" in result["msg"]
    started = time.monotonic()
    result = run_module("kubelet_csr", {"nodes": NODES, "kubeconfig": path, "wait": True, "timeout": 3})
    assert result["failed"] and "does not answer" in result["msg"]
    assert time.monotonic() - started > 1, "it comes back within a moment, usually"


def test_expired_credentials(api: Api, tmp_path: Path, run_module: RunModule) -> None:
    path = api.kubeconfig(tmp_path / "old.conf", days=-1)
    result = run_module("kubelet_csr", {"nodes": NODES, "kubeconfig": path})
    assert result["failed"] and "does not answer" in result["msg"]
