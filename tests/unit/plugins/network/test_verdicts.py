# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the baseline would deny, from what agents of Cilium 1.19 print."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.execute import Executed
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import verdicts, watch
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network.verdicts import (
    Flow,
    Pod,
    Seen,
    Verdict,
)

#: Lines as the agents of the lab have printed them.
MONITOR = """\
time=2026-11-30T01:27:27.35Z level=info msg="Initializing dissection cache..."
>> Endpoint created: {"id":198,"pod-name":"api","namespace":"till"}
>> IPCache entry upserted: {"cidr":"10.244.1.82/32","id":1740,"host-ip":"192.0.2.12","encrypt-key":0,"namespace":"till","pod-name":"api"}
>> IPCache entry upserted: {"cidr":"10.244.2.48/32","id":56348,"host-ip":"192.0.2.11","encrypt-key":0,"namespace":"shop","pod-name":"web"}
>> IPCache entry upserted: {"cidr":"192.0.2.1/32","id":16777217,"encrypt-key":0}
Policy verdict log: flow 0x9f361a58 local EP ID 198, remote ID 1, proto 6, ingress, action allow, auth: disabled, match L3-Only, 10.244.1.42:33028 -> 10.244.1.82:8080 tcp SYN
Policy verdict log: flow 0xe361e8be local EP ID 198, remote ID 56348, proto 6, ingress, action allow, auth: disabled, match all, 10.244.2.48:39988 -> 10.244.1.82:9090 tcp SYN
Policy verdict log: flow 0xb34c787c local EP ID 198, remote ID 56348, proto 6, ingress, action allow, auth: disabled, match L3-L4, 10.244.2.48:49112 -> 10.244.1.82:8080 tcp SYN
Policy verdict log: flow 0xa5ad9f16 local EP ID 198, remote ID 2759, proto 17, egress, action allow, auth: disabled, match all, 10.244.1.82:33615 -> 10.244.0.110:8080 udp
Policy verdict log: flow 0xbbdc847 local EP ID 198, remote ID 6, proto 6, ingress, action deny, auth: disabled, match none, 10.244.0.35:52312 -> 10.244.1.82:8080 tcp SYN
Policy verdict log: flow 0xbbdc848 local EP ID 198, remote ID 2, proto 1, egress, action allow, auth: disabled, match all, 10.244.1.82 -> 198.51.100.7 icmp EchoRequest
CPU 01: Lost 3 events
"""  # noqa: E501
BOTH = frozenset({"ingress", "egress"})
NODE = "192.0.2.12"


def endpoint(number: int, policy: dict[str, list[str]], pod: bool = True) -> dict[str, t.Any]:
    """An endpoint as C(cilium-dbg endpoint list) has it.

    :param policy: markers of its rules by direction.
    """
    rules = {
        way: [{"rule": "{}", "derived-from-rules": [[marker]]} for marker in found]
        for way, found in policy.items()
    }
    labels = ["k8s:app=web", "k8s:io.kubernetes.pod.namespace=shop"] if pod else ["reserved:health"]
    return {"id": number, "status": {"identity": {"labels": labels}, "policy": {"realized": {"l4": rules}}}}


ALLOW_ANY = "reserved:io.cilium.policy.derived-from=allow-any-egress"
KUBERNETES = "k8s:io.cilium.k8s.policy.name=baseline-kubernetes"
LISTED = json.dumps(
    [
        endpoint(34, {}, pod=False),
        endpoint(198, {"ingress": [KUBERNETES], "egress": [ALLOW_ANY]}),
    ]
)


def test_verdicts_of_a_monitor() -> None:
    found, lost = verdicts.read_verdicts(MONITOR, "w2")
    assert lost == 3
    assert [one.match for one in found] == ["L3-Only", "all", "L3-L4", "all", "none", "all"]
    assert found[1] == Verdict(
        198, 56348, "ingress", "allow", "all", "10.244.2.48", "10.244.1.82", 9090, "TCP"
    )
    assert found[-1] == Verdict(198, 2, "egress", "allow", "all", "10.244.1.82", "198.51.100.7", 0, "ICMP")


def test_address_of_ipv6() -> None:
    line = "Policy verdict log: flow 0x1 local EP ID 1, remote ID 2, proto 6, egress, action allow, auth: disabled, match all, [fd00::1]:5 -> [2001:db8::7]:443 tcp SYN"  # noqa: E501
    ((found,), _lost) = verdicts.read_verdicts(line, "w2")
    assert (found.source, found.target, found.port) == ("fd00::1", "2001:db8::7", 443)


