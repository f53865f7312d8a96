# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 4.3: kube-proxy."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import kubelet
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.arguments import Arguments
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import (
    KUBE_PROXY,
    Process,
    Reader,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    FAIL,
    NOT_APPLICABLE,
    PASS,
    Evidence,
    Result,
    worst,
)

_NO_PROXY = "No kube-proxy runs on this host."


def _is_loopback(address: str) -> bool:
    text = address.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    if text == "localhost":
        return True
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def _proxy_metrics(reader: Reader, process: Process) -> tuple[str, str, Evidence]:
    """The effective and the literal verdict, and the evidence."""
    arguments = Arguments(process.argv)
    flag = arguments.last("metrics-bind-address") or ""
    config = arguments.last("config")
    source, key, value = f"process {KUBE_PROXY}", "--metrics-bind-address", flag
    if config:
        # With a file, kube-proxy ignores this flag.
        source, key = config, "metricsBindAddress"
        try:
            values = kubelet.document(reader, config, process)
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else exc
            return ERROR, ERROR, Evidence(config, key, f"could not be read: {reason}", "a loopback address")
        value = str(values.get(key) or "")
    good = not value or _is_loopback(value)
    literal = PASS if not flag or "127.0.0.1" in flag else FAIL
    status = PASS if good else FAIL
    return (
        status,
        literal,
        Evidence(source, key, value or "not set", "not set, or a loopback address", status),
    )


def _metrics(reader: Reader) -> Result:
    check_id = "4.3.1"
    found = [_proxy_metrics(reader, process) for process in reader.processes(KUBE_PROXY)]
    if not found:
        return Result(check_id, NOT_APPLICABLE, _NO_PROXY)
    status, literal = (worst(item[at] for item in found) for at in (0, 1))
    evidence = next(item[2] for item in found if item[0] == status)
    reason = {
        PASS: "kube-proxy serves its metrics on loopback only.",
        FAIL: f"kube-proxy serves its metrics and its configuration on {evidence.observed}.",
        ERROR: f"{evidence.source} {evidence.observed}. Correct it, as kube-proxy reads it as well.",
    }[status]
    return Result(
        check_id, status, reason, tuple(item[2] for item in found), "" if literal == status else literal
    )


CHECKS: t.Mapping[str, t.Callable[[Reader], Result]] = {"4.3.1": _metrics}
