# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The five dashboards: few panels, each of which answers a question."""

from __future__ import annotations

from tests.dashboards.model import ANY_IS_BAD, OWN, Dashboard, Panel, Row, above, below

_NODE = f'{OWN},node="$node"'
#: File systems of disks.
_DISKS = 'fstype!~"tmpfs|ramfs|overlay|squashfs|nsfs|fuse.*|nfs.*|iso9660"'
#: Interfaces of the host itself, without those of pods.
_CARDS = 'device!~"lo|veth.*|lxc.*|cilium.*|cni.*"'
_IDLE, _BUSY = 'mode="idle"', 'mode!="idle"'
_FAILED = 'code=~"5.."'
_FIRING = f'ALERTS{{{OWN},alertstate="firing",severity=~"critical|warning"}}'
_INFLIGHT = f"apiserver_current_inflight_requests{{{OWN}}}"
_DAY = 86400.0


def _rate(metric: str, selector: str, further: str = "") -> str:
    labels = f"{selector},{further}" if further else selector
    return f"rate({metric}{{{labels}}}[$__rate_interval])"


def _quantile(bucket: str, by: str, selector: str = OWN, share: float = 0.99) -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) ({_rate(bucket, selector)}))"


def _cpu(selector: str) -> str:
    return f"1 - avg by (node) ({_rate('node_cpu_seconds_total', selector, _IDLE)})"


def _memory(selector: str) -> str:
    return f"1 - node_memory_MemAvailable_bytes{{{selector}}} / node_memory_MemTotal_bytes{{{selector}}}"


def _disk(selector: str, by: str) -> str:
    size, free = (f"node_filesystem_{name}_bytes{{{selector},{_DISKS}}}" for name in ("size", "avail"))
    return f"max by ({by}) (1 - {free} / {size})"


OVERVIEW = Dashboard(
    "overview",
    "Overview",
    "Whether the cluster works, and which node to look at.",
    [
        Row(
            "Health",
            [
                Panel(
                    "Alerts",
                    "Does anything need somebody?",
                    {"alerts": f"count({_FIRING}) or vector(0)"},
                    "none",
                    "TargetDown",
                    "stat",
                    4,
                    4,
                    ANY_IS_BAD,
                ),
                Panel(
                    "Failed targets",
                    "Is there something that Prometheus cannot scrape?",
                    {"targets": f"count(up{{{OWN}}} == 0) or vector(0)"},
                    "none",
                    "TargetDown",
                    "stat",
                    4,
                    4,
                    ANY_IS_BAD,
                ),
                Panel(
                    "Oldest sample",
                    "Do samples still arrive from everywhere?",
                    {"age": f"max(time() - timestamp(up{{{OWN}}}))"},
                    "s",
                    "AgentSilent",
                    "stat",
                    4,
                    4,
                    above(90, 180),
                    0,
                ),
                Panel(
                    "Hosts",
                    "How many hosts send metrics?",
                    {"hosts": f'count(up{{{OWN},job="node"}} == 1)'},
                    "none",
                    "NodeDown",
                    "stat",
                    4,
                    4,
                ),
                Panel(
                    "API servers",
                    "How many API servers answer?",
                    {"servers": f'count(up{{{OWN},job="apiserver"}} == 1) or vector(0)'},
                    "none",
                    "ApiServerDown",
                    "stat",
                    4,
                    4,
                    below(2, 1),
                ),
                Panel(
                    "etcd members with a leader",
                    "Does etcd have a quorum?",
                    {"members": f"sum(etcd_server_has_leader{{{OWN}}}) or vector(0)"},
                    "none",
                    "EtcdNoLeader",
                    "stat",
                    4,
                    4,
                    below(2, 1),
                ),
                Panel(
                    "Firing alerts",
                    "What is wrong, and where?",
                    {
                        "": f'max by (severity, alertname, node, job) (ALERTS{{{OWN},alertstate="firing"}})',
                    },
                    "none",
                    "TargetDown",
                    "table",
                    24,
                    7,
                    columns={"severity": "Severity", "alertname": "Alert", "node": "Node", "job": "Job"},
                ),
            ],
        ),
        Row(
            "Nodes",
            [
                Panel(
                    "CPU in use",
                    "Which node has no CPU time left?",
                    {"{{node}}": _cpu(OWN)},
                    "percentunit",
                    "NodeCpuSaturated",
                    top=1,
                ),
                Panel(
                    "Memory in use",
                    "Which node has no memory left?",
                    {"{{node}}": _memory(OWN)},
                    "percentunit",
                    "NodeMemoryLow",
                    top=1,
                ),
                Panel(
                    "Fullest file system",
                    "Which disk is filling up?",
                    {"{{node}}": _disk(OWN, "node")},
                    "percentunit",
                    "NodeFilesystemAlmostFull",
                    top=1,
                ),
                Panel(
                    "Running pods",
                    "How are pods spread over the nodes?",
                    {"{{node}}": f'max by (node) (kubelet_running_pods{{{OWN},job="kubelet"}})'},
                    "none",
                    "NodesNotReady",
                ),
            ],
        ),
    ],
)

