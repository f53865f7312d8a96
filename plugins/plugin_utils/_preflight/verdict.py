# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The verdict of a preflight: pure functions from the facts of the hosts to findings, and to a report for people."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.cluster_checks import (
    check_cluster,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.host_checks import check_host
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.model import (
    ERROR,
    IGNORED,
    WARNING,
    Finding,
    Host,
    Site,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.networks import check_networks

_ORDER = {ERROR: 0, WARNING: 1, IGNORED: 2}
SITE_NAME = "the site"


def evaluate(
    hosts: t.Sequence[Host], site: Site, ignored: t.Collection[str] = (), warned: t.Collection[str] = ()
) -> list[Finding]:
    """All findings: the site first, then hosts in their order, errors before warnings.

    :param ignored: checks whose findings are ignored. :param warned: checks whose errors are reported as warnings.
    """
    found = [*check_cluster(hosts, site), *check_networks([host for host in hosts if host.node], site)]
    for host in hosts:
        found += check_host(host, site)
    return arrange(found, hosts, ignored, warned)


def arrange(
    found: t.Iterable[Finding], hosts: t.Sequence[Host], ignored: t.Collection[str], warned: t.Collection[str]
) -> list[Finding]:
    """The same findings with the severity that the site has configured, in the order of a report."""
    place = {host.name: number for number, host in enumerate(hosts, start=1)}

    def severity(item: Finding) -> str:
        if item.check in ignored:
            return IGNORED
        return WARNING if item.check in warned else item.severity

    changed = [dataclasses.replace(item, severity=severity(item)) for item in found]
    return sorted(changed, key=lambda item: (place.get(item.host, 0), _ORDER[item.severity]))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _line(item: Finding) -> str:
    return f"[{item.check}] found {item.found}; expected {item.expected}. {item.fix}"


def _grouped(findings: t.Iterable[Finding]) -> dict[tuple[str, ...], list[str]]:
    """Lines by the hosts that they concern, in the order of their first host."""
    about: dict[str, list[str]] = {}
    for item in findings:
        about.setdefault(_line(item), []).append(item.host or SITE_NAME)
    groups: dict[tuple[str, ...], list[str]] = {}
    for text, names in about.items():
        groups.setdefault(tuple(dict.fromkeys(names)), []).append(text)
    return groups


def report(findings: t.Sequence[Finding], hosts: int) -> str:
    """The message of a failed preflight: every error and warning, by host.

    A finding that several hosts share is listed once, with all their names.
    """
    errors = [item for item in findings if item.severity == ERROR]
    warnings = [item for item in findings if item.severity == WARNING]
    lines = [
        f"Preflight found {_count(len(errors), 'error')} and {_count(len(warnings), 'warning')} on"
        f" {_count(hosts, 'host')}. Nothing was changed."
    ]
    for chosen, suffix in ((errors, ""), (warnings, " (warnings)")):
        for names, texts in _grouped(chosen).items():
            lines.append(f"{', '.join(names)}{suffix}:")
            lines += [f"  - {text}" for text in texts]
    lines.append(
        "docs/preflight.md explains each check; preflight_ignore and preflight_warn take their names."
    )
    return "\n".join(lines)


def warning_lines(findings: t.Iterable[Finding]) -> list[str]:
    """Warnings of a run that continues: one line for a finding that several hosts share."""
    groups = _grouped(item for item in findings if item.severity == WARNING)
    return [f"{', '.join(names)}: {text}" for names, texts in groups.items() for text in texts]
