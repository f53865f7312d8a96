# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What a mirror must serve, from what the hosts of a cluster, their controller and the charts need. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass, replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._mirror.digests import Digests
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._mirror.reference import (
    Reference,
    parse_reference,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._releases import release_file

_KUBERNETES_REGISTRY = "registry.k8s.io"
#: Images with the version of Kubernetes. kube-proxy is not among them: Cilium replaces it.
_VERSIONED = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_ANY_ARCHITECTURE = "any"
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class File:
    """A release file.

    :param path: upstream's host and path, below which a mirror serves it.
    :param arch: C(any) for a file that fits every architecture.
    """

    component: str
    version: str
    arch: str
    url: str
    checksum: str
    path: str


@dataclass(frozen=True)
class Image:
    """A container image.

    :param reference: as hosts pull it.
    :param path: host, repository and tag, below which a mirror serves it.
    :param origin: what needs it.
    """

    reference: str
    path: str
    origin: str


def kubernetes_images(
    version: str, image_tags: t.Mapping[str, t.Any], configuration: t.Mapping[str, t.Any]
) -> list[Reference]:
    """The images that kubeadm runs or pulls for a version, but for kube-proxy's.

    :param image_tags: version of Kubernetes -> C(etcd), C(coredns), C(pause) -> tag.
    :param configuration: the site's own fields of kubeadm's ClusterConfiguration.
    :raises OperatorError: the tags of this version are not known.
    """
    tags = image_tags.get(version)
    if not isinstance(tags, t.Mapping) or not {"etcd", "coredns", "pause"} <= set(tags):
        known = ", ".join(sorted(map(str, image_tags))) or "none"
        raise OperatorError(
            f"The tags of the images etcd, coredns and pause of Kubernetes {version} are not known; known are those"
            f" of {known}.",
            f"Run `kubeadm config images list --kubernetes-version v{version}` and set"
            f' mirror_image_tags: {{"{version}": {{etcd: ..., coredns: ..., pause: ...}}}} to the tags that it shows.',
        )
    registry = str(configuration.get("imageRepository") or _KUBERNETES_REGISTRY)
    dns = configuration.get("dns") or {}
    etcd = configuration.get("etcd") or {}
    # kubeadm has CoreDNS below a path of its own in the default registry only.
    dns_registry = dns.get("imageRepository") or (
        f"{registry}/coredns" if registry == _KUBERNETES_REGISTRY else registry
    )
    names = [f"{registry}/{name}:v{version}" for name in _VERSIONED]
    names += [f"{dns_registry}/coredns:{dns.get('imageTag') or tags['coredns']}"]
    names += [f"{registry}/pause:{tags['pause']}"]
    if not etcd.get("external"):
        local = etcd.get("local") or {}
        names += [f"{local.get('imageRepository') or registry}/etcd:{local.get('imageTag') or tags['etcd']}"]
    return [parse_reference(name) for name in names]


def _files(
    wanted: t.Iterable[tuple[str, str, str, t.Mapping[str, t.Any]]],
    releases: t.Mapping[str, t.Any],
    files_url: str,
) -> list[File]:
    found: dict[str, File] = {}
    for component, version, arch, checksums in wanted:
        upstream = release_file(releases, component, version, arch, "", checksums)
        source = release_file(releases, component, version, arch, files_url, checksums)
        path = upstream["url"].partition("://")[2]
        every = "{arch}" not in str(releases[component]["url"])
        file = File(
            component, version, _ANY_ARCHITECTURE if every else arch, source["url"], source["checksum"], path
        )
        other = found.setdefault(path, file)
        if other.checksum != file.checksum:
            raise OperatorError(
                f"{component} {version} has the checksum {other.checksum} for one host and {file.checksum} for"
                " another; a mirror can hold one file only.",
                "Set cluster_checksums for all hosts alike.",
            )
    return list(found.values())


def plan_mirror(
    hosts: t.Sequence[t.Mapping[str, t.Any]],
    *,
    releases: t.Mapping[str, t.Any],
    image_tags: t.Mapping[str, t.Any],
    architectures: t.Sequence[str],
    charts: t.Sequence[t.Mapping[str, t.Any]] = (),
    images: t.Sequence[str] = (),
    files_url: str = "",
    digests: t.Mapping[t.Any, t.Any] | None = None,
) -> dict[str, list[dict[str, str]]]:
    """Everything that a site needs, each file and image once, in a fixed order.

    :param hosts: what each host needs: C(components) (name -> version), C(checksums), C(kubernetes_version),
        C(sandbox_image) and C(cluster_configuration).
    :param charts: what each Helm chart needs: C(name), C(components) (name -> version), which the controller
        downloads, and C(images).
    :param images: further images of the site.
    :param files_url: URL of a mirror to download the files from, instead of upstream.
    :param digests: of images, by reference. :raises OperatorError: a checksum or a tag is not known, or a name is none.
    """
    if not hosts or not architectures:
        raise OperatorError(
            "There is no host of the cluster in the inventory, or no architecture; expected one of each at least.",
            "Fill the groups of control planes and workers, and mirror_architectures.",
        )
    known = Digests(digests or {})
    wanted: list[tuple[str, str, str, t.Mapping[str, t.Any]]] = []
    references: list[tuple[Reference, str]] = []
    for host in hosts:
        wanted += [
            (str(component), str(version), str(arch), host["checksums"])
            for component, version in host["components"].items()
            for arch in architectures
        ]
        version = str(host["kubernetes_version"])
        references += [
            (known.pinned(reference, copies=True), f"kubernetes {version}")
            for reference in kubernetes_images(version, image_tags, host["cluster_configuration"])
        ]
        references.append((known.pinned(parse_reference(host["sandbox_image"]), copies=True), "containerd"))
    wanted += [
        (str(component), str(version), str(arch), hosts[0]["checksums"])
        for chart in charts
        for component, version in chart["components"].items()
        for arch in architectures
    ]
    references += [
        (known.pinned(parse_reference(name)), str(chart["name"]))
        for chart in charts
        for name in chart["images"]
    ]
    references += [(known.pinned(parse_reference(name)), "site") for name in images]
    found: dict[str, Image] = {}
    for reference, origin in references:
        image = Image(str(reference), reference.path, origin)
        other = found.setdefault(image.path, image)
        if "@" in image.reference and other.reference != image.reference:
            if "@" in other.reference:
                raise OperatorError(
                    f"{image.path} is wanted as {other.reference} by {other.origin} and as {image.reference} by"
                    f" {origin}; a mirror can hold one image only by a tag.",
                    "Name it with one digest everywhere.",
                )
            found[image.path] = image
    return {
        "files": [asdict(file) for file in _files(wanted, releases, files_url)],
        "images": [asdict(found[path]) for path in sorted(found)],
    }


def node_images(
    role: str,
    version: str,
    *,
    image_tags: t.Mapping[str, t.Any],
    configuration: t.Mapping[str, t.Any],
    sandbox_image: str,
    digests: t.Mapping[t.Any, t.Any],
    required: bool = False,
) -> dict[str, str]:
    """Digests of the images that a node runs before it runs pods of others, by reference without digest.

    :param role: C(control_plane) or C(worker). :param image_tags: see C(kubernetes_images).
    :param required: whether each of them must have one.
    :raises OperatorError: when one has none, or a name is none.
    """
    known = Digests(digests)
    wanted = [parse_reference(sandbox_image)]
    if role == "control_plane":
        tags = image_tags.get(version) or dict.fromkeys(("etcd", "coredns", "pause"), _UNKNOWN)
        wanted += [
            image
            for image in kubernetes_images(version, {version: tags}, configuration)
            if image.tag != _UNKNOWN
        ]
    missing = [str(image) for image in wanted if not known.of(image, copies=True)]
    if missing and required:
        raise OperatorError(
            f"The digests of {', '.join(missing)} are not known, and cluster_require_image_digests is true.",
            f'Set cluster_image_digests: {{"{missing[0]}": "sha256:..."}} and the others to the digests that upstream'
            " published (skopeo inspect --raw, sha256sum).",
        )
    found = {str(replace(image, digest="")): known.of(image, copies=True) for image in wanted}
    return {image: digest for image, digest in found.items() if digest}


def manifest_images(documents: t.Iterable[t.Any]) -> list[str]:
    """Every image that some Kubernetes objects name, sorted, each once.

    Whatever holds containers (pods, templates of pods, custom resources) names them in fields called C(image).
    """
    found: set[str] = set()
    rest: list[t.Any] = [
        document
        for document in documents
        if not (isinstance(document, t.Mapping) and document.get("kind") == "CustomResourceDefinition")
    ]
    while rest:
        node = rest.pop()
        if isinstance(node, t.Mapping):
            image = node.get("image")
            if isinstance(image, str) and image:
                found.add(str.__str__(image))
            rest += list(node.values())
        elif isinstance(node, (list, tuple)):
            rest += list(node)
    return sorted(found)
