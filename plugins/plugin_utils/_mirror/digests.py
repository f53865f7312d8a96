# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Digests of images, by which what a mirror serves is recognised. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._mirror.reference import (
    Reference,
    parse_reference,
)

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Digests:
    """Digests by reference, those of the lock file and of the site together.

    :param known: C(host/repository:tag) -> C(sha256:...); empty where a site does not want to know.
    :raises OperatorError: for something else.
    """

    def __init__(self, known: t.Mapping[t.Any, t.Any]) -> None:
        self._by_reference: dict[tuple[str, str, str], str] = {}
        self._by_name: dict[tuple[str, str], set[str]] = {}
        for text, digest in known.items():
            reference = parse_reference(text)
            if reference.digest or (digest and not _DIGEST.fullmatch(str(digest))):
                raise OperatorError(
                    f"{text}: {digest} is no digest of an image, expected host/repository:tag: sha256:<64 digits>.",
                    "Correct cluster_image_digests.",
                )
            self._by_reference[_key(reference)] = str(digest or "")
            self._by_name.setdefault(_name(reference), set()).add(str(digest or ""))

    def of(self, reference: Reference, copies: bool = False) -> str:
        """The digest of an image, empty when it is not known.

        :param copies: whether it may be a copy in another repository, C(imageRepository) of kubeadm, with that digest.
        """
        if reference.digest:
            return reference.digest
        if _key(reference) in self._by_reference:
            return self._by_reference[_key(reference)]
        if not copies:
            return ""
        found = self._by_name.get(_name(reference), set())
        return next(iter(found)) if len(found) == 1 else ""

    def pinned(self, reference: Reference, copies: bool = False) -> Reference:
        """The reference with its digest, where that is known."""
        return replace(reference, digest=self.of(reference, copies))


def _key(reference: Reference) -> tuple[str, str, str]:
    return reference.host, reference.repository, reference.tag


def _name(reference: Reference) -> tuple[str, str]:
    return reference.repository.rpartition("/")[2], reference.tag
