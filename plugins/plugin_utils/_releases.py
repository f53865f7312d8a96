# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Releases of components: where a file is downloaded from and its checksum. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

NO_ARCHITECTURE = "noarch"


class ReleaseError(OperatorError):
    """The lock file has no such release."""


def _for_arch(by_arch: t.Any, arch: str) -> str | None:
    if not isinstance(by_arch, t.Mapping):
        return None
    value = by_arch.get(arch) or by_arch.get(NO_ARCHITECTURE)
    return str(value) if value else None


def _known(values: t.Iterable[str]) -> str:
    return ", ".join(sorted(values)) or "none"


def release_file(
    releases: t.Mapping[str, t.Any],
    component: str,
    version: str,
    arch: str,
    files_url: str = "",
    checksums: t.Mapping[str, t.Any] | None = None,
) -> dict[str, str]:
    """URL and checksum of a release file.

    :param releases: component -> C(url) with C({version}) and C({arch}), and C(checksums): version -> arch -> checksum.
    :param files_url: URL of a mirror; it keeps upstream's host and path below its own.
    :param checksums: component -> version -> arch -> checksum, winning over those of C(releases).
    :raises ReleaseError: for an unknown component, or without a checksum for version and architecture.
    """
    if component not in releases:
        raise ReleaseError(
            f"There is no release file {component!r}; known are {_known(releases)}.",
            "Correct the component's name.",
        )
    entry = releases[component]
    version = str(version)
    if version.startswith("v"):
        raise ReleaseError(
            f"The version of {component} is {version!r}, expected it without the leading v.",
            "Correct the version.",
        )
    own = (checksums or {}).get(component) or {}
    published = entry.get("checksums") or {}
    checksum = _for_arch(own.get(version), arch) or _for_arch(published.get(version), arch)
    if checksum is None:
        versions = set(published) | set(own)
        if version in versions:
            arches = {key for data in (own.get(version), published.get(version)) for key in (data or {})}
            found = f"for the architectures {_known(arches)}"
        else:
            found = f"for the versions {_known(map(str, versions))}"
        raise ReleaseError(
            f"There is no checksum of {component} {version} for {arch}; there are checksums {found}.",
            f'Choose one of these, or set cluster_checksums: {{{component}: {{"{version}": {{{arch}: sha256:...}}}}}}'
            " to the checksum that upstream published.",
        )
    url = str(entry["url"]).format(version=version, arch=arch)
    if files_url:
        url = files_url.rstrip("/") + "/" + url.partition("://")[2]
    return {"name": f"{component} {version}", "url": url, "checksum": checksum}
