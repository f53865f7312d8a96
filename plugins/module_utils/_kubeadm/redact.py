# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Remove secrets from what kubeadm prints."""

from __future__ import annotations

import re
import typing as t

HIDDEN = "<hidden>"
# Bootstrap tokens (k8s.io/cluster-bootstrap: [a-z0-9]{6}.[a-z0-9]{16}) and certificate keys (32 bytes as hex). A hash
# of a public key, sha256:<hex>, is no secret and is kept.
_TOKEN = re.compile(r"(?<![a-z0-9])[a-z0-9]{6}\.[a-z0-9]{16}(?![a-z0-9])")
_KEY = re.compile(r"(?<!sha256:)(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def redact(text: str, secrets: t.Iterable[str | None] = ()) -> str:
    """C(text) without tokens and certificate keys.

    :param secrets: further values to hide wherever they stand.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    return _KEY.sub(HIDDEN, _TOKEN.sub(HIDDEN, text))
