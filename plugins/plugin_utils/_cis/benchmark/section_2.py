# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 2: etcd."""

from __future__ import annotations

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import remedies
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import (
    BREAKING,
    ETCD,
    MANUAL,
    Check,
    setting,
)

_ETCD_SETTING = (
    "The running etcd: its configuration file, else its flags, else its environment variables, as etcd"
    " itself does."
)

CHECKS: tuple[Check, ...] = (
    setting(
        "2.1",
        ETCD,
        "etcd serves clients over TLS",
        f"{_ETCD_SETTING} cert-file and key-file are set.",
        "Set both, and use https URLs for clients.",
        remedy=remedies.unset(remedies.ETCD, "cert-file", "key-file"),
    ),
    setting(
        "2.2",
        ETCD,
        "etcd requires client certificates",
        f"{_ETCD_SETTING} client-cert-auth is true.",
        "Set client-cert-auth to true, and trusted-ca-file with it.",
        risk=BREAKING,
        remedy=remedies.unset(remedies.ETCD, "client-cert-auth", "trusted-ca-file"),
    ),
    setting(
        "2.3",
        ETCD,
        "etcd does not generate its own client-facing certificate (auto-tls)",
        f"{_ETCD_SETTING} auto-tls is not true.",
        "Remove auto-tls; no client can verify such a certificate.",
        remedy=remedies.unset(remedies.ETCD, "auto-tls"),
    ),
    setting(
        "2.4",
        ETCD,
        "etcd peers communicate over TLS",
        f"{_ETCD_SETTING} peer-cert-file and peer-key-file are set.",
        "Set both on all members, one after the other.",
        remedy=remedies.unset(remedies.ETCD, "peer-cert-file", "peer-key-file"),
    ),
    setting(
        "2.5",
        ETCD,
        "etcd requires peer certificates",
        f"{_ETCD_SETTING} peer-client-cert-auth is true.",
        "Set peer-client-cert-auth to true on all members, and peer-trusted-ca-file with it.",
        risk=BREAKING,
        remedy=remedies.unset(remedies.ETCD, "peer-client-cert-auth", "peer-trusted-ca-file"),
    ),
    setting(
        "2.6",
        ETCD,
        "etcd does not generate its own peer certificate (peer-auto-tls)",
        f"{_ETCD_SETTING} peer-auto-tls is not true.",
        "Remove peer-auto-tls.",
        remedy=remedies.unset(remedies.ETCD, "peer-auto-tls"),
    ),
    setting(
        "2.7",
        ETCD,
        "etcd has a CA of its own",
        f"{_ETCD_SETTING} The public keys in trusted-ca-file are compared with those of the API server's"
        " client CA;"
        " effectively they must differ.",
        "Sign etcd's certificates with a dedicated CA, as kubeadm does in pki/etcd.",
        level=2,
        assessment=MANUAL,
        risk=BREAKING,
        remedy=remedies.unset(remedies.ETCD, "trusted-ca-file"),
    ),
)