NODE = Dashboard(
    "node",
    "Node",
    "What one node is short of, and what uses it.",
    [
        Row(
            "State",
            [
                Panel(
                    "Failed services",
                    "Does a service of the node not run?",
                    {"services": f"count(bmk_service_up{{{_NODE}}} == 0) or vector(0)"},
                    "none",
                    "NodeServiceDown",
                    "stat",
                    6,
                    4,
                    ANY_IS_BAD,
                ),
                Panel(
                    "Up since",
                    "When was it rebooted last?",
                    {"uptime": f"time() - max(node_boot_time_seconds{{{_NODE}}})"},
                    "s",
                    "NodeDown",
                    "stat",
                    6,
                    4,
                    decimals=0,
                ),
                Panel(
                    "Clock",
                    "How far is its clock from that of Prometheus?",
                    {
                        "offset": f"max(node_time_seconds{{{_NODE}}} - timestamp(node_time_seconds{{{_NODE}}}))"
                    },
                    "s",
                    "NodeClockWrong",
                    "stat",
                    6,
                    4,
                    decimals=1,
                ),
                Panel(
                    "Running pods",
                    "How many pods does it run?",
                    {"pods": f"max(kubelet_running_pods{{{_NODE}}})"},
                    "none",
                    "KubeletDown",
                    "stat",
                    6,
                    4,
                ),
            ],
        ),
        Row(
            "Resources",
            [
                Panel(
                    "CPU by mode",
                    "What does its CPU do, and does it wait for disks?",
                    {
                        "{{mode}}": "sum by (mode) ("
                        + _rate("node_cpu_seconds_total", _NODE, _BUSY)
                        + f') / scalar(count(node_cpu_seconds_total{{{_NODE},mode="idle"}}))'
                    },
                    "percentunit",
                    "NodeCpuSaturated",
                ),
                Panel(
                    "Load per CPU",
                    "Do processes wait for a CPU?",
                    {
                        "1 minute": f"max(node_load1{{{_NODE}}})"
                        f' / scalar(count(node_cpu_seconds_total{{{_NODE},mode="idle"}}))'
                    },
                    "none",
                    "NodeCpuSaturated",
                    decimals=2,
                ),
                Panel(
                    "Memory",
                    "How much memory is left?",
                    {
                        "available": f"max(node_memory_MemAvailable_bytes{{{_NODE}}})",
                        "total": f"max(node_memory_MemTotal_bytes{{{_NODE}}})",
                    },
                    "bytes",
                    "NodeMemoryLow",
                ),
                Panel(
                    "Memory of pods",
                    "Which pods use most of it?",
                    {
                        "{{namespace}}/{{pod}}": "topk(10, sum by (namespace, pod)"
                        f' (container_memory_working_set_bytes{{{_NODE},container!="",pod!=""}}))'
                    },
                    "bytes",
                    "ContainerOutOfMemory",
                ),
                Panel(
                    "File systems",
                    "Which file system is filling up?",
                    {"{{mountpoint}}": _disk(_NODE, "mountpoint")},
                    "percentunit",
                    "NodeFilesystemAlmostFull",
                    top=1,
                ),
                Panel(
                    "Disks",
                    "Is a disk busy all the time?",
                    {"{{device}}": f"max by (device) ({_rate('node_disk_io_time_seconds_total', _NODE)})"},
                    "percentunit",
                    "EtcdDiskSlow",
                    top=1,
                ),
                Panel(
                    "Network",
                    "How much does it receive and send?",
                    {
                        "{{device}} receives": "sum by (device) ("
                        + _rate("node_network_receive_bytes_total", _NODE, _CARDS)
                        + ")",
                        "{{device}} sends": "sum by (device) ("
                        + _rate("node_network_transmit_bytes_total", _NODE, _CARDS)
                        + ")",
                    },
                    "Bps",
                    "NodeNetworkErrors",
                ),
                Panel(
                    "View of containers",
                    "How long does the kubelet take to see what its containers do?",
                    {"99 of 100": _quantile("kubelet_pleg_relist_duration_seconds_bucket", "", _NODE)},
                    "s",
                    "KubeletSlow",
                ),
            ],
        ),
    ],
    node=True,
)

