# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters over the lock file; each is documented in the YAML file of its name."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils import _releases


def release_file(
    releases: t.Any,
    component: str,
    version: str,
    arch: str,
    files_url: str = "",
    checksums: t.Any = None,
) -> dict[str, str]:
    """See C(release_file.yml).

    :raises AnsibleFilterError: without such a component, or a checksum for version and architecture.
    """
    if not isinstance(releases, t.Mapping):
        raise AnsibleFilterError(
            f"release_file takes a dictionary of releases, found {type(releases).__name__}."
        )
    try:
        return _releases.release_file(releases, component, version, arch, files_url, checksums)
    except _releases.ReleaseError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {
            "release_file": release_file,
        }