def test_verdicts_of_another_version_are_refused() -> None:
    with pytest.raises(OperatorError, match="cannot be read, such as 'Policy verdict: new words'"):
        verdicts.read_verdicts("Policy verdict: new words\n", "w2")


def test_pods_that_start_meanwhile() -> None:
    assert verdicts.read_started(MONITOR, NODE) == (
        Pod("till", "api", NODE, 198, 1740, ("10.244.1.82",)),
        Pod("shop", "web", "192.0.2.11", 0, 56348, ("10.244.2.48",)),
    )


def test_directions_in_which_everything_is_allowed() -> None:
    assert verdicts.read_open_ended(LISTED) == {34: frozenset(), 198: frozenset({"egress"})}


def test_policies_are_there_when_all_pods_have_them() -> None:
    assert verdicts.realized(LISTED, "baseline-kubernetes")
    assert not verdicts.realized(LISTED, "baseline")
    assert not verdicts.realized(json.dumps([endpoint(1, {"egress": [ALLOW_ANY]})]), "baseline-kubernetes")
    assert verdicts.realized(json.dumps([endpoint(1, {}, pod=False)]), "baseline-kubernetes")


def counter(number: str, direction: int, packets: int, **key: int) -> dict[str, t.Any]:
    shown = {"Identity": 0, "TrafficDirection": direction, "Nexthdr": 0, "DestPortNetwork": 0, **key}
    return {"EndpointID": number, "Content": [{"Packets": packets, "Key": shown}]}


def test_packets_are_counted_of_the_rule_for_everything_alone() -> None:
    maps = [
        counter("198", 1, 7),
        counter("198", 0, 18446744073709551615),
        counter("34", 0, 5, Identity=1),
        counter("34", 0, 5, Nexthdr=6, DestPortNetwork=53),
        counter("34", 0, 3),
    ]
    assert verdicts.read_counters(json.dumps(maps)) == {(198, "egress"): 7, (34, "ingress"): 3}


def test_packets_to_a_node_are_counted_of_what_all_of_a_protocol_may() -> None:
    maps = [
        counter("7", 0, 5, Nexthdr=6),
        counter("7", 0, 2, Nexthdr=17),
        counter("7", 0, 1),
        counter("7", 0, 9, Nexthdr=6, DestPortNetwork=22),
        counter("7", 0, 9, Nexthdr=6, Identity=2),
        counter("34", 0, 5, Nexthdr=6),
    ]
    assert verdicts.read_counters(json.dumps(maps), host=7) == {(7, "ingress"): 8}


def test_output_that_is_no_json_is_named() -> None:
    with pytest.raises(OperatorError, match="says of its endpoints is no JSON: 'Error"):
        verdicts.read_open_ended("Error: connection refused")


def seen(*found: Verdict, open_ended: frozenset[str] = BOTH, **more: t.Any) -> Seen:
    return Seen(NODE, found, open_ended={198: open_ended}, **more)


API = Pod("till", "api-1", NODE, 198, 1740, ("10.244.1.82",))
WEB = Pod("shop", "web-1", "192.0.2.11", 44, 56348, ("10.244.2.48",))
PODS = [API, WEB]
FROM_WEB = Verdict(198, 56348, "ingress", "allow", "all", "10.244.2.48", "10.244.1.82", 9090, "TCP")


def to(identity: int, address: str) -> Verdict:
    return Verdict(198, identity, "egress", "allow", "all", "10.244.1.82", address, 443, "TCP")