CONTROL_PLANE = Dashboard(
    "control-plane",
    "etcd and API server",
    "Whether etcd and the API servers are fast enough, and which of them is not.",
    [
        Row(
            "etcd",
            [
                Panel(
                    "Members with a leader",
                    "Does every member follow a leader?",
                    {"{{node}}": f"max by (node) (etcd_server_has_leader{{{OWN}}})"},
                    "none",
                    "EtcdNoLeader",
                    "bargauge",
                    8,
                    thresholds=below(1, 0.5),
                    top=1,
                ),
                Panel(
                    "Changes of leader",
                    "Is the leader stable?",
                    {
                        "{{node}}": f"max by (node) (increase(etcd_server_leader_changes_seen_total{{{OWN}}}[1h]))"
                    },
                    "none",
                    "EtcdLeaderChanges",
                    width=8,
                    decimals=0,
                ),
                Panel(
                    "Database",
                    "How near is the database to its quota?",
                    {
                        "{{node}}": f"max by (node) (etcd_mvcc_db_total_size_in_bytes{{{OWN}}}"
                        f" / etcd_server_quota_backend_bytes{{{OWN}}})"
                    },
                    "percentunit",
                    "EtcdDatabaseAlmostFull",
                    width=8,
                    top=1,
                ),
                Panel(
                    "WAL sync",
                    "Is a disk too slow for etcd? 10 ms is good.",
                    {"{{node}}": _quantile("etcd_disk_wal_fsync_duration_seconds_bucket", "node")},
                    "s",
                    "EtcdDiskSlow",
                    width=8,
                ),
                Panel(
                    "Commit",
                    "Does it take long to write the database? 25 ms is good.",
                    {"{{node}}": _quantile("etcd_disk_backend_commit_duration_seconds_bucket", "node")},
                    "s",
                    "EtcdCommitSlow",
                    width=8,
                ),
                Panel(
                    "Between members",
                    "Is the network between control planes slow?",
                    {"{{node}}": _quantile("etcd_network_peer_round_trip_time_seconds_bucket", "node")},
                    "s",
                    "EtcdPeerSlow",
                    width=8,
                ),
            ],
        ),
        Row(
            "API server",
            [
                Panel(
                    "Requests",
                    "How many requests are there, and with which result?",
                    {"{{code}}": f"sum by (code) ({_rate('apiserver_request_total', OWN)})"},
                    "reqps",
                    "ApiServerErrors",
                ),
                Panel(
                    "Failed requests",
                    "What share of requests fails in the server itself?",
                    {
                        "{{node}}": f"sum by (node) ({_rate('apiserver_request_total', OWN, _FAILED)})"
                        f" / sum by (node) ({_rate('apiserver_request_total', OWN)})"
                    },
                    "percentunit",
                    "ApiServerErrors",
                ),
                Panel(
                    "Duration",
                    "How long do requests take? Watches are left out.",
                    {
                        "{{verb}}": _quantile(
                            "apiserver_request_duration_seconds_bucket",
                            "verb",
                            f'{OWN},verb!~"WATCH|CONNECT",subresource!~"log|exec|attach|portforward|proxy"',
                        )
                    },
                    "s",
                    "ApiServerSlow",
                ),
                Panel(
                    "Requests at once",
                    "Is a server near its limit?",
                    {"{{node}} {{request_kind}}": f"max by (node, request_kind) ({_INFLIGHT})"},
                    "none",
                    "ApiServerRejectsRequests",
                ),
                Panel(
                    "Pods without a node",
                    "Do pods wait for the scheduler?",
                    {"{{queue}}": f"max by (queue) (scheduler_pending_pods{{{OWN}}})"},
                    "none",
                    "PodsUnschedulable",
                ),
                Panel(
                    "Work of the controller manager",
                    "Does a controller not get its work done?",
                    {
                        "{{name}}": "topk(10, max by (name)"
                        f' (workqueue_depth{{{OWN},job="kube-controller-manager"}}))'
                    },
                    "none",
                    "ControllerManagerDown",
                ),
            ],
        ),
    ],
)

