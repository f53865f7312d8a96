# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Sections 1.3 and 1.4: the controller manager and the scheduler."""

from __future__ import annotations

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import remedies
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import (
    CONTROLLER_MANAGER,
    MANUAL,
    SCHEDULER,
    Check,
    setting,
)

_KCM = "The command line of the running controller manager"

CHECKS: tuple[Check, ...] = (
    setting(
        "1.3.1",
        CONTROLLER_MANAGER,
        "The threshold for garbage collection of terminated Pods is set",
        f"{_KCM}: --terminated-pod-gc-threshold is set, and above 0; its default is 12500.",
        "Set the flag, for instance to 1000. The benchmark's example, 10, also removes Pods that show why"
        " they failed.",
        assessment=MANUAL,
        remedy=remedies.flags(remedies.value(remedies.MANAGER, "terminated-pod-gc-threshold", "1000")),
    ),
    setting(
        "1.3.2",
        CONTROLLER_MANAGER,
        "Profiling of the controller manager is disabled",
        f"{_KCM}: --profiling=false; its default is true.",
        "Set --profiling=false.",
        remedy=remedies.flags(remedies.value(remedies.MANAGER, "profiling", "false")),
    ),
    setting(
        "1.3.3",
        CONTROLLER_MANAGER,
        "Each controller uses its own service account",
        f"{_KCM}: --use-service-account-credentials=true.",
        "Set the flag to true.",
        remedy=remedies.unset(remedies.MANAGER, "use-service-account-credentials"),
    ),
    setting(
        "1.3.4",
        CONTROLLER_MANAGER,
        "Service account tokens are signed with a dedicated key",
        f"{_KCM}: --service-account-private-key-file is set, and the file exists.",
        "Set the flag to the private key that belongs to the API server's public key (1.2.22).",
        remedy=remedies.unset(remedies.MANAGER, "service-account-private-key-file"),
    ),
    setting(
        "1.3.5",
        CONTROLLER_MANAGER,
        "Pods are given the CA that verifies the API server",
        f"{_KCM}: --root-ca-file is set, and the file exists.",
        "Set --root-ca-file to the CA that signed the API server's certificate.",
        remedy=remedies.unset(remedies.MANAGER, "root-ca-file"),
    ),
    setting(
        "1.3.6",
        CONTROLLER_MANAGER,
        "Rotation of kubelet serving certificates is not disabled",
        f"{_KCM}: the feature gate RotateKubeletServerCertificate is not disabled; it is enabled by default.",
        "Remove RotateKubeletServerCertificate=false from --feature-gates.",
        remedy=remedies.flags(
            remedies.words(remedies.MANAGER, "feature-gates", remove=["RotateKubeletServerCertificate=false"])
        ),
    ),
    setting(
        "1.3.7",
        CONTROLLER_MANAGER,
        "The controller manager listens on loopback only",
        f"{_KCM}: --bind-address is a loopback address, IPv4 or IPv6. Effectively its default, all"
        " addresses, fails.",
        "Set --bind-address=127.0.0.1.",
        remedy=remedies.unset(remedies.MANAGER, "bind-address"),
    ),
    setting(
        "1.4.1",
        SCHEDULER,
        "Profiling of the scheduler is disabled",
        "The command line of the running scheduler; with --config, enableProfiling in that file, as the"
        " flag is then"
        " ignored.",
        "Set --profiling=false, or enableProfiling: false in its configuration.",
        remedy=remedies.flags(remedies.value(remedies.SCHEDULER, "profiling", "false")),
    ),
    setting(
        "1.4.2",
        SCHEDULER,
        "The scheduler listens on loopback only",
        "The command line of the running scheduler: --bind-address is a loopback address, IPv4 or IPv6."
        " Effectively"
        " its default, all addresses, fails.",
        "Set --bind-address=127.0.0.1.",
        remedy=remedies.unset(remedies.SCHEDULER, "bind-address"),
    ),
)
