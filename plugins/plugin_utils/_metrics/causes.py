# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What an error of a scrape means, and what to do about it. Pure."""

from __future__ import annotations

import re
import typing as t

#: Pattern in the error of Prometheus -> what to do.
_STEPS: t.Final[tuple[tuple[str, str], ...]] = (
    (
        r"certificate has expired|not yet valid",
        "a certificate is expired, or a clock is wrong: run the playbook metrics, which renews certificates, and"
        " compare the clocks",
    ),
    (
        r"unknown authority|certificate signed by",
        "it has a certificate of another CA: run the playbook metrics, for kubelets renew_certificates",
    ),
    (
        r"certificate is valid for|doesn't contain any IP SANs|not valid for any names",
        "its certificate is for other addresses: run the playbook metrics, which issues one for the addresses of"
        " the inventory",
    ),
    (
        r"remote error: tls|bad certificate|certificate required",
        "it refuses the certificate of Prometheus: run the playbook metrics",
    ),
    (
        r"connection refused",
        "nothing listens there: start the service on the host and look at its log",
    ),
    (
        r"deadline exceeded|timeout|timed out",
        "no answer: a network policy or a firewall drops the packets, or the host is overloaded or off",
    ),
    (r"no route to host|network is unreachable|host is down", "the host is off or not connected"),
    (r"no such host|server misbehaving", "its name cannot be resolved by the host of Prometheus"),
    (
        r"\b401\b|Unauthorized",
        "it does not accept the credentials of Prometheus: run the playbook metrics, which mints a new token",
    ),
    (
        r"\b403\b|Forbidden",
        "Prometheus may not read it: run the playbook metrics, which grants nodes/metrics",
    ),
    (r"server returned HTTP status", "look at its log on the host"),
)


def step(error: str) -> str:
    """What to do about an error of Prometheus, empty when that is not known."""
    for pattern, text in _STEPS:
        if re.search(pattern, error, re.IGNORECASE):
            return text
    return ""