NETWORK = Dashboard(
    "network",
    "Network and policies",
    "Whether packets arrive, and why they are dropped.",
    [
        Row(
            "Cilium",
            [
                Panel(
                    "Unreachable nodes",
                    "Which node does not reach which number of others?",
                    {"{{node}}": f"max by (node) (cilium_unreachable_nodes{{{OWN}}})"},
                    "none",
                    "CiliumNodesUnreachable",
                    width=8,
                ),
                Panel(
                    "Dropped packets",
                    "Why are packets dropped? Policy denied is what network policies refuse.",
                    {"{{reason}}": f"sum by (reason) ({_rate('cilium_drop_count_total', OWN)})"},
                    "pps",
                    "CiliumControllersFail",
                    width=8,
                ),
                Panel(
                    "Drops by node",
                    "Where are they dropped?",
                    {"{{node}}": f"sum by (node) ({_rate('cilium_drop_count_total', OWN)})"},
                    "pps",
                    "CiliumControllersFail",
                    width=8,
                ),
                Panel(
                    "Failing controllers",
                    "Does an agent not get its work done?",
                    {"{{node}}": f"max by (node) (cilium_controllers_failing{{{OWN}}})"},
                    "none",
                    "CiliumControllersFail",
                    width=8,
                ),
                Panel(
                    "Fullest map",
                    "Does a table of the data path fill up?",
                    {
                        "{{node}} {{map_name}}": f"topk(10, max by (node, map_name) (cilium_bpf_map_pressure{{{OWN}}}))"
                    },
                    "percentunit",
                    "CiliumMapAlmostFull",
                    width=8,
                    top=1,
                ),
                Panel(
                    "Policies",
                    "Do all agents have the same policies?",
                    {"{{node}}": f"max by (node) (cilium_policy{{{OWN}}})"},
                    "none",
                    "CiliumControllersFail",
                    width=8,
                ),
            ],
        ),
        Row(
            "DNS, ingress and hosts",
            [
                Panel(
                    "DNS answers",
                    "Do names resolve? SERVFAIL is a failure.",
                    {"{{rcode}}": f"sum by (rcode) ({_rate('coredns_dns_responses_total', OWN)})"},
                    "reqps",
                    "DnsErrors",
                ),
                Panel(
                    "Requests through the ingress controller",
                    "What do its clients get?",
                    {"{{code}}": f"sum by (code) ({_rate('traefik_entrypoint_requests_total', OWN)})"},
                    "reqps",
                    "IngressErrors",
                ),
                Panel(
                    "Errors of network cards",
                    "Is a cable, a card or a switch broken?",
                    {
                        "{{node}} {{device}}": "sum by (node, device) ("
                        + _rate("node_network_receive_errs_total", OWN, _CARDS)
                        + " + "
                        + _rate("node_network_transmit_errs_total", OWN, _CARDS)
                        + ") > 0"
                    },
                    "pps",
                    "NodeNetworkErrors",
                ),
                Panel(
                    "Tracked connections",
                    "Does a node run out of entries for connections?",
                    {
                        "{{node}}": f"max by (node) (node_nf_conntrack_entries{{{OWN}}}"
                        f" / node_nf_conntrack_entries_limit{{{OWN}}})"
                    },
                    "percentunit",
                    "NodeConntrackAlmostFull",
                    top=1,
                ),
            ],
        ),
    ],
)

