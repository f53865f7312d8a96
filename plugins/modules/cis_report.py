# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cis_report
short_description: Merge the audits of all hosts and of the cluster into one report
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Takes what M(baremetal.kubernetes.cis_node) found on every host and M(baremetal.kubernetes.cis_cluster) in
    the cluster, and writes it as JSON, JUnit, SARIF 2.1.0, a self-contained HTML page, OSCAL assessment results
    and a textfile for Prometheus.
  - A host that could not be audited has an error for each of its checks; it is never omitted, and none of its checks
    passes. The same holds for the cluster.
  - Failures that an exemption covers become V(exempt). Manual checks that an attestation answers pass with its
    statement.
  - C(docs/cis-checks.md) of the collection describes the checks, and how each is evaluated. This is not a
    certification.
  - Runs on the controller and contacts no host.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
    details:
      - Writes no files; the verdict is the same.
  diff_mode:
    support: none
    details:
      - Differences from the previous report are returned as RV(drift).
  idempotent:
    support: full
    details:
      - Neither an audit nor its report is a change.
options:
  hosts:
    description:
      - Registered result of M(baremetal.kubernetes.cis_node) by the host's name in the inventory.
      - Give either this or O(variable).
    type: dict
  variable:
    description:
      - Name of the variable that the result of M(baremetal.kubernetes.cis_node) was registered as, for the hosts in
        O(expected).
      - Ansible templates all values of O(hosts), which is slow for hundreds of hosts; a variable is read by its name.
    type: str
    default: ""
  expected:
    description:
      - Components that each host is expected to have, a list of V(control_plane), V(etcd) and V(node) by the host's
        name in the inventory.
      - Hosts that are missing from O(hosts) are errors. A host that is not listed here is expected to have the
        components in its result; one without a result, to be a node.
    type: dict
    default: {}
  cluster:
    description:
      - Registered result of M(baremetal.kubernetes.cis_cluster), also a failed one.
      - Without it, the checks of the cluster are errors.
    type: dict
  cluster_name:
    description: Name of the cluster in the report.
    type: str
    default: kubernetes
  kubernetes_version:
    description:
      - Version of the cluster; by default the one in O(cluster).
      - A version outside the benchmark's declared scope gives a notice in every format.
    type: str
    default: ""
  profile:
    description:
      - Release of the benchmark. V(cis-1.12), V(cis-2.0) (benchmark 2.0.1), or V(cis-2.1), which is
        provisional.
    type: str
    default: cis-2.0
  verdict:
    description:
      - Which verdict counts.
      - V(effective) is the verdict on the effective configuration, V(literal) the one by the wording of the benchmark.
        The report shows both.
    type: str
    choices: [effective, literal]
    default: effective
  exemptions:
    description:
      - Failures that the site accepts.
      - Each failing piece of evidence is matched on its own. The check becomes V(exempt) when all of them are covered,
        and still fails otherwise.
      - After its last day an exemption covers nothing, and is listed at the top of the report. One that covers nothing
        is a warning. An invalid or duplicate one is refused before anything is written.
    type: list
    elements: dict
    default: []
    suboptions:
      profile:
        description: Profile or profiles that O(exemptions[].id) belongs to.
        type: list
        elements: str
        required: true
      id:
        description: Number of the check, in quotes.
        type: str
        required: true
      reason:
        description: Why it is accepted.
        type: str
        required: true
      owner:
        description: Who is responsible for it.
        type: str
        required: true
      expires:
        description: Its last day, as V(2027-01-31), in UTC.
        type: str
        required: true
      hosts:
        description: Names in the inventory, with C(*) as wildcard. Empty for all hosts and the cluster.
        type: list
        elements: str
        default: []
      namespaces:
        description: Namespaces, likewise. With a namespace, evidence without one is not covered.
        type: list
        elements: str
        default: []
      subjects:
        description:
          - Objects of the cluster, likewise, as C(Kind/name) or C(Kind/namespace/name), as in the evidence.
        type: list
        elements: str
        default: []
  shipped_exemptions:
    description: Whether to use the exemptions that the collection ships for what it deploys itself.
    type: bool
    default: true
  attestations:
    description: Answers to manual checks.
    type: list
    elements: dict
    default: []
    suboptions:
      profile:
        description: Profile or profiles that O(attestations[].id) belongs to; empty for all of them.
        type: list
        elements: str
        default: []
      id:
        description: Number of the check, in quotes.
        type: str
        required: true
      statement:
        description: What was reviewed, and what was found.
        type: str
        required: true
      owner:
        description: Who reviewed it.
        type: str
        required: true
      expires:
        description: Its last day, as V(2027-01-31), in UTC.
        type: str
        required: true
      hosts:
        description: Names in the inventory, with C(*) as wildcard. Empty for all hosts and the cluster.
        type: list
        elements: str
        default: []
  dest:
    description:
      - Directory on the controller for the files. A missing one is created with mode 0700.
      - The files are C(cis.json), C(cis.junit.xml), C(cis.sarif), C(cis.html), C(cis.oscal.json) and
        C(cis.prom). Each is replaced atomically; they have mode 0600, except C(cis.prom), which has 0644.
      - Without it, nothing is written.
    type: path
  formats:
    description:
      - Formats to write.
      - Without V(json), the next run has no report to compare with.
    type: list
    elements: str
    choices: [json, junit, sarif, html, oscal, prometheus]
    default: [json, junit, sarif, html, oscal, prometheus]
  previous:
    description: The JSON report to compare with; by default the one in O(dest).
    type: path
  fail_on:
    description: Which results make the task fail, after the files are written.
    type: dict
    suboptions:
      levels:
        description: Levels of checks that count.
        type: list
        elements: int
        choices: [1, 2]
        default: [1, 2]
      statuses:
        description: Verdicts that count. With an empty list, the task does not fail.
        type: list
        elements: str
        choices: [error, fail, manual, exempt, pass, not_applicable]
        default: [fail, error]
      threshold:
        description: Number of such results, one check on one host each, that are accepted.
        type: int
        default: 0
      automated_only:
        description: Whether to ignore checks that the benchmark calls manual.
        type: bool
        default: false
  timestamp:
    description: Time of the report, as V(2026-11-21T20:00:00Z); now by default. Exemptions expire by it.
    type: str
    default: ""
