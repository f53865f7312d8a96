# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Releases of the benchmark: their checks and levels, and the versions of Kubernetes that they are for.

Ids differ between releases: whatever names a check names the profile as well.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import catalogue
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import Check

DEFAULT = "cis-2.0"

EFFECTIVE = "effective"
LITERAL = "literal"
#: Which verdict counts: on the effective configuration, or by the wording of the benchmark.
BASES = (EFFECTIVE, LITERAL)


@dataclass(frozen=True)
class Profile:
    """One release of the benchmark.

    :param name: as users write it. :param benchmark: version of the benchmark.
    :param kubernetes: minor versions in its declared scope; empty when that is not known.
    :param provisional: whether it is based on incomplete knowledge of the benchmark.
    :param levels: levels that differ from the catalogue.
    :param accepts_intent: checks whose wording is met by the effective verdict.
    """

    name: str
    benchmark: str
    kubernetes: tuple[str, ...]
    provisional: bool = False
    levels: t.Mapping[str, int] = field(default_factory=dict)
    accepts_intent: frozenset[str] = frozenset()

    @property
    def checks(self) -> dict[str, Check]:
        """All its checks by id, in order."""
        return {
            check.id: dataclasses.replace(check, level=self.levels.get(check.id, check.level))
            for check in catalogue.CHECKS.values()
        }

    def verdict(self, check_id: str, effective: str, literal: str, basis: str) -> str:
        """The verdict that counts.

        :param basis: C(effective) or C(literal).
        """
        wording = effective if check_id in self.accepts_intent else literal
        return wording if basis == LITERAL else effective

    def notices(self, kubernetes_version: str) -> list[str]:
        """What a reader has to know about the scope of the report.

        :param kubernetes_version: of the cluster, with or without C(v); empty when it is not known.
        """
        found = []
        if self.provisional:
            found.append(
                f"Profile {self.name} is provisional: of benchmark {self.benchmark} only the change of"
                f" {', '.join(sorted(self.accepts_intent))} is known; all other checks are those of {DEFAULT}."
            )
        version = re.match(r"v?(\d+\.\d+)", kubernetes_version)
        if version is None:
            found.append(
                "The version of Kubernetes is not known, nor whether it is in the benchmark's declared scope."
            )
        elif not self.kubernetes:
            found.append(
                f"The declared scope of benchmark {self.benchmark} is not known here;"
                f" this cluster has Kubernetes {kubernetes_version.lstrip('v')}."
            )
        elif version[1] not in self.kubernetes:
            found.append(
                f"Kubernetes {kubernetes_version.lstrip('v')} is outside the declared scope of benchmark"
                f" {self.benchmark} ({self.kubernetes[0]} to {self.kubernetes[-1]}): its checks are evaluated"
                " all the same, but the benchmark was not written for this version."
            )
        return found


#: 5.2.9 moved from level 1 to 2 with 2.0; nothing else differs in checks, levels and assessments.
PROFILES: t.Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("cis-1.12", "1.12.0", ("1.32", "1.33", "1.34"), levels={"5.2.9": 1}),
        Profile("cis-2.0", "2.0.1", ("1.34", "1.35")),
        Profile("cis-2.1", "2.1.0", (), provisional=True, accepts_intent=frozenset({"1.2.1"})),
    )
}
