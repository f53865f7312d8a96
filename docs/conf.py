# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's settings. `make docs` runs it on these pages and on the reference that antsibull-docs generates."""

from __future__ import annotations

import re
import typing as t

from docutils import nodes

if t.TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "baremetal.kubernetes"
author = "baremetal.kubernetes contributors"
copyright = "2026, baremetal.kubernetes contributors"

extensions = ["myst_parser", "sphinx_antsibull_ext"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
# Links to headings, as in design.md#secrets.
myst_heading_anchors = 3

html_theme = "furo"
html_title = "baremetal.kubernetes"
html_copy_source = False
html_show_sphinx = False
# Code without a language is what a terminal or a file shows.
highlight_language = "none"
smartquotes = False

# Where the reference points into Ansible's own documentation: known by the layout of its addresses, as a build must not
# need a network.
ANSIBLE = "https://docs.ansible.com/ansible/latest"
ANSIBLE_PAGES = {
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
KIND = re.compile(r"(action|filter|lookup|test)_plugins")
PLUGIN = re.compile(
    r"ansible_collections\.([a-z0-9_]+)\.([a-z0-9_]+)\.([a-z0-9_]+_(?:module|filter|lookup|role))"
)


def ansible_page(label: str) -> str:
    """Address of a page of Ansible's documentation; empty for a label that is not one of its."""
    found = PLUGIN.fullmatch(label)
    if found and found.group(1) != "baremetal":
        return f"{ANSIBLE}/collections/{'/'.join(found.groups())}.html"
    if kind := KIND.fullmatch(label):
        return f"{ANSIBLE}/plugins/{kind.group(1)}.html"
    return f"{ANSIBLE}/{ANSIBLE_PAGES[label]}" if label in ANSIBLE_PAGES else ""


def _resolve(_app: Sphinx, _env: t.Any, node: t.Any, content: t.Any) -> nodes.reference | None:
    page = ansible_page(node.get("reftarget", ""))
    return nodes.reference("", "", content, internal=False, refuri=page) if page else None


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("missing-reference", _resolve)
