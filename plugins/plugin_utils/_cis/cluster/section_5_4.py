# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 5.4: Secrets."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    FAIL,
    MANUAL,
    PASS,
    Evidence,
    Result,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.evaluation import (
    ASK_HOSTS,
    Evaluate,
    conclude,
    guarded_checks,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    Object,
    Snapshot,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.workloads import (
    containers,
    workloads,
)


def _from_environment(container: Object) -> list[str]:
    """Environment variables of a container that come from a Secret, with its name."""
    found = []
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if reference:
            found.append(f"{variable.get('name')} from Secret {reference.get('name')}")
    sources = (source.get("secretRef") for source in container.get("envFrom") or ())
    return [*found, *(f"all keys of Secret {source.get('name')}" for source in sources if source)]


def secrets_as_files(snapshot: Snapshot) -> Result:
    """5.4.1: Secrets are mounted as files, as an environment is inherited, logged and dumped."""
    evidence = []
    for workload in workloads(snapshot):
        texts = [
            f"container {container.get('name')}: {text}"
            for pod in workload.pods
            for container in containers(pod)
            for text in _from_environment(container)
        ]
        if texts:
            evidence.append(
                Evidence(
                    workload.source,
                    "env",
                    "; ".join(dict.fromkeys(texts)),
                    "a volume with the Secret",
                    FAIL,
                    workload.subject,
                    workload.namespace,
                )
            )
    return conclude(
        "5.4.1",
        evidence,
        good="No running container gets a Secret from its environment.",
        bad="{} workload(s) get Secrets from the environment.",
    )


_STORES: t.Mapping[str, str] = {
    "secretproviderclasses.secrets-store.csi.x-k8s.io": "the Secrets Store CSI driver mounts them",
    "externalsecrets.external-secrets.io": "External Secrets copies them into the cluster",
    "vaultstaticsecrets.secrets.hashicorp.com": "the Vault operator copies them into the cluster",
    "vaultdynamicsecrets.secrets.hashicorp.com": "the Vault operator creates temporary ones",
}


def external_store(snapshot: Snapshot) -> Result:
    """5.4.2: an external store of Secrets, or of their keys, was considered."""
    evidence = []
    for resource, use in _STORES.items():
        count = len(snapshot.custom(resource))
        if count:
            evidence.append(
                Evidence(
                    resource, "objects", f"{count}: {use}", "", PASS, f"CustomResourceDefinition/{resource}"
                )
            )
    servers = snapshot.api_servers
    providers = [((server.get("encryption") or {}).get("secrets") or [""])[0] for server in servers]
    if snapshot.all_servers_known and all(provider.startswith("kms") for provider in providers):
        evidence.append(
            Evidence("encryption of the API server", "secrets", "an external KMS has the keys", "", PASS)
        )
    if evidence:
        return conclude(
            "5.4.2", evidence, good="Secrets or their keys are stored outside the cluster.", bad=""
        )
    hosts = "" if snapshot.all_servers_known else f" Encryption is not known. {ASK_HOSTS}."
    return Result(
        "5.4.2",
        MANUAL,
        "No external secret store was found. Decide whether you need one: every backup of etcd has all"
        " Secrets, and so has"
        " everyone who can read Secrets in the API." + hosts,
    )


CHECKS: t.Mapping[str, Evaluate] = guarded_checks(
    {
        "5.4.1": secrets_as_files,
        "5.4.2": external_store,
    }
)