COMPLIANCE = Dashboard(
    "compliance",
    "CIS, certificates and backups",
    "What an audit found, what expires, and whether the cluster could be restored.",
    [
        Row(
            "CIS",
            [
                Panel(
                    "Failed checks",
                    "How many checks of the CIS benchmark fail?",
                    {"checks": f'sum(bmk_cis_checks{{{OWN},result="fail"}})'},
                    "none",
                    "CisChecksFail",
                    "stat",
                    6,
                    thresholds=ANY_IS_BAD,
                ),
                Panel(
                    "Last audit",
                    "How old are these results?",
                    {"age": f"time() - min(bmk_cis_last_audit_timestamp_seconds{{{OWN}}})"},
                    "s",
                    "CisAuditOld",
                    "stat",
                    6,
                    thresholds=above(7 * _DAY, 31 * _DAY),
                    decimals=0,
                ),
                Panel(
                    "Checks by result",
                    "Does it become better or worse?",
                    {"{{result}}": f"sum by (result) (bmk_cis_checks{{{OWN}}})"},
                    "none",
                    "CisChecksWorse",
                ),
            ],
        ),
        Row(
            "Certificates",
            [
                Panel(
                    "Next to expire",
                    "How long is there until a certificate of a host expires?",
                    {"left": f"min(bmk_certificate_expiry_timestamp_seconds{{{OWN}}}) - time()"},
                    "s",
                    "CertificateExpires",
                    "stat",
                    6,
                    thresholds=below(30 * _DAY, 7 * _DAY),
                    decimals=0,
                ),
                Panel(
                    "Certificates",
                    "Which certificates of hosts expire next?",
                    {
                        "": "bottomk(20, min by (node, path, subject)"
                        f" (bmk_certificate_expiry_timestamp_seconds{{{OWN}}}) - time())"
                    },
                    "s",
                    "CertificateExpiresSoon",
                    "table",
                    18,
                    thresholds=below(30 * _DAY, 7 * _DAY),
                    columns={"node": "Node", "path": "File", "subject": "Subject"},
                ),
                Panel(
                    "Certificates of cert-manager",
                    "Which certificates in the cluster expire next?",
                    {
                        "{{exported_namespace}}{{namespace}}/{{name}}": "bottomk(10,"
                        f" certmanager_certificate_expiration_timestamp_seconds{{{OWN}}} - time())"
                    },
                    "s",
                    "IssuedCertificateExpires",
                    "bargauge",
                    24,
                    thresholds=below(14 * _DAY, 3 * _DAY),
                ),
            ],
        ),
        Row(
            "Backups",
            [
                Panel(
                    "Last backup",
                    "How much would be lost if etcd had to be restored now?",
                    {"age": f"time() - max(bmk_backup_last_success_timestamp_seconds{{{OWN}}})"},
                    "s",
                    "BackupOld",
                    "stat",
                    6,
                    thresholds=above(1.1 * _DAY, 2 * _DAY),
                    decimals=0,
                ),
                Panel(
                    "Backups by node",
                    "Which control plane makes no backups any more?",
                    {
                        "{{node}}": f"time() - (max by (node) (bmk_backup_last_success_timestamp_seconds{{{OWN}}}) > 0)"
                    },
                    "s",
                    "BackupMissing",
                    width=9,
                ),
                Panel(
                    "Size",
                    "Is a backup much smaller than the one before?",
                    {"{{node}}": f"max by (node) (bmk_backup_size_bytes{{{OWN}}})"},
                    "bytes",
                    "BackupShrunk",
                    width=9,
                ),
            ],
        ),
    ],
)

DASHBOARDS = (OVERVIEW, NODE, CONTROL_PLANE, NETWORK, COMPLIANCE)
