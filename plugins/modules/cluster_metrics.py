# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_metrics
short_description: Write the targets of Prometheus, and verify in Grafana that every node's metrics arrive
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Compares the inventory with the nodes of the cluster, which have to agree.
  - With O(directory), writes the targets of all jobs as files for C(file_sd_configs), on the host of the task.
  - With O(url), asks Grafana until a fresh sample of every job and node can be read through its data source, so that
    exporter, Prometheus, data source, credentials and path are proven together. It fails with every pair of job and
    node that is missing, with the error that Prometheus has for its target.
  - A control plane's etcd, controller manager and scheduler have no target in a file, as they listen on loopback only
    and an agent scrapes them. Their samples are verified like all others.
  - Compares and verifies on the controller, with its kubeconfig and its Python packages.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kube_api
attributes:
  check_mode:
    support: full
    details: Reads and verifies as always, but does not wait, as no target was changed.
  diff_mode:
    support: full
    details: Shows the lines of files of targets that change.
  idempotent:
    support: full
options:
  api_timeout:
    description: Seconds for which the API server may be without an answer.
    type: int
    default: 120
  cluster:
    description: The label C(cluster) of every series.
    type: str
    required: true
  control_planes:
    description: Hosts that are control planes.
    type: list
    elements: str
    required: true
  workers:
    description: Hosts that are workers. One that is in O(control_planes), too, counts as a control plane.
    type: list
    elements: str
    default: []
  metrics_hosts:
    description: Hosts that run a Prometheus server. They may be nodes, too.
    type: list
    elements: str
    default: []
  names:
    description:
      - Host -> name of its node. Where it is missing or empty, the node is the one with the name of the host, with its
        address, or with the same name up to the first dot.
    type: dict
    default: {}
  addresses:
    description:
      - Host -> address that Prometheus connects to. By default a node has its InternalIP, and another host its name in
        the inventory. An address of a node that is not one of its InternalIPs is a disagreement.
    type: dict
    default: {}
  removed:
    description:
      - Hosts that are being removed from the cluster. They get no targets, and no fresh sample may be left.
      - A host whose node has another name needs it in O(names), as the cluster may not know it any more.
    type: list
    elements: str
    default: []
  strict:
    description:
      - Whether it is an error when the inventory and the cluster disagree about a node. Otherwise it is a warning, and
        the node has no targets.
    type: bool
    default: true
  jobs:
    description:
      - Jobs that are in use. The file of another one has an empty list.
      - C(cilium-agent), C(hubble), C(cilium-operator), C(coredns), C(traefik), C(cert-manager) and C(metrics-server)
        have no file, as Prometheus finds their pods by the API. Of the first two, every node has to have a sample, and
        of each of the others the cluster.
    type: list
    elements: str
    default:
      - node
      - kubelet
      - cadvisor
      - probes
      - apiserver
      - etcd
      - kube-controller-manager
      - kube-scheduler
      - prometheus-agent
      - prometheus
  ports:
    description: Job -> port of its targets, where it is not upstream's default.
    type: dict
    default: {}
  directory:
    description: Existing directory on the host for the files, C(<job>.json) each. Without it, none is written.
    type: path
  component:
    description: What the files belong to, as of M(baremetal.kubernetes.artifact); empty so that none is recorded.
    type: str
    default: prometheus_targets
  url:
    description: URL of Grafana. Without it, nothing is verified.
    type: str
  token:
    description: Token of a service account of Grafana that may query data sources.
    type: str
  ca:
    description: File with the authorities to trust for Grafana; by default the system's.
    type: path
  timeout:
    description: Seconds that one answer of Grafana may take.
    type: int
    default: 30
  use_proxy:
    description: Whether the proxies of the environment (C(https_proxy), C(no_proxy)) are used for Grafana.
    type: bool
    default: true
  datasource:
    description: The uid of the data source, by default C(bmk-<cluster>).
    type: str
  nodes:
    description:
      - Names of nodes to verify. By default all are, and the jobs without a node. With it, Grafana is asked for these
        nodes and those of O(removed) only.
    type: list
    elements: str
    default: []
  wait:
    description: Whether to ask again until everything is fresh, or O(deadline) is over.
    type: bool
    default: true
  deadline:
    description:
      - Seconds to wait at most. A target that is removed has samples for about two scrape intervals more.
    type: int
    default: 120
  max_age:
    description: Seconds that the last sample of a series may be old. Expected are three scrape intervals.
    type: int
    default: 90
  clock_skew:
    description: Seconds that the clock of a node may differ from that of Prometheus.
    type: int
    default: 30
  graphite_datasource:
    description: The uid of a data source of Graphite. Every node has to have a fresh value of O(graphite_target) there.
    type: str
  graphite_target:
    description:
      - Target with one series per node, named as the node, where C(_) may stand for each dot. An example is
        V(aliasByNode(site-a.*.up, 1)).
    type: str
  graphite_max_age:
    description: Seconds that the last value in Graphite may be old.
    type: int
    default: 180
  dashboards:
    description:
      - Dashboards on the controller as JSON, files or directories. With O(url), a metric in them that Prometheus does
        not have is a warning with panel and expression.
    type: list
    elements: str
    default: []
  rules:
    description: Files of rules on the controller, or directories of them, which are audited in the same way.
    type: list
    elements: str
    default: []
  optional_metrics:
    description: Metrics that need not exist yet, such as those of an audit that was not run.
    type: list
    elements: str
    default: []
