# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Write a report in the selected formats."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import write_atomic_pieces
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import html as as_html
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import json as as_json
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import junit as as_junit
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import oscal as as_oscal
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import (
    prometheus as as_prometheus,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import sarif as as_sarif
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.model import Report

_PIECE = 1 << 18
#: A report shows weak points; metrics do not, and another program reads them.
PRIVATE = 0o600
PUBLIC = 0o644
DIRECTORY = 0o700


@dataclass(frozen=True)
class Format:
    """One of the formats.

    :param file: name in the directory. :param render: yields the text in pieces.
    """

    file: str
    render: t.Callable[[Report], t.Iterator[str]]
    mode: int = PRIVATE


FORMATS: t.Mapping[str, Format] = {
    "json": Format("cis.json", as_json.render),
    "junit": Format("cis.junit.xml", as_junit.render),
    "sarif": Format("cis.sarif", as_sarif.render),
    "html": Format("cis.html", as_html.render),
    "oscal": Format("cis.oscal.json", as_oscal.render),
    "prometheus": Format("cis.prom", as_prometheus.render, PUBLIC),
}


def _pieces(texts: t.Iterable[str]) -> t.Iterator[bytes]:
    """Larger pieces of bytes, for fewer system calls."""
    waiting: list[str] = []
    length = 0
    for text in texts:
        waiting.append(text)
        length += len(text)
        if length >= _PIECE:
            yield "".join(waiting).encode("utf-8")
            waiting, length = [], 0
    yield "".join(waiting).encode("utf-8")


def write(report: Report, directory: str, formats: t.Sequence[str]) -> dict[str, str]:
    """Write all files, each atomically.

    :return: path by format.
    :raises OSError: when the directory cannot be created or written.
    """
    os.makedirs(directory, mode=DIRECTORY, exist_ok=True)
    found = {}
    for name in dict.fromkeys(formats):
        path = os.path.join(directory, FORMATS[name].file)
        write_atomic_pieces(path, _pieces(FORMATS[name].render(report)), FORMATS[name].mode)
        found[name] = path
    return found
