# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that `make test` can run, in one table: what it proves, what it needs, and what it depends on."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

#: Name of the snapshot from which scenarios start that need a cluster.
CONVERGED = "converged"


class Start(Enum):
    """What a scenario finds when it begins."""

    #: Nothing; it needs no lab, or makes its own.
    NOTHING = "nothing"
    #: Hosts that were just booted, or none: its first steps create them.
    FRESH = "fresh hosts"
    #: The cluster that the site playbook makes of the default hosts.
    CLUSTER = "a cluster"


@dataclass(frozen=True)
class Step:
    """One command of a scenario.

    :param name: what it does, unique in its scenario.
    :param argv: the command, run in the checkout; ``{report}`` stands for the path of its JUnit report.
    :param report: whether it writes a JUnit report. Where the command does not name it, pytest gets it by
        environment.
    :param needs: steps of the same scenario that must have passed, or there is no point in running this one.
    :param prepares: whether its duration depends on caches; it then does not tell how quick the machine is.
    :param saves: whether the lab has a snapshot of a cluster when it has passed.
    """

    name: str
    argv: tuple[str, ...]
    report: bool = False
    needs: tuple[str, ...] = ()
    prepares: bool = False
    saves: bool = False


@dataclass(frozen=True)
class Scenario:
    """One entry of the table.

    :param proves: what is known when it has passed.
    :param seconds: how long it takes on two cores with warm caches, beside another scenario if it may have
        one.
    :param paths: shell patterns of the repository's files that it depends on; ``*`` matches ``/`` too.
    :param start: what it starts from.
    :param hosts: how many hosts run at once, in all its labs.
    :param memory: MiB that it needs, measured at its peak.
    :param artifacts: optional artifacts of the lab that it needs; what every lab serves is not named.
    :param environments: environments of tests.matrix that it needs.
    :param labs: names of further labs that it creates and removes by itself.
    :param measures_time: whether a test of it fails when the machine is busy: then nothing runs beside it.
    :param always: whether `make test` runs it whatever the budget is.
    :param long: whether it would leave too little of a budget for the others, and runs only when it is named.
    """

    name: str
    proves: str
    seconds: float
    paths: tuple[str, ...]
    steps: tuple[Step, ...]
    start: Start = Start.NOTHING
    hosts: int = 0
    memory: int = 500
    artifacts: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    labs: tuple[str, ...] = ()
    measures_time: bool = False
    always: bool = False
    long: bool = False

    def touched_by(self, files: Iterable[str]) -> bool:
        """Whether one of the files is among those that it depends on."""
        return any(fnmatchcase(file, pattern) for file in files for pattern in self.paths)


def _python(*args: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *args)


def _pytest(*args: str) -> tuple[Step, ...]:
    return (Step("tests", _python("pytest", "--junit-xml={report}", *args), report=True),)


def _molecule(scenario: str, step: str, *needs: str, name: str = "", report: bool = False) -> Step:
    argv = _python("molecule", "-c", "molecule/config.yml", step, "-s", scenario)
    return Step(name or step, argv, report, needs)


def _verify(scenario: str, *needs: str) -> Step:
    return _molecule(scenario, "verify", *needs, report=True)


def _on_fresh_hosts(scenario: str) -> tuple[Step, ...]:
    """The steps of a scenario that creates its cluster itself."""
    return (
        _molecule(scenario, "destroy"),
        _molecule(scenario, "create", "destroy"),
        _verify(scenario, "create"),
    )


def _matrix(name: str) -> tuple[Step, ...]:
    """The steps on one of tests.matrix's environments."""
    return (
        # By itself, as a first preparation takes its time.
        Step(f"{name} prepare", _python("tests.matrix", name, "prepare"), prepares=True),
        *(
            Step(
                f"{name} {task}", _python("tests.matrix", name, task), report=True, needs=(f"{name} prepare",)
            )
            for task in ("unit", "sanity")
        ),
    )


