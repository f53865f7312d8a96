# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 5: policies of the cluster."""

from __future__ import annotations

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import Check, policy

_GRANT = (
    "All roles and bindings in the API. Listed are the subjects, with binding and role; subjects of"
    " Kubernetes itself"
    " that require it are known by name."
)
_PODS = (
    "What Pod Security admission, validating admission policies, Kyverno or Gatekeeper forbid in each"
    " namespace, and"
    " the Pods that run there, with all kinds of containers."
)
_LABEL = "Enforce the Pod Security level {} in the namespace, and fix the listed workloads."


def _grant(check: str, title: str, what: str, remediation: str = "") -> Check:
    return policy(
        check,
        title,
        f"{_GRANT} {what}",
        remediation
        or "Remove the permission from the listed roles, or the subjects from the listed bindings.",
    )


def _pods(check: str, title: str, what: str, standard: str, level: int = 1) -> Check:
    return policy(check, title, f"{_PODS} {what}", _LABEL.format(standard), level)


CHECKS: tuple[Check, ...] = (
    _grant(
        "5.1.1",
        "cluster-admin is bound only where it is required",
        "Bindings to cluster-admin, in namespaces as well.",
        "Bind a role with the permissions that the subject needs.",
    ),
    _grant("5.1.2", "Few subjects can read Secrets", "Permissions: get, list and watch of secrets."),
    _grant(
        "5.1.3",
        "Roles do not use wildcards",
        "Wildcards among groups, resources and verbs of roles that are not Kubernetes' own.",
        "List the required groups, resources and verbs.",
    ),
    _grant(
        "5.1.4",
        "Few subjects can create Pods",
        "Permissions: create of pods and of workloads that create Pods.",
    ),
    policy(
        "5.1.5",
        "Default service accounts are not used",
        "In each namespace: the account default has no permissions, mounts no token, and Pods that use it"
        " mount none.",
        "Set automountServiceAccountToken: false on the account default; give Pods that use the API an account"
        " of their own.",
    ),
    policy(
        "5.1.6",
        "Service account tokens are mounted only where needed",
        "Pods that mount the token of an account without any binding; Kubernetes' own are known.",
        "Set automountServiceAccountToken: false on the account or in the Pod.",
    ),
    policy(
        "5.1.7",
        "The group system:masters is not used",
        "Bindings to the group, certificate signing requests for it, and client certificates on control"
        " planes with this"
        " organization; super-admin.conf is listed.",
        "Give the certificate's holder a group with a role; keep super-admin.conf off the hosts.",
    ),
    _grant(
        "5.1.8",
        "Few subjects can escalate privileges (bind, escalate, impersonate)",
        "Permissions: bind and escalate of roles, and impersonate.",
    ),
    _grant("5.1.9", "Few subjects can create PersistentVolumes", "Permission: create of persistentvolumes."),
    _grant(
        "5.1.10",
        "Few subjects can access nodes/proxy",
        "Permission: nodes/proxy.",
        "Grant nodes/metrics, nodes/stats, nodes/log or nodes/healthz instead, which kubelets authorize"
        " separately.",
    ),
    _grant(
        "5.1.11",
        "Few subjects can approve certificate signing requests",
        "Permissions: update of certificatesigningrequests/approval, and approve of signers.",
    ),
    _grant(
        "5.1.12",
        "Few subjects can change admission webhooks and policies",
        "Permissions: write access to webhook configurations and admission policies.",
    ),
    _grant(
        "5.1.13",
        "Few subjects can create service account tokens",
        "Permission: create of serviceaccounts/token.",
    ),
    policy(
        "5.2.1",
        "Pod security is enforced in every namespace",
        "Each namespace has an enforcing Pod Security label or default, or a ValidatingAdmissionPolicy, or"
        " a policy of"
        " Kyverno or Gatekeeper applies to its Pods.",
        "Set pod-security.kubernetes.io/enforce on the namespace, or a default in the admission configuration.",
    ),
    _pods("5.2.2", "No privileged containers", "securityContext.privileged.", "baseline"),
    _pods("5.2.3", "No Pods in the host PID namespace", "hostPID.", "baseline"),
    _pods("5.2.4", "No Pods in the host IPC namespace", "hostIPC.", "baseline"),
    _pods("5.2.5", "No Pods in the host network", "hostNetwork.", "baseline"),
    _pods(
        "5.2.6",
        "No containers that allow privilege escalation",
        "allowPrivilegeEscalation; unset allows it.",
        "restricted",
    ),
    _pods("5.2.7", "No containers that run as root", "runAsNonRoot, or runAsUser above 0.", "restricted", 2),
    _pods(
        "5.2.8",
        "No containers with the capability NET_RAW",
        "capabilities.drop has ALL or NET_RAW.",
        "restricted",
    ),
    _pods(
        "5.2.9",
        "Containers drop all capabilities",
        "capabilities.drop has ALL; nothing but NET_BIND_SERVICE is added.",
        "restricted",
        2,
    ),
    _pods(
        "5.2.10",
        "No Windows HostProcess containers",
        "windowsOptions.hostProcess; not applicable without Windows nodes.",
        "baseline",
    ),
    _pods("5.2.11", "No hostPath volumes", "Volumes of type hostPath.", "baseline"),
    _pods("5.2.12", "No host ports", "hostPort.", "baseline"),
    policy(
        "5.3.1",
        "The CNI plugin enforces network policies",
        "The CNI plugin is recognised by its DaemonSet; which plugins enforce policies is known.",
        "Use a CNI plugin that enforces them, such as Cilium or Calico.",
    ),
    policy(
        "5.3.2",
        "Every namespace has network policies",
        "For each namespace: a default-deny policy that selects all Pods.",
        "Add a default-deny policy, then policies that allow the required traffic.",
        level=2,
    ),
    policy(
        "5.4.1",
        "Secrets are mounted as files, not as environment variables",
        "env and envFrom of all containers in Pod templates of workloads.",
        "Mount the Secret as a volume: environment variables leak into dumps and child processes.",
        level=2,
    ),
    policy(
        "5.4.2",
        "An external secret store was considered",
        "Signs of one: a KMS provider, the Secrets Store CSI driver, External Secrets or the Vault"
        " operator. Without"
        " one, you have to decide.",
        "Consider a store with its own audit and rotation; record the decision as an attestation.",
        level=2,
    ),
    policy(
        "5.5.1",
        "Only images of verified origin run",
        "Signs of it: ImagePolicyWebhook, or policies of Kyverno, Sigstore or Ratify that verify images."
        " Without one,"
        " you have to decide.",
        "Verify image signatures by a policy; record the decision as an attestation.",
        level=2,
    ),
    policy(
        "5.6.1",
        "Namespaces separate unrelated workloads",
        "Namespaces are listed with what they contain. Only you know whether they follow your boundaries.",
        "Give teams and applications their own namespaces; record the review as an attestation.",
    ),
    policy(
        "5.6.2",
        "Pods use the RuntimeDefault seccomp profile",
        "seccompProfile of Pods and containers, and seccompDefault of the kubelets.",
        "Set seccompProfile.type: RuntimeDefault, or seccompDefault on all kubelets (4.2.14).",
        level=2,
    ),
    policy(
        "5.6.3",
        "Pods and containers have a security context",
        "Workloads whose Pods and containers set none of runAsNonRoot, allowPrivilegeEscalation, capabilities,"
        " seccompProfile and readOnlyRootFilesystem.",
        "Set a securityContext with only what the workload needs.",
        level=2,
    ),
    policy(
        "5.6.4",
        "The namespace default is empty",
        "Objects in it other than the Service kubernetes, the account default and the ConfigMap with the CA.",
        "Move workloads into their own namespaces.",
        level=2,
    ),
)
