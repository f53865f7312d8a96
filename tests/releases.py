# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Add a release to the collection's lock file, with the checksums that its project publishes.

``python -m tests.releases kubelet 1.37.1`` asks upstream, ``kubernetes`` stands for kubeadm, kubelet and kubectl. With
``--from FILE`` the checksums come from a YAML file instead: component, version, architecture -> ``sha256:...``. Former
releases stay, as clusters run them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

LOCK = Path(__file__).resolve().parent.parent / "roles" / "cluster" / "vars" / "main" / "releases.yml"
ARCHITECTURES = ("amd64", "arm64")
KUBERNETES = ("kubeadm", "kubelet", "kubectl")
#: Where a project publishes the checksum of a file, beside the file. A list names the file that it belongs to.
PUBLISHED = {
    "kubeadm": "{url}.sha256",
    "kubelet": "{url}.sha256",
    "kubectl": "{url}.sha256",
    "containerd": "{url}.sha256sum",
    "runc": "{directory}/runc.sha256sum",
    "cni_plugins": "{url}.sha256",
    "crictl": "{url}.sha256",
    "helm": "{url}.sha256sum",
    "prometheus": "{directory}/sha256sums.txt",
    "node_exporter": "{directory}/sha256sums.txt",
}
_SHA256 = re.compile(r"\b[0-9a-f]{64}\b")

Fetch = Callable[[str], str]
Checksums = dict[str, str]


class ReleaseError(Exception):
    """A release cannot be added; the message says why and what to do."""


def of_platform() -> set[str]:
    """Components that a mirror has with mirror_platform or mirror_metrics only."""
    values = yaml.safe_load((LOCK.parents[3] / "mirror" / "vars" / "main.yml").read_text(encoding="utf-8"))
    return {*values["__mirror_platform_components"], *values["__mirror_metrics_components"]}


def download(url: str) -> str:
    """The text at a URL.

    :raises ReleaseError: it cannot be had.
    """
    try:
        answer = httpx.get(url, follow_redirects=True, timeout=30)
        answer.raise_for_status()
    except httpx.HTTPError as exc:
        raise ReleaseError(f"{url}: {exc}; check the version, or give a file with --from") from exc
    return answer.text


def checksum_in(text: str, name: str) -> str:
    """The checksum of one file in what a project publishes: the checksum alone, or lines of checksum and name.

    :raises ReleaseError: there is none.
    """
    lines = [line for line in text.splitlines() if _SHA256.search(line)]
    chosen = [line for line in lines if line.split()[-1].lstrip("*").rpartition("/")[2] == name] or (
        lines if len(lines) == 1 else []
    )
    if len(chosen) != 1:
        raise ReleaseError(f"no SHA-256 of {name} in {text[:200]!r}")
    match = _SHA256.search(chosen[0])
    assert match
    return f"sha256:{match[0]}"


def published(component: str, version: str, url: str, fetch: Fetch) -> Checksums:
    """What a project publishes of a release, by architecture.

    :param url: of the file, with the places of version and architecture.
    :raises ReleaseError: it cannot be had.
    """
    if component not in PUBLISHED:
        raise ReleaseError(f"{component}: no published checksums are known; give a file with --from")
    found = {}
    for arch in ARCHITECTURES:
        file = url.format(version=version, arch=arch)
        directory, _, name = file.rpartition("/")
        found[arch] = checksum_in(fetch(PUBLISHED[component].format(url=file, directory=directory)), name)
    return found


def inserted(text: str, component: str, version: str, checksums: Mapping[str, str]) -> str:
    """The lock file with one more release, its other lines untouched.

    :raises ReleaseError: there is no such component, or it has the release with other checksums.
    """
    known: Mapping[str, Any] = yaml.safe_load(text)["cluster_releases"]
    if component not in known:
        raise ReleaseError(f"no component {component}; there are {', '.join(known)}")
    present = (known[component].get("checksums") or {}).get(version)
    if present == dict(checksums):
        return text
    if present is not None:
        raise ReleaseError(
            f"{component} {version} has other checksums already ({present}); published are {dict(checksums)}."
            " Find out why before you replace them"
        )
    lines = text.splitlines(keepends=True)
    at = lines.index(f"  {component}:\n")
    end = next((i for i in range(at + 1, len(lines)) if not lines[i].startswith("    ")), len(lines))
    new = [
        f'      "{version}":\n',
        *(f"        {arch}: {value}\n" for arch, value in sorted(checksums.items())),
    ]
    return "".join([*lines[:end], *new, *lines[end:]])


def add(text: str, component: str, version: str, fetch: Fetch, source: Mapping[str, Any] | None) -> str:
    """The lock file with the release of a component, or of all components of Kubernetes.

    :param source: checksums to take instead of asking upstream.
    """
    for name in KUBERNETES if component == "kubernetes" else (component,):
        releases = yaml.safe_load(text)["cluster_releases"]
        if name not in releases:
            raise ReleaseError(f"no component {name}; there are {', '.join(releases)}")
        if source is None:
            found = published(name, version, releases[name]["url"], fetch)
        else:
            found = (source.get(name) or {}).get(version) or {}
            if not found:
                raise ReleaseError(f"{name} {version}: not in the file")
        text = inserted(text, name, version, found)
    return text


def main(arguments: Sequence[str] | None = None, fetch: Fetch = download, lock: Path = LOCK) -> int:
    """What ``python -m tests.releases`` does."""
    parser = argparse.ArgumentParser(prog="tests.releases", description=__doc__)
    parser.add_argument("component", help="as in the lock file, or kubernetes")
    parser.add_argument("version", help="without a leading v")
    parser.add_argument("--from", dest="source", type=Path, help="file with checksums")
    given = parser.parse_args(arguments)
    source = yaml.safe_load(given.source.read_text(encoding="utf-8")) if given.source else None
    try:
        text = add(lock.read_text(encoding="utf-8"), given.component, given.version, fetch, source)
    except ReleaseError as exc:
        print(f"tests.releases: {exc}", file=sys.stderr)
        return 1
    lock.write_text(text, encoding="utf-8")
    if given.component == "kubernetes":
        print("Complete cluster_image_tags by what `kubeadm config images list` of this version names.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