def flow(peer: str, direction: str = "egress", port: int = 443, count: int = 1) -> Flow:
    return Flow("till", direction, ("api-1",), peer, port, "TCP", count)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (seen(FROM_WEB), [flow("pod shop/web-1", "ingress", 9090)]),
        (seen(FROM_WEB, FROM_WEB), [flow("pod shop/web-1", "ingress", 9090, 2)]),
        (seen(to(1, NODE)), [flow("the node of the pod")]),
        (seen(to(6, "192.0.2.11")), [flow("another node")]),
        (seen(to(7, "192.0.2.10")), [flow("a control plane")]),
        (seen(to(2, "198.51.100.7")), [flow("198.51.100.7 outside the cluster")]),
        (seen(to(16777217, "198.51.100.7")), [flow("198.51.100.7 outside the cluster")]),
        # two addresses are two lines, where each needs an opening
        (
            seen(to(2, "198.51.100.7"), to(2, "198.51.100.8")),
            [flow("198.51.100.7 outside the cluster"), flow("198.51.100.8 outside the cluster")],
        ),
        # a pod that has ended, whose identity is known
        (seen(to(99, "10.244.2.99")), [flow("a pod of namespace batch")]),
        # a rule of a policy has allowed it
        (seen(Verdict(198, 2, "egress", "allow", "L3-L4", "", "198.51.100.7", 443, "TCP")), []),
        # a policy that the cluster has denies it already
        (seen(Verdict(198, 2, "egress", "deny", "none", "", "198.51.100.7", 443, "TCP")), []),
        # a policy of the namespace allows everything
        (seen(to(2, "198.51.100.7"), open_ended=frozenset({"ingress"})), []),
        # no pod
        (Seen(NODE, (Verdict(7, 2, "egress", "allow", "all", "", "198.51.100.7", 443, "TCP"),)), []),
        # connections that were open before
        (
            seen(
                before={(198, "egress"): 5, (198, "ingress"): 2},
                after={(198, "egress"): 6, (198, "ingress"): 2},
            ),
            [Flow("till", "egress", ("api-1",), "", 0, "", 0)],
        ),
        (seen(to(1, NODE), after={(198, "egress"): 6}), [flow("the node of the pod")]),
        (seen(open_ended=frozenset(), after={(198, "egress"): 6}), []),
    ],
)
def test_flows_that_would_be_denied(found: Seen, expected: list[Flow]) -> None:
    assert verdicts.flows([found], PODS, {99: "batch"}) == expected


def test_pods_with_the_same_labels_are_one_line() -> None:
    second = Pod("till", "api-2", NODE, 199, 1740)
    found = Seen(
        NODE,
        (to(1, NODE), Verdict(199, 1, "egress", "allow", "all", "", NODE, 443, "TCP")),
        open_ended={198: BOTH, 199: BOTH},
    )
    (only,) = verdicts.flows([found], [*PODS, second], {})
    assert only.pods == ("api-1", "api-2")
    assert only.line() == "egress from api-1, api-2 to the node of the pod 443/TCP: 2 connections"


def test_pod_that_has_started_and_ended_meanwhile() -> None:
    text_pods = verdicts.read_started(MONITOR, NODE)
    found, _lost = verdicts.read_verdicts(MONITOR, NODE)
    flows = verdicts.flows([Seen(NODE, found, started=text_pods)], [], {})
    assert [(one.namespace, one.direction, one.peer, one.port) for one in flows] == [
        ("till", "egress", "10.244.0.110 outside the cluster", 8080),
        ("till", "egress", "198.51.100.7 outside the cluster", 0),
        ("till", "ingress", "pod shop/web", 9090),
    ]


def test_report_for_people() -> None:
    flows = [
        flow("pod shop/web-1", "ingress", 9090, 2),
        Flow("till", "egress", tuple(f"api-{number}" for number in range(5)), "", 0, "", 0),
        Flow("till", "egress", ("api-1",), "198.51.100.7 outside the cluster", 0, "ICMP", 1),
    ]
    assert verdicts.lines(flows, 30, 3) == [
        "watched for 30 seconds",
        "3 events were lost, as there were too many: what they were is not in the report",
        "namespace till, would be denied:",
        "  ingress to api-1 9090/TCP from pod shop/web-1: 2 connections",
        "  egress of api-0, api-1, api-2 and 2 more: packets of connections that were open before",
        "  egress from api-1 to 198.51.100.7 outside the cluster ICMP: 1 connection",
    ]
    assert verdicts.lines([], 30, 0) == ["watched for 30 seconds", "nothing that was seen would be denied"]


class Agent:
    """Answers as an agent of Cilium would in its pod."""

    def __init__(self, listings: list[str], code: int = 124) -> None:
        self.listings, self.code = listings, code
        self.packets = 0
        self.ran: list[str] = []

    def __call__(
        self, namespace: str, pod: str, argv: t.Sequence[str], seconds: float, container: str
    ) -> Executed:
        assert (namespace, pod, container) == ("kube-system", "cilium-x", "cilium-agent")
        self.ran.append(" ".join(argv))
        if "list" in argv:
            return Executed(0, self.listings.pop(0) if len(self.listings) > 1 else self.listings[0], "")
        if "bpf" in argv:
            self.packets += 1
            return Executed(0, json.dumps([counter("198", 1, self.packets)]), "")
        return Executed(self.code, MONITOR, "no such socket" if self.code == 1 else "")