#: What a lab on which scenarios run consists of.
_LAB = ("lab/*", "molecule/config.yml", "tests/infra/*")
_NODE_ROLES = tuple(
    f"roles/{role}/*" for role in ("cluster", "node", "host", "container_runtime", "kubelet", "control_plane")
)
_NODE_CODE = tuple(
    f"plugins/module_utils/{package}/*"
    for package in ("_os", "_node", "_artifact", "_daemon", "_kubeadm", "_etcd")
)

TABLE = (
    Scenario(
        "gates",
        "linters, types, specifications and documentation find nothing; the collection can be built and published",
        seconds=170,
        paths=("*",),
        steps=_pytest("tests/gates"),
        memory=1500,
        always=True,
    ),
    Scenario(
        "unit",
        "all planning code, parsers, modules and plugins; every template with every kind of value",
        seconds=200,
        paths=("*.py", "*.j2", "*.yml"),
        steps=_pytest("--numprocesses=2", "--dist=loadfile", "tests/unit", "tests/templates"),
        memory=800,
        always=True,
    ),
    Scenario(
        "default",
        "a cluster on fresh hosts: a second run changes nothing, also with the oldest and newest ansible-core; "
        "pods, Services, policies, hardening, file modes, killed daemons, lost power, one more node, the mirror",
        seconds=420,
        paths=("*",),
        steps=(
            _molecule("default", "destroy"),
            # Ahead of molecule's create, which shows nothing until it is done: a first build takes its time.
            Step("lab up", _python("lab", "up"), needs=("destroy",), prepares=True),
            _molecule("default", "create", "lab up"),
            _molecule("default", "converge", "create"),
            _molecule("default", "idempotence", "converge"),
            *(
                # By then the environment may be missing; `prepare` says how long that took.
                step
                for name in ("oldest", "newest")
                for step in (
                    Step(f"prepare {name}", _python("tests.matrix", name, "prepare"), prepares=True),
                    Step(
                        f"site {name}",
                        _python("tests.matrix", name, "site"),
                        needs=("converge", f"prepare {name}"),
                    ),
                )
            ),
            Step(
                "save", _python("tests.infra.snapshots", "save", CONVERGED), needs=("converge",), saves=True
            ),
            _verify("default", "save"),
        ),
        start=Start.FRESH,
        hosts=4,
        memory=4500,
        environments=("oldest", "newest"),
        always=True,
    ),
    Scenario(
        "resilience",
        "a cluster is created although disks fill up, the mirror fails and lies, the controller is killed at "
        "every task and a host is lost",
        seconds=700,
        paths=(*_LAB, *_NODE_ROLES, *_NODE_CODE, "roles/*", "playbooks/*", "molecule/resilience/*"),
        steps=_on_fresh_hosts("resilience"),
        start=Start.FRESH,
        hosts=3,
        memory=4000,
    ),
    Scenario(
        "ha",
        "three control planes on both init systems behind a virtual IP address: power loss, a dead API server and a "
        "killed keepalived leave the API reachable, and the address does not move back",
        seconds=640,
        paths=(
            *_LAB,
            *_NODE_ROLES,
            *_NODE_CODE,
            "roles/api_endpoint/*",
            "playbooks/control_plane.yml",
            "tests/infra/endpoint.py",
            "molecule/ha/*",
        ),
        steps=_on_fresh_hosts("ha"),
        start=Start.FRESH,
        hosts=4,
        memory=6000,
        measures_time=True,
    ),
    Scenario(
        "nodes",
        "workers join a running cluster without a task on any other host but one, and are removed alive, dead, dying "
        "and unknown to the inventory; a removed one returns",
        seconds=400,
        paths=(
            *_LAB,
            *_NODE_ROLES,
            *_NODE_CODE,
            "roles/worker/*",
            "roles/reset/*",
            "playbooks/*_node.yml",
            "plugins/action/node_*",
            "plugins/plugin_utils/_node/*",
            "plugins/plugin_utils/_drain/*",
            "molecule/nodes/*",
        ),
        steps=(_verify("nodes"),),
        start=Start.CLUSTER,
        hosts=6,
        memory=6300,
    ),
    Scenario(
        "members",
        "control planes join one at a time without a task on a worker, and are removed dead, half-joined, and while "
        "leading etcd with the virtual IP address; quorum is counted before; those that left return, and one that was "
        "installed again",
        seconds=640,
        paths=(
            *_LAB,
            *_NODE_ROLES,
            *_NODE_CODE,
            "roles/api_endpoint/*",
            "roles/kubelet_csr_approver/*",
            "roles/reset/*",
            "playbooks/*_node.yml",
            "plugins/action/node_*",
            "plugins/modules/node_removal.py",
            "plugins/plugin_utils/_node/*",
            "tests/infra/endpoint.py",
            "molecule/members/*",
        ),
        steps=_on_fresh_hosts("members"),
        start=Start.FRESH,
        hosts=4,
        memory=6000,
        measures_time=True,
    ),
    Scenario(
        "grow",
        "a cluster with one control plane and no endpoint gets two more behind a virtual IP address, while pods run "
        "and the API answers; it survives the loss of its first control plane",
        seconds=300,
        paths=(
            *_LAB,
            *_NODE_ROLES,
            *_NODE_CODE,
            "roles/api_endpoint/*",
            "playbooks/control_plane.yml",
            "tests/infra/endpoint.py",
            "molecule/grow/*",
        ),
        steps=(_verify("grow"),),
        start=Start.CLUSTER,
        hosts=5,
        memory=6500,
        measures_time=True,
    ),
    Scenario(
        "repair",
        "one run repairs and reports sixteen kinds of drift on both init systems, the next one changes nothing",
        seconds=55,
        paths=(*_LAB, *_NODE_ROLES, *_NODE_CODE, "plugins/modules/*", "molecule/repair/*"),
        steps=(_verify("repair"),),
        start=Start.CLUSTER,
        hosts=3,
        memory=4000,
    ),
    Scenario(
        "etcd",
        "the health report names each fault of a cluster with its host; a full database, a learner that was left and a "
        "fragmented database are repaired, and nothing is done without quorum; an API that answers late fails nothing",
        seconds=360,
        paths=(
            *_LAB,
            "roles/cluster/*",
            "roles/health/*",
            "roles/repair_etcd/*",
            "playbooks/health.yml",
            "playbooks/repair_etcd.yml",
            "plugins/action/health_report.py",
            "plugins/module_utils/_etcd/*",
            "plugins/modules/etcd_*",
            "plugins/plugin_utils/_cluster/*",
            "plugins/plugin_utils/_health/*",
            "molecule/etcd/*",
        ),
        steps=(_verify("etcd"),),
        start=Start.CLUSTER,
        hosts=3,
        memory=4000,
        # Leases are lost after 10 s without a renewal; another lab would add losses of its own.
        measures_time=True,
    ),
    Scenario(
        "restore",
        "a cluster is backed up, lost, and restored on empty hosts; rolled back; rescued without quorum",
        seconds=420,
        paths=(
            *_LAB,
            *_NODE_ROLES,
            *_NODE_CODE,
            "playbooks/backup.yml",
            "playbooks/restore.yml",
            "roles/etcd_backup/*",
            "roles/restore/*",
            "roles/encryption_at_rest/*",
            "plugins/module_utils/_backup/*",
            "plugins/plugin_utils/_backup/*",
            "plugins/modules/*",
            "plugins/action/*",
            "molecule/restore/*",
        ),
        steps=(_verify("restore"),),
        start=Start.CLUSTER,
        hosts=3,
        memory=4000,
    ),
    Scenario(
        "reconfigure",
        "new values reach every component and nothing else, check mode predicts them, and a value that a "
        "component refuses changes nothing",
        seconds=700,
        paths=(
            *_LAB,
            *_NODE_ROLES,
            *_NODE_CODE,
            "roles/network/*",
            "roles/helm_release/*",
            "roles/encryption_at_rest/*",
            "plugins/module_utils/_encryption/*",
            "plugins/modules/*",
            "molecule/reconfigure/*",
        ),
        steps=(_verify("reconfigure"),),
        start=Start.CLUSTER,
        hosts=3,
        memory=4000,
    ),
    Scenario(
        "policies",
        "strict network policies report what they would deny, deny that and nothing that Kubernetes needs, and follow "
        "changed openings: a matrix of 40 pairs; policies of nodes are rolled back by each host unless it is confirmed",
        seconds=1500,
        paths=(
            *_LAB,
            "roles/network/*",
            "roles/health/*",
            "playbooks/platform.yml",
            "plugins/action/api_objects.py",
            "plugins/action/network_*",
            "plugins/modules/network_host_policy_guard.py",
            "plugins/module_utils/_daemon/*",
            "plugins/module_utils/_network/*",
            "plugins/plugin_utils/_kube_api/*",
            "plugins/plugin_utils/_network/*",
            "tests/infra/network.py",
            "molecule/policies/*",
        ),
        steps=(_verify("policies"),),
        start=Start.CLUSTER,
        hosts=3,
        memory=4000,
    ),
    Scenario(
        "platform",
        "what the playbook platform deploys works, follows changed values, and leaves nothing when it is switched off: "
        "metrics of all nodes by verified certificates, a load that is scaled up and down by them, and certificates of "
        "an ACME server that live for minutes",
        seconds=1000,
        paths=(
            *_LAB,
            "roles/metrics_server/*",
            "roles/certificates/*",
            "playbooks/issued_certificates.yml",
            "playbooks/platform.yml",
            "plugins/action/api_objects.py",
            "plugins/action/certificates_plan.py",
            "plugins/action/cluster_issuers.py",
            "plugins/action/issued_certificates_info.py",
            "plugins/plugin_utils/_cert_manager/*",
            "plugins/plugin_utils/_kube_api/*",
            "molecule/platform/*",
        ),
        steps=(_verify("platform"),),
        start=Start.CLUSTER,
        hosts=3,
        memory=4300,
        artifacts=("platform",),
    ),
    Scenario(
        "storage",
        "volumes on an NFS server that restarts in the middle of a write and goes away, whose exports follow the "
        "inventory: shared by nodes, kept, archived, copied from snapshots; nothing that holds data is removed",
        seconds=900,
        paths=(
            *_LAB,
            "roles/nfs_server/*",
            "roles/storage_nfs/*",
            "playbooks/nfs_server.yml",
            "playbooks/platform.yml",
            "plugins/action/api_objects.py",
            "plugins/action/storage_nfs_plan.py",
            "plugins/module_utils/_nfs/*",
            "plugins/modules/nfs_export_info.py",
            "plugins/plugin_utils/_kube_api/*",
            "plugins/plugin_utils/_nfs/*",
            "molecule/storage/*",
        ),
        steps=(_verify("storage"),),
        start=Start.CLUSTER,
        hosts=3,
        memory=4000,
        artifacts=("platform",),
    ),
    Scenario(
        "ingress",
        "Ingress, manifests of ingress-nginx and Gateway API are served, old clients where asked for; a rollout "
        "loses no request, an address moves within 5 s of a power cut, and a load balancer passes on who the client is",
        seconds=850,
        paths=(
            *_LAB,
            "roles/ingress/*",
            "roles/network/vars/*",
            "playbooks/platform.yml",
            "plugins/action/api_objects.py",
            "plugins/action/ingress_plan.py",
            "plugins/plugin_utils/_ingress/*",
            "plugins/plugin_utils/_kube_api/*",
            "molecule/ingress/*",
        ),
        steps=(_verify("ingress"),),
        start=Start.CLUSTER,
        hosts=3,
        memory=4500,
        artifacts=("platform",),
        measures_time=True,
    ),
    Scenario(
        "certificates",
        "certificates that end soon are renewed and read, all of them also when they have expired and nobody answers; "
        "the key of encryption at rest is rotated, also when each step is interrupted",
        seconds=400,
        paths=(
            *_LAB,
            *_NODE_ROLES,
            *_NODE_CODE,
            "roles/renew_certificates/*",
            "roles/encryption_at_rest/*",
            "roles/kubelet_csr_approver/*",
            "playbooks/renew_certificates.yml",
            "playbooks/rotate_encryption_key.yml",
            "plugins/module_utils/_certificates/*",
            "plugins/module_utils/_encryption/*",
            "plugins/modules/*",
            "molecule/certificates/*",
        ),
        steps=(_verify("certificates"),),
        start=Start.CLUSTER,
        hosts=3,
        memory=4000,
    ),
    Scenario(
        "metrics",
        "Prometheus scrapes every node, for nobody without a certificate; Grafana shows all of them, each fault is "
        "named with node, job and cause, and nodes come and go",
        seconds=850,
        paths=(
            *_LAB,
            "playbooks/metrics.yml",
            "roles/metrics/*",
            "playbooks/verify_metrics.yml",
            "roles/grafana/*",
            "roles/node_exporter/*",
            "roles/prometheus/*",
            "plugins/*_metrics/*",
            "plugins/*grafana*",
            "plugins/*/metrics_certificate.py",
            "plugins/*/cluster_metrics.py",
            "molecule/metrics/*",
        ),
        steps=(_verify("metrics"),),
        start=Start.CLUSTER,
        hosts=3,
        memory=4500,
        artifacts=("metrics",),
    ),
    Scenario(
        "ca_rotation",
        "the CA of three control planes and a worker is rotated, the controller killed in each step: clients that know "
        "the former CA alone are served all the time, no pod restarts, and a host joins",
        seconds=1150,
        paths=(
            *_LAB,
            "roles/ca_rotation/*",
            "roles/renew_certificates/*",
            "roles/kubelet_csr_approver/*",
            "playbooks/rotate_ca.yml",
            "plugins/module_utils/_certificates/*",
            "plugins/module_utils/_formats/kubeconfig.py",
            "plugins/modules/ca_rotation.py",
            "plugins/modules/kubelet_credentials.py",
            "plugins/plugin_utils/_cluster/lease.py",
            "molecule/ca_rotation/*",
        ),
        steps=_on_fresh_hosts("ca_rotation"),
        start=Start.FRESH,
        hosts=4,
        memory=6000,
        measures_time=True,
        long=True,
    ),
    Scenario(
        "reset",
        "a host and a whole cluster are removed and nothing else is, also with dead daemons and a killed "
        "controller; the hosts become a new cluster",
        seconds=260,
        paths=(
            *_LAB,
            *_NODE_ROLES,
            "roles/reset/*",
            "playbooks/reset.yml",
            "plugins/module_utils/_formats/bolt.py",
            "plugins/module_utils/_os/*",
            "plugins/module_utils/_reset/*",
            "plugins/modules/*reset*",
            "molecule/reset/*",
        ),
        steps=(_verify("reset"),),
        start=Start.CLUSTER,
        hosts=3,
        memory=4000,
    ),
    Scenario(
        "field",
        "what public bug reports of other tools describe: each condition is refused by name before anything changes, "
        "or the cluster works with it",
        seconds=380,
        paths=(*_LAB, *_NODE_ROLES, *_NODE_CODE, "roles/*", "plugins/*", "playbooks/*", "molecule/field/*"),
        steps=(_verify("field"),),
        start=Start.CLUSTER,
        hosts=3,
        memory=4000,
    ),
    Scenario(
        "maintenance",
        "hosts are drained and returned to service, budgets are kept, hosts that need it reboot in turn, and nodes "
        "have the labels, annotations and taints that the inventory declares and no others",
        seconds=460,
        paths=(
            *_LAB,
            "roles/maintenance/*",
            "roles/node/*",
            "playbooks/*drain_node.yml",
            "playbooks/uncordon_node.yml",
            "playbooks/reboot_nodes.yml",
            "roles/reboot_nodes/*",
            "plugins/*/*reboot*",
            "plugins/action/node_boot.py",
            "playbooks/verify.yml",
            "plugins/plugin_utils/_cluster/*",
            "plugins/plugin_utils/_drain/*",
            "plugins/action/cluster_health.py",
            "plugins/action/node_drain.py",
            "molecule/maintenance/*",
        ),
        steps=(_verify("maintenance"),),
        start=Start.CLUSTER,
        hosts=3,
        memory=4000,
    ),
    Scenario(
        "upgrade",
        "from one minor version to the next without a lost request, also when it is interrupted or power is lost; a "
        "control plane that does not work with its new version is undone, and the next site changes nothing",
        seconds=590,
        paths=(
            *_LAB,
            *_NODE_ROLES,
            *_NODE_CODE,
            "roles/upgrade/*",
            "roles/network/*",
            "roles/helm_release/*",
            "roles/worker/*",
            "playbooks/upgrade.yml",
            "plugins/plugin_utils/_upgrade/*",
            "plugins/plugin_utils/_drain/*",
            "plugins/modules/*upgrade*",
            "molecule/upgrade/*",
        ),
        # The inventory gets the checksums of the version that is upgraded to.
        steps=(
            Step("lab up", _python("lab", "up")),
            _verify("upgrade", "lab up"),
        ),
        start=Start.CLUSTER,
        hosts=3,
        memory=4500,
        artifacts=("kubernetes-1.37",),
        measures_time=True,
    ),
    Scenario(
        "cis",
        "the CIS audit passes on a cluster by site and after an upgrade, finds and remediates 40 faults, and "
        "agrees with kube-bench, also on a cluster by kubeadm alone",
        seconds=800,
        paths=(
            *_LAB,
            "roles/cis/*",
            "playbooks/cis*",
            "plugins/*cis*",
            "roles/control_plane/*",
            "roles/kubelet/*",
            "tests/differences.py",
            "tests/kubebench.py",
            "tests/tools.py",
            "molecule/cis/*",
        ),
        steps=(_verify("cis"),),
        start=Start.CLUSTER,
        hosts=5,
        memory=6500,
        artifacts=("kube_bench",),
        # Its one test with a time limit measures how busy the machine is, and allows for that.
        labs=("cis",),
    ),
    Scenario(
        "chaos",
        "ten operations and faults in an order that a seed decides, on three control planes and a worker: all that a "
        "client's writes were acknowledged for is there, the next site changes nothing, and all of it can be upgraded",
        seconds=2070,
        paths=(
            *_LAB,
            *_NODE_ROLES,
            *_NODE_CODE,
            "playbooks/*",
            "plugins/plugin_utils/_node/*",
            "molecule/chaos/*",
        ),
        steps=_on_fresh_hosts("chaos"),
        start=Start.FRESH,
        hosts=4,
        memory=6000,
        artifacts=("kubernetes-1.37",),
        measures_time=True,
        long=True,
    ),
    Scenario(
        "matrix",
        "unit tests, templates and `ansible-test sanity` on the oldest and the newest ansible-core",
        seconds=330,
        paths=(
            "plugins/*",
            "roles/*",
            "meta/*",
            "galaxy.yml",
            "requirements.txt",
            "tests/matrix/*",
            "tests/unit/plugins/*",
        ),
        steps=(*_matrix("oldest"), *_matrix("newest")),
        memory=1500,
        environments=("oldest", "newest"),
    ),
    Scenario(
        "reports",
        "reports of the CIS audit are valid by the published schemas of JUnit, SARIF and OSCAL, and work in a browser",
        seconds=30,
        paths=("plugins/*cis*", "roles/cis/*", "tests/reports/*"),
        steps=_pytest("tests/reports"),
        memory=1000,
    ),
    Scenario(
        "rules",
        "Prometheus' own tool accepts configuration and rules, and each alert fires when it has to, and not otherwise",
        seconds=250,
        paths=(
            "roles/prometheus/*",
            "docs/runbooks.md",
            "tests/rules/*",
            "tests/promtool.py",
            "tests/tools.py",
            "lab/catalogue.yml",
        ),
        steps=_pytest("tests/rules"),
        artifacts=("metrics",),
    ),
    Scenario(
        "grafana",
        "the modules for Grafana over HTTP, with a contract server that two clients of others hold to Grafana's API",
        seconds=300,
        paths=("plugins/*grafana*", "tests/grafana/*"),
        steps=_pytest("--numprocesses=2", "tests/grafana"),
        memory=1500,
    ),
    Scenario(
        "lab",
        "hosts boot, reboot, lose power, are saved and restored, and leave nothing behind on the machine",
        seconds=35,
        paths=("lab/*", "tests/integration/*"),
        steps=_pytest("tests/integration"),
        hosts=3,
        memory=700,
        labs=("bmt",),
    ),
)
SCENARIOS = {scenario.name: scenario for scenario in TABLE}
