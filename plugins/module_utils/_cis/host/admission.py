# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Which admission plugins and authorizers of an API server are in force."""

from __future__ import annotations

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import structured
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.programs import Program

#: On without being asked for, in all of Kubernetes 1.34 to 1.37 (C(DefaultOffAdmissionPlugins) in
#: pkg/kubeapiserver/options/plugins.go). Later releases have a few more, which no check asks for.
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
    """Names of the plugins in force.

    The flags add up when they are there several times. What is enabled by name stays so although it is disabled, too.
    The old C(--admission-control) is a list of all that are on.
    """
    arguments = program.arguments
    if "admission-control" in arguments:
        return frozenset(arguments.words("admission-control"))
    off = frozenset(arguments.words("disable-admission-plugins"))
    return (DEFAULTS - off) | frozenset(arguments.words("enable-admission-plugins"))


def authorizers(program: Program) -> tuple[str, ...]:
    """Authorizers in their order: those of the configuration, else of the flag, else everything is allowed.

    :raises Undecided: when the configuration cannot be read.
    """
    path = program.value("authorization-config")
    if path:
        return structured.authorizers(structured.document(program, path, "AuthorizationConfiguration"))
    return program.arguments.words("authorization-mode") or ("AlwaysAllow",)