def test_agent_is_watched_when_it_has_the_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_POLL", 0)
    agent = Agent([json.dumps([endpoint(198, {})]), LISTED])
    found = watch.watch(agent, watch.Agent("cilium-x", "w2", NODE), 5)
    assert agent.ran[:3] == ["cilium-dbg endpoint list -o json"] * 2 + [
        "cilium-dbg bpf policy get --all -n -o json"
    ]
    assert agent.ran[3] == "timeout 5 cilium-dbg monitor -t policy-verdict -t agent -n"
    assert (found.before, found.after) == ({(198, "egress"): 1}, {(198, "egress"): 2})
    assert found.open_ended[198] == {"egress"}
    assert (len(found.verdicts), found.lost, len(found.started)) == (6, 3, 2)


def test_agent_that_cannot_watch_is_named() -> None:
    with pytest.raises(OperatorError, match="failed on w2 with exit code 1: no such socket"):
        watch.watch(Agent([LISTED], code=1), watch.Agent("cilium-x", "w2", NODE), 5)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (None, "off"),
        ({"specs": [{"enableDefaultDeny": {"ingress": False, "egress": False}}]}, "report"),
        ({"specs": [{"enableDefaultDeny": {"ingress": True, "egress": True}}]}, "enforce"),
    ],
)
def test_mode_of_the_cluster(stored: dict[str, t.Any] | None, expected: str) -> None:
    class Api:
        def get(self, path: str) -> dict[str, t.Any] | None:
            assert path.endswith("/ciliumclusterwidenetworkpolicies/baseline")
            return stored

    assert watch.mode(t.cast(Client, Api())) == expected


# --- nodes themselves -------------------------------------------------------------------------------------------------


def host(number: int, *markers: str) -> dict[str, t.Any]:
    """The endpoint that stands for a node."""
    rules = {"ingress": [{"derived-from-rules": [[marker]]} for marker in markers]}
    return {"id": number, "status": {"identity": {"id": 1}, "policy": {"realized": {"l4": rules}}}}


def test_endpoint_of_the_node() -> None:
    listed = json.dumps([endpoint(198, {}), host(7, "k8s:io.cilium.k8s.policy.name=host-nodes")])
    assert verdicts.read_host(listed) == 7
    assert verdicts.realized_on_host(listed, "host-nodes")
    assert not verdicts.realized_on_host(listed, "host-ssh")
    assert verdicts.read_host(LISTED) == 0
    assert not verdicts.realized_on_host(LISTED, "host-nodes")


def arrived(identity: int, address: str, port: int = 9100, match: str = "Proto-Only") -> Verdict:
    return Verdict(7, identity, "ingress", "allow", match, address, NODE, port, "TCP")


@pytest.mark.parametrize(
    ("found", "peer"),
    [
        (arrived(16777220, "198.51.100.9"), "198.51.100.9 outside the cluster"),
        (arrived(33554433, "192.0.2.11"), "node 192.0.2.11"),
        (arrived(6, "192.0.2.11"), "another node"),
        (arrived(300, "10.244.1.7"), "pod shop/web"),
        (arrived(300, "10.244.9.9"), "a pod of namespace shop"),
        (arrived(300, "10.244.1.7", match="L3-L4"), None),
        (arrived(300, "10.244.1.7", match="L3-Proto"), None),
    ],
)
def test_connections_to_nodes_that_would_be_denied(found: Verdict, peer: str | None) -> None:
    pods = [Pod("shop", "web", "192.0.2.11", 12, 300, ("10.244.1.7",)), Pod("shop", "db", NODE, 12, 301)]
    own = Verdict(12, 300, "ingress", "allow", "all", "10.244.1.7", "10.244.2.9", 80, "TCP")
    agent = Seen(NODE, (found, own), open_ended={7: frozenset({"ingress"}), 12: BOTH}, host=7)
    expected = [] if peer is None else [Flow("", "ingress", ("w2",), peer, 9100, "TCP", 1)]
    assert verdicts.host_flows([agent], {NODE: "w2"}, pods, {}) == expected, (
        "those of pods are not the question"
    )


def test_other_packets_to_nodes_are_told() -> None:
    agent = Seen(
        NODE, (), open_ended={7: BOTH}, before={(7, "ingress"): 1}, after={(7, "ingress"): 2}, host=7
    )
    (flow,) = verdicts.host_flows([agent], {NODE: "w2"}, [], {})
    assert flow.line() == (
        "ingress of w2: packets of connections that were open before, or of other protocols than TCP and UDP"
    )


def test_report_of_nodes_for_people() -> None:
    found = [Flow("", "ingress", ("w1", "w2"), "node 192.0.2.11", 9100, "TCP", 2)]
    assert verdicts.lines(found, 30, 0)[1:] == [
        "nodes, would be denied:",
        "  ingress to w1, w2 9100/TCP from node 192.0.2.11: 2 connections",
    ]
