# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validate reports by published schemas."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import regex
import xmlschema

SCHEMAS = Path(__file__).parent / "schemas"
#: Schema of each file of a report with a published format.
FORMS = {
    "cis.junit.xml": "junit-10.xsd",
    "cis.sarif": "sarif-2.1.0.json",
    "cis.oscal.json": "oscal-assessment-results-1.1.3.json",
}


def _pattern(_validator: object, pattern: str, instance: object, _schema: object) -> Iterator[Exception]:
    # OSCAL's schema uses Unicode classes, which Python's re does not have.
    if isinstance(instance, str) and not regex.search(pattern, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


#: Both JSON schemas are draft 7.
_Validator = jsonschema.validators.extend(jsonschema.Draft7Validator, {"pattern": _pattern})


@functools.cache
def _xml(schema: str) -> Any:
    return xmlschema.XMLSchema(str(SCHEMAS / schema))


@functools.cache
def _json(schema: str) -> Any:
    text = (SCHEMAS / schema).read_text(encoding="utf-8")
    return _Validator(json.loads(text), format_checker=jsonschema.FormatChecker())


def mistakes(name: str, text: str) -> list[str]:
    """Errors of a file of a report, each with its place.

    :param name: one of FORMS. :param text: what the file holds.
    """
    schema = FORMS[name]
    if schema.endswith(".xsd"):
        # The XML declaration has an encoding, which a str does not.
        body = text.partition("?>")[2]
        return [f"{error.path}: {error.reason}" for error in _xml(schema).iter_errors(body)]
    return [f"{error.json_path}: {error.message}" for error in _json(schema).iter_errors(json.loads(text))]


def mistakes_of_directory(directory: Path) -> dict[str, list[str]]:
    """Errors of all files of a report, by name of the file; none is missing."""
    return {name: mistakes(name, (directory / name).read_text(encoding="utf-8")) for name in FORMS}
