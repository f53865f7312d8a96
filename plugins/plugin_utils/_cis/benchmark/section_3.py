# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 3: authentication of users, and audit logging."""

from __future__ import annotations

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import remedies
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import (
    API_SERVER,
    RESTART,
    Check,
    policy,
)

_FLAG = "The command line of the running API server"

CHECKS: tuple[Check, ...] = (
    policy(
        "3.1.1",
        "Users do not authenticate with client certificates",
        "Client certificates that were issued through the API, and those in files of the control plane, are"
        " listed."
        " Only you know who holds them.",
        "Let users log in through an OpenID provider; keep admin.conf for emergencies.",
        level=1,
    ),
    policy(
        "3.1.2",
        "Users do not authenticate with service account tokens",
        "Secrets of type service-account-token, with the time of their last use if the API records it.",
        "Delete tokens that people use; Pods get theirs as projected volumes.",
    ),
    policy(
        "3.1.3",
        "Users do not authenticate with bootstrap tokens",
        "Bootstrap tokens that have not expired, and allow authentication with groups other than kubeadm's.",
        "Delete them: kubeadm token delete ID.",
    ),
    policy(
        "3.2.1",
        "An audit policy exists",
        f"{_FLAG}: --audit-policy-file is set to a readable file with rules.",
        "Write a policy, and set --audit-policy-file.",
        component=API_SERVER,
        risk=RESTART,
        remedy=remedies.flags(*remedies.AUDIT_LOG),
    ),
    policy(
        "3.2.2",
        "The audit policy covers security-relevant requests",
        "The policy's rules are applied, in order, to sample requests: secrets, configmaps and tokenreviews"
        " (metadata at most), pods, deployments, exec, attach, port-forward, proxy, certificate requests,"
        " tokens.",
        "Add rules for the listed requests; put those for Secrets first, at level Metadata.",
        level=2,
        component=API_SERVER,
        risk=RESTART,
        remedy=remedies.Remedy(
            remedies.CONTROL_PLANE,
            remedies.AUDIT_LOG,
            reason="An existing policy is kept: add the missing rules to it yourself.",
        ),
    ),
)