seealso:
  - module: baremetal.kubernetes.artifact
  - module: baremetal.kubernetes.cluster_health
"""

EXAMPLES = r"""
- name: Write the targets on the hosts with Prometheus
  baremetal.kubernetes.cluster_metrics:
    kubeconfig: ~/.kube/example
    cluster: site-a
    control_planes: [cp1, cp2, cp3]
    workers: [w1, w2]
    metrics_hosts: [m1]
    addresses: {m1: 192.0.2.41}
    directory: /etc/prometheus/targets

- name: Verify that a fresh sample of every node arrives in Grafana
  baremetal.kubernetes.cluster_metrics:
    kubeconfig: ~/.kube/example
    cluster: site-a
    control_planes: [cp1, cp2, cp3]
    workers: [w1, w2]
    metrics_hosts: [m1]
    url: https://grafana.example.org
    token: "{{ lookup('ansible.builtin.file', '.credentials/grafana.token') }}"
  run_once: true
"""

RETURN = r"""
nodes:
  description: Names of all hosts with metrics, sorted.
  returned: success
  type: list
  elements: str
  sample: [cp1, m1, w1]
pairs:
  description: How many pairs of job and node have to have samples.
  returned: success
  type: int
  sample: 42
written:
  description: Files of targets that changed, or would.
  returned: with O(directory)
  type: list
  elements: str
  sample: [/etc/prometheus/targets/kubelet.json]
missing:
  description: Series of which no fresh sample arrives.
  returned: always
  type: list
  elements: dict
  contains:
    node:
      description: Name of the node, empty for a job of the whole cluster.
      type: str
      sample: w1
    job:
      description: The job.
      type: str
      sample: node
    metric:
      description: The series, C(up) when the scrape itself fails or does not arrive.
      type: str
      sample: up
    found:
      description: What was found instead.
      type: str
      sample: its scrape fails
    age:
      description: Seconds since its last sample, V(null) without one.
      type: float
      sample: 12.3
    cause:
      description: Why, with the error of Prometheus and the next step.
      type: str
      sample: >-
        lastError: dial tcp 192.0.2.21:9100: connect: connection refused (nothing listens there: start the service on
        the host and look at its log)
stale:
  description: Fresh series that must not exist, as those of a removed node.
  returned: always
  type: list
  elements: dict
  contains:
    node:
      description: Their label C(node).
      type: str
      sample: w9
    job:
      description: Their job.
      type: str
      sample: kubelet
    age:
      description: Seconds since the last sample.
      type: float
      sample: 4.2
ages:
  description: Node -> job -> seconds since the last sample. The node is empty for jobs of the whole cluster.
  returned: always
  type: dict
  sample: {w1: {node: 12.3, kubelet: 4.5}}
clocks:
  description: Node -> seconds by which its clock is ahead of that of Prometheus, where that is more than O(clock_skew).
  returned: always
  type: dict
  sample: {w2: -3600.2}
absent:
  description: Metrics of O(dashboards) and O(rules) that Prometheus does not have.
  returned: always
  type: list
  elements: dict
  contains:
    metric:
      description: Name of the metric.
      type: str
      sample: container_tasks_state
    where:
      description: Dashboard and panel, or file and rule.
      type: str
      sample: dashboard Node, panel Tasks
    expression:
      description: The expression.
      type: str
      sample: sum(container_tasks_state) by (state)
waited:
  description: Seconds until the result.
  returned: always
  type: float
  sample: 32.1
"""
