# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Names of container images, as container runtimes read them."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

_DEFAULT_HOST = "docker.io"
_REPOSITORY = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """An image in a registry.

    :param tag: empty when the image is named by digest alone.
    :param digest: C(sha256:<hex>) of the manifest, or empty.
    """

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def path(self) -> str:
        """Where a mirror has it: below the registry's address, and below the directory of images."""
        return f"{self.host}/{self.repository}" + (f":{self.tag}" if self.tag else f"@{self.digest}")

    @property
    def source(self) -> str:
        """What is to be copied: the digest decides where there is one, for a tag may be moved."""
        return f"{self.host}/{self.repository}" + (f"@{self.digest}" if self.digest else f":{self.tag}")

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.host}/{self.repository}{tag}{digest}"


def parse_reference(text: t.Any) -> Reference:
    """Take a reference apart, with the defaults that container runtimes add.

    :raises OperatorError: it is no reference, or its digest is not SHA-256.
    """
    rest, _at, digest = str(text).strip().partition("@")
    first, slash, remainder = rest.partition("/")
    host = _DEFAULT_HOST
    if slash and ("." in first or ":" in first or first == "localhost"):
        host, rest = first, remainder
    repository, colon, tag = rest.partition(":")
    if host == _DEFAULT_HOST and "/" not in repository:
        repository = f"library/{repository}"
    if not colon and not digest:
        tag = "latest"
    right = (
        _HOST.fullmatch(host)
        and _REPOSITORY.fullmatch(repository)
        and (_TAG.fullmatch(tag) or (not colon and not tag))
        and (_DIGEST.fullmatch(digest) or (not _at and not digest))
    )
    if not right:
        raise OperatorError(
            f"{text!r} is no name of an image; expected host/repository:tag, host/repository@sha256:<64 digits>,"
            " or both.",
            "Correct it where the inventory or the chart's values name it.",
        )
    return Reference(host, repository, tag, digest)
