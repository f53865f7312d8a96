# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Pull images by tag, as kubeadm and the kubelet do, and verify what came.

A tag is whatever the registry or the mirror says; its digest is not. Images are pulled here before anything runs them,
and neither kubeadm nor the kubelet pulls an image again that is there.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.programs import command

_SHOWN = 300


def ensure(host: str, wanted: t.Mapping[str, str], seconds: float) -> list[str]:
    """Pull the images that are missing or differ, and verify all.

    :param wanted: reference with a tag -> digest. :param seconds: longest pull of one image.
    :return: those that were pulled.
    :raises KubeadmError: when one cannot be pulled, or is another image. Such images are removed again.
    """
    if not wanted:
        return []
    present = _digests(host)
    pulled = [image for image, digest in wanted.items() if not _is(present, image, digest)]
    for image in pulled:
        code, output = command(["crictl", "pull", image], seconds)
        if code != 0:
            raise KubeadmError(
                f"{host}: {image} cannot be pulled; crictl said: {output.strip()[-_SHOWN:]}",
                "Check that the registry or the mirror (cluster_registry) has it and that this host reaches it.",
            )
    present = _digests(host) if pulled else present
    wrong = [image for image in pulled if not _is(present, image, wanted[image])]
    for image in wrong:
        # Nothing may run it, and the next run has to pull it again.
        command(["crictl", "rmi", image])
    if wrong:
        told = "; ".join(
            f"{image} has the digest {', '.join(_of(present, image)) or 'of nothing'}, expected {wanted[image]}"
            for image in wrong
        )
        raise KubeadmError(
            f"{host}: {told}. The registry or the mirror serves other images under these tags; they were removed.",
            "Find out who changed them. Digests of images that a site builds itself go into cluster_image_digests.",
        )
    return pulled


def missing(host: str, wanted: t.Iterable[str]) -> list[str]:
    """References of images that containerd does not have, each once.

    :param wanted: references with a tag, a digest, or both.
    :raises KubeadmError: when containerd does not list its images.
    """
    present = _digests(host)
    digests = {digest for own in present.values() for digest in own}
    lacking = []
    for image in dict.fromkeys(wanted):
        name, _at, digest = image.partition("@")
        if f"{_repository(name)}@{digest}" not in digests if digest else name not in present:
            lacking.append(image)
    return lacking


def _digests(host: str) -> dict[str, tuple[str, ...]]:
    """Digests of the images that containerd has, by reference with a tag."""
    code, output = command(["crictl", "images", "-o", "json"])
    try:
        found, _end = json.JSONDecoder().raw_decode(output[output.index("{") :])
        images = found.get("images") or []
        return {
            str(tag): tuple(str(digest) for digest in image.get("repoDigests") or ())
            for image in images
            for tag in image.get("repoTags") or ()
        }
    except (ValueError, AttributeError, TypeError) as exc:
        raise KubeadmError(
            f"{host}: the images of containerd cannot be listed; crictl ended with {code}: {output.strip()[-_SHOWN:]}",
            "Check that containerd runs, and its log.",
        ) from exc


def _repository(name: str) -> str:
    """A reference without its tag; a colon before the last slash belongs to a port."""
    path, slash, last = name.rpartition("/")
    return path + slash + last.partition(":")[0]


def _of(present: t.Mapping[str, tuple[str, ...]], image: str) -> list[str]:
    """Digests of an image in its own repository."""
    repository = _repository(image)
    return [
        digest[len(repository) + 1 :]
        for digest in present.get(image, ())
        if digest.startswith(f"{repository}@")
    ]


def _is(present: t.Mapping[str, tuple[str, ...]], image: str, digest: str) -> bool:
    return digest in _of(present, image)
