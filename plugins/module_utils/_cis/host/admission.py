# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The effective admission plugins and authorizers of an API server."""

from __future__ import annotations

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import structured
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.programs import Program

#: Enabled by default in Kubernetes 1.34 to 1.37 (C(DefaultOffAdmissionPlugins) in
#: pkg/kubeapiserver/options/plugins.go). Later releases have a few more, which no check needs.
DEFAULTS = frozenset(
    {
        "CertificateApproval",
        "CertificateSigning",
        "CertificateSubjectRestriction",
        "ClusterTrustBundleAttest",
        "DefaultIngressClass",
        "DefaultStorageClass",
        "DefaultTolerationSeconds",
        "LimitRanger",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionWebhook",
        "NamespaceLifecycle",
        "PersistentVolumeClaimResize",
        "PodSecurity",
        "PodTopologyLabels",
        "Priority",
        "ResourceQuota",
        "RuntimeClass",
        "ServiceAccount",
        "StorageObjectInUseProtection",
        "TaintNodesByCondition",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionWebhook",
    }
)


def enabled(program: Program) -> frozenset[str]:
    """Names of the effective plugins.

    Repeated flags add up. A plugin that is both enabled and disabled is enabled. The old C(--admission-control)
    lists all enabled plugins.
    """
    arguments = program.arguments
    if "admission-control" in arguments:
        return frozenset(arguments.words("admission-control"))
    off = frozenset(arguments.words("disable-admission-plugins"))
    return (DEFAULTS - off) | frozenset(arguments.words("enable-admission-plugins"))


def authorizers(program: Program) -> tuple[str, ...]:
    """Authorizers, in order: those of the configuration, else of the flag, else AlwaysAllow.

    :raises Undecided: when the configuration cannot be read.
    """
    path = program.value("authorization-config")
    if path:
        return structured.authorizers(structured.document(program, path, "AuthorizationConfiguration"))
    return program.arguments.words("authorization-mode") or ("AlwaysAllow",)