seealso:
  - module: baremetal.kubernetes.cis_node
  - module: baremetal.kubernetes.cis_cluster
"""

EXAMPLES = r"""
- name: Report on all hosts at once
  baremetal.kubernetes.cis_report:
    variable: __cis_node
    expected: {cp1: [control_plane, etcd, node], w1: [node]}
    cluster: "{{ __cis_cluster }}"
    cluster_name: prod-a
    dest: "{{ inventory_dir }}/cis"
    fail_on:
      levels: [1]
    exemptions:
      - profile: cis-2.0
        id: "5.2.5"
        namespaces: [monitoring]
        subjects: [DaemonSet/monitoring/node-exporter]
        reason: It measures the host's network.
        owner: Platform team
        expires: "2027-06-30"
    attestations:
      - id: "3.1.1"
        statement: Users log in through the identity provider; admin.conf is in the safe.
        owner: Platform team
        expires: "2027-06-30"
  run_once: true
"""

RETURN = r"""
msg:
  description: A summary and the path of the report; when the task fails, also the failures.
  returned: always
  type: str
  sample: "CIS audit of prod-a by cis-2.0: 14 exempt, 12 not applicable, 287 pass of 313 results."
summary:
  description: Numbers of the report.
  returned: the report was made
  type: dict
  contains:
    results:
      description: Number of results, one check on one host each, by status.
      type: dict
      sample: {error: 0, fail: 1, manual: 5, exempt: 2, pass: 295, not_applicable: 10}
    checks:
      description: Number of checks by their worst status.
      type: dict
      sample: {error: 0, fail: 1, manual: 5, exempt: 2, pass: 120, not_applicable: 3}
    levels:
      description: Number of results by level, then by status.
      type: dict
      sample: {"1": {error: 0, fail: 1, manual: 4, exempt: 2, pass: 260, not_applicable: 9}}
    sections:
      description: Number of results by section, then by status.
      type: dict
      sample: {"1.1": {error: 0, fail: 0, manual: 0, exempt: 0, pass: 21, not_applicable: 0}}
    score:
      description: Percentage of passes among passes, failures and errors; empty when there are none.
      type: float
      sample: 99.6
    hosts:
      description: Number of hosts.
      type: int
      sample: 3
    hosts_not_audited:
      description: Hosts that could not be audited.
      type: list
      elements: str
      sample: []
    cluster_audited:
      description: Whether the cluster could be audited.
      type: bool
      sample: true
host_results:
  description: For each host, when it was audited (seconds since the epoch) and its number of results by status.
  returned: the report was made
  type: dict
  sample: {cp1: {time: 1796040000, checks: {error: 0, fail: 1, manual: 3, exempt: 2, pass: 120, not_applicable: 9}}}
failures:
  description: Results that O(fail_on) counts, one entry for each check and status.
  returned: the report was made
  type: list
  elements: dict
  contains:
    id:
      description: Number of the check.
      type: str
      sample: 1.2.15
    title:
      description: Title of the check.
      type: str
      sample: Profiling of the API server is disabled
    level:
      description: Level of the check.
      type: int
      sample: 1
    status:
      description: Verdict.
      type: str
      sample: fail
    hosts:
      description: Hosts; none for the cluster.
      type: list
      elements: str
      sample: [cp1]
    message:
      description: The reason on the first host.
      type: str
      sample: --profiling is not set, and its default is true.
drift:
  description: Differences from the previous report. Lists have at most 100 entries; the JSON report has all.
  returned: the report was made
  type: dict
  contains:
    since:
      description: Time of the previous report, empty without one.
      type: str
      sample: "2026-11-20T20:00:00Z"
    note:
      description: Why there is none.
      type: str
      sample: ""
    counts:
      description: Number of entries of each list.
      type: dict
      sample: {newly_failed: 1, fixed: 0, other: 0, changed_evidence: 0, new_hosts: 0, gone_hosts: 0}
    newly_failed:
      description: New failures and errors, with C(check), C(host), C(before) and C(after).
      type: list
      elements: dict
      sample: [{check: 1.2.15, host: cp1, before: pass, after: fail}]
    fixed:
      description: Fixed failures and errors, likewise.
      type: list
      elements: dict
      sample: []
    other:
      description: Other changes of the verdict, likewise.
      type: list
      elements: dict
      sample: []
    changed_evidence:
      description: Same verdict with different evidence, likewise.
      type: list
      elements: dict
      sample: []
    new_hosts:
      description: Hosts that were not in the previous report.
      type: list
      elements: str
      sample: []
    gone_hosts:
      description: Hosts that are not in the report any more.
      type: list
      elements: str
      sample: []
notices:
  description: What a reader has to know first, such as expired exemptions.
  returned: the report was made
  type: list
  elements: str
  sample: ["Kubernetes 1.36.4 is outside the declared scope of benchmark 2.0.1 (1.34 to 1.35): ..."]
report_warnings:
  description: What should be cleaned up, such as exemptions that cover nothing.
  returned: the report was made
  type: list
  elements: str
  sample: []
files:
  description: Path of each file by format.
  returned: the report was made
  type: dict
  sample: {json: /home/admin/site/cis/cis.json, html: /home/admin/site/cis/cis.html}
"""
