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
  - A host that could not be audited has an error for each check that it should have answered; it is never left
    out, and nothing of it ever passes. The same holds for the cluster.
  - Failures that an exemption covers become V(exempt). Manual checks that an attestation answers pass with its
    statement.
  - The checks, and how the collection looks at each, are described in C(docs/cis-checks.md) of the collection.
    This is no certification.
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
      - What differs from the report before is returned as RV(drift).
  idempotent:
    support: full
    details:
      - An audit is never a change, and neither is writing down what it found.
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
      - Ansible goes over everything that is given in a template; by its name, hundreds of hosts are read in no time.
    type: str
    default: ""
  expected:
    description:
      - What each host must have been audited as, a list of V(control_plane), V(etcd) and V(node) by the host's
        name in the inventory.
      - Hosts that are named here and missing from O(hosts) are errors. A host that is not named here was
        expected to be what its result says; one that has no result, to be a node.
    type: dict
    default: {}
  cluster:
    description:
      - Result of M(baremetal.kubernetes.cis_cluster), as Ansible registers it, also when it failed.
      - Without it, the checks of the cluster are errors.
    type: dict
  cluster_name:
    description: What the report calls the cluster.
    type: str
    default: kubernetes
  kubernetes_version:
    description:
      - Version of the cluster; without it, the one that O(cluster) says.
      - One that the benchmark does not declare itself for gives a notice in every format.
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
      - Which verdict counts where the benchmark's words and its intent part.
      - V(effective) is the one on what is in force, V(literal) the one by the words. The report shows both.
    type: str
    choices: [effective, literal]
    default: effective
  exemptions:
    description:
      - Failures that the site accepts.
      - Each failing piece of evidence is looked at by itself. The check becomes V(exempt) when all of them are
        covered, and still fails when some are not.
      - After its last day an exemption covers nothing, and is named at the top of the report. One that covers
        nothing is a warning. One that cannot be understood, or is there twice, is refused before anything is
        written.
    type: list
    elements: dict
    default: []
    suboptions:
      profile:
        description: Profile or profiles that O(exemptions[].id) is a number of.
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
        description: Who answers for it.
        type: str
        required: true
      expires:
        description: Its last day, as V(2027-01-31), in UTC.
        type: str
        required: true
      hosts:
        description: Names in the inventory, with C(*) for anything. Empty for all hosts, and for the cluster.
        type: list
        elements: str
        default: []
      namespaces:
        description: Namespaces, likewise. What is in no namespace is not covered when there is one.
        type: list
        elements: str
        default: []
      subjects:
        description:
          - Objects of the cluster, likewise, as C(Kind/name) or C(Kind/namespace/name), as the evidence names
            them.
        type: list
        elements: str
        default: []
  shipped_exemptions:
    description: Whether exemptions count that the collection brings for what it itself does to a cluster.
    type: bool
    default: true
  attestations:
    description: Answers of a person to manual checks.
    type: list
    elements: dict
    default: []
    suboptions:
      profile:
        description: Profile or profiles that O(attestations[].id) is a number of; empty for all of them.
        type: list
        elements: str
        default: []
      id:
        description: Number of the check, in quotes.
        type: str
        required: true
      statement:
        description: What was looked at, and what was found.
        type: str
        required: true
      owner:
        description: Who looked.
        type: str
        required: true
      expires:
        description: The last day that it holds, as V(2027-01-31), in UTC.
        type: str
        required: true
      hosts:
        description: Names in the inventory, with C(*) for anything. Empty for all hosts, and for the cluster.
        type: list
        elements: str
        default: []
  dest:
    description:
      - Directory on the controller for the files. It is made for its owner alone when it is missing.
      - The files are C(cis.json), C(cis.junit.xml), C(cis.sarif), C(cis.html), C(cis.oscal.json) and
        C(cis.prom). Each replaces the one before by a rename; they have mode 0600, but for C(cis.prom), which
        has 0644.
      - Without it, nothing is written.
    type: path
  formats:
    description:
      - What to write.
      - Without V(json), the next run has nothing to compare with.
    type: list
    elements: str
    choices: [json, junit, sarif, html, oscal, prometheus]
    default: [json, junit, sarif, html, oscal, prometheus]
  previous:
    description: The JSON report to compare with; without it, the one that is in O(dest).
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
        description: How many such results, one check on one host each, are still accepted.
        type: int
        default: 0
      automated_only:
        description: Leave checks out that the benchmark calls manual.
        type: bool
        default: false
  timestamp:
    description: Time of the report, as V(2026-11-21T20:00:00Z); now without it. Exemptions end by it.
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
        reason: It measures the network of the host.
        owner: Platform team
        expires: "2027-06-30"
    attestations:
      - id: "3.1.1"
        statement: People log in through the identity provider; admin.conf is in the safe.
        owner: Platform team
        expires: "2027-06-30"
  run_once: true
"""

RETURN = r"""
msg:
  description: One sentence with numbers, and where the report is; when the task fails, also what is not accepted.
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
failures:
  description: What O(fail_on) counts, one entry for each check and status.
  returned: the report was made
  type: list
  elements: dict
  contains:
    id:
      description: Number of the check.
      type: str
      sample: 1.2.15
    title:
      description: What shall be so.
      type: str
      sample: The API server shows no profiles of itself
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
      description: The reason on the first of them.
      type: str
      sample: --profiling is not set, and its default is true.
drift:
  description: What differs from the report before. Lists have no more than 100 entries; the JSON report has all.
  returned: the report was made
  type: dict
  contains:
    since:
      description: Time of the report before, empty when there is none to compare with.
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
      description: What fails or is an error now and was not, with C(check), C(host), C(before) and C(after).
      type: list
      elements: dict
      sample: [{check: 1.2.15, host: cp1, before: pass, after: fail}]
    fixed:
      description: What failed or was an error and is right now, likewise.
      type: list
      elements: dict
      sample: []
    other:
      description: Other changes of the verdict, likewise.
      type: list
      elements: dict
      sample: []
    changed_evidence:
      description: Same verdict from other evidence, likewise.
      type: list
      elements: dict
      sample: []
    new_hosts:
      description: Hosts that were not in the report before.
      type: list
      elements: str
      sample: []
    gone_hosts:
      description: Hosts that are in it no more.
      type: list
      elements: str
      sample: []
notices:
  description: What a reader must know first, such as exemptions that have expired.
  returned: the report was made
  type: list
  elements: str
  sample: ["Kubernetes 1.36.4 is outside the declared scope of benchmark 2.0.1 (1.34 to 1.35): ..."]
report_warnings:
  description: What somebody should put in order, such as exemptions that cover nothing.
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
