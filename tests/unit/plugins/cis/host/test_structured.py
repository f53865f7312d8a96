# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the control plane, and their configuration files."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import admission, structured
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.arguments import Arguments
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.programs import (
    Program,
    Undecided,
    limited,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import Evidence

from tests.unit.plugins.cis.fakes import FakeReader, File
from tests.unit.plugins.cis.planes import ADMISSION, CIS, POD_SECURITY, api_server

PATH = "/etc/x.yaml"


def program(reader: FakeReader) -> Program:
    return Program(reader, reader.running[0])


def document(text: str, *kinds: str) -> structured.Document:
    return structured.document(program(api_server(put={PATH: text})()), PATH, *kinds)


ENCRYPTION = "{apiVersion: apiserver.config.k8s.io/v1, kind: EncryptionConfiguration, resources: [%s]}"


@pytest.mark.parametrize(
    ("blocks", "wanted"),
    [
        ("{resources: [secrets], providers: [{aescbc: {}}, {identity: {}}]}", ("aescbc", "identity")),
        ("{resources: [secrets.], providers: [{aescbc: {}}]}", ("aescbc",)),
        ("{resources: [secrets.example.org], providers: [{aescbc: {}}]}", ()),
        ("{resources: ['*.'], providers: [{secretbox: {}}]}", ("secretbox",)),
        ("{resources: ['*.apps'], providers: [{secretbox: {}}]}", ()),
        ("{resources: ['*.*'], providers: [{kms: {name: a}}]}", ("kms v1",)),
        (
            "{resources: [secrets], providers: [{aescbc: {}}]}, {resources: ['*.*'], providers: [{kms: {}}]}",
            ("aescbc",),
        ),
        (
            "{resources: [secrets], providers: [{aescbc: {}}]}, {resources: [secrets], providers: [{identity: {}}]}",
            ("aescbc", "identity"),
        ),
        ("", ()),
    ],
)
def test_providers_of_secrets(blocks: str, wanted: tuple[str, ...]) -> None:
    found = document(ENCRYPTION % blocks, "EncryptionConfiguration")
    assert structured.encryption_of_secrets(found) == wanted


@pytest.mark.parametrize(
    "blocks",
    [
        "{resources: [secrets], providers: []}",
        "{resources: [secrets], providers: [{identity: null}]}",
        "{resources: [secrets], providers: [{identity: {}}], provider: []}",
        "{resources: secrets, providers: [{identity: {}}]}",
        "{resources: [1], providers: [{identity: {}}]}",
        "[]",
    ],
)
def test_invalid_encryption_configuration(blocks: str) -> None:
    found = document(ENCRYPTION % blocks, "EncryptionConfiguration")
    with pytest.raises(Undecided, match=PATH):
        structured.encryption_of_secrets(found)


def test_pod_security_has_its_defaults() -> None:
    found = structured.plugin(program(api_server()()), "PodSecurity", "PodSecurityConfiguration")
    assert found is not None
    assert found.source == f"{CIS}/pod-security.yaml"
    assert structured.pod_security(found) == {
        "defaults": {
            "enforce": "baseline",
            "audit": "privileged",
            "warn": "restricted",
            "enforce-version": "latest",
            "audit-version": "latest",
            "warn-version": "latest",
        },
        "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": ["kube-system"]},
    }


@pytest.mark.parametrize(
    "change", ["baseline: strict", "defaults: default", "namespaces: names", "[kube-system]: all"]
)
def test_invalid_pod_security_configuration(change: str) -> None:
    old, _, new = change.partition(": ")
    found = document(POD_SECURITY.replace(old, new), "PodSecurityConfiguration")
    with pytest.raises(Undecided):
        structured.pod_security(found)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (ADMISSION, f"{CIS}/pod-security.yaml"),
        (ADMISSION.replace("path: pod", "path: /etc/kubernetes/cis/pod"), f"{CIS}/pod-security.yaml"),
        # What is written in the file counts, not the other file.
        (
            ADMISSION + '  configuration: {"apiVersion": "pod-security.admission.config.k8s.io/v1",'
            ' "kind": "PodSecurityConfiguration"}\n',
            f"{CIS}/admission.yaml, plugins[1].configuration",
        ),
        (ADMISSION.replace("  path: pod-security.yaml\n", ""), None),
        (ADMISSION.replace("PodSecurity", "Other"), None),
    ],
)
def test_configuration_of_a_plugin(text: str, wanted: str | None) -> None:
    reader = api_server(put={f"{CIS}/admission.yaml": text})()
    found = structured.plugin(program(reader), "PodSecurity", "PodSecurityConfiguration")
    assert (found.source if found else None) == wanted


@pytest.mark.parametrize(
    ("arguments", "on", "off"),
    [
        ((), {"ServiceAccount", "PodSecurity"}, {"NodeRestriction", "AlwaysAdmit", "DenyServiceExternalIPs"}),
        (
            ("--enable-admission-plugins=A", "--enable_admission_plugins", "B, C"),
            {"A", "B", "C", "Priority"},
            set(),
        ),
        (
            ("--disable-admission-plugins=Priority,PodSecurity",),
            {"ServiceAccount"},
            {"Priority", "PodSecurity"},
        ),
        (("--admission-control=A,B",), {"A", "B"}, {"ServiceAccount"}),
    ],
)
def test_effective_plugins(arguments: tuple[str, ...], on: set[str], off: set[str]) -> None:
    found = admission.enabled(program(api_server(*arguments, base={})()))
    assert on <= found
    assert not off & found


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--a", "-"), "-"),
        (("--a", "-1"), "-1"),
        (("--a", "--b"), "true"),
        (("--a", "-v=2"), "true"),
        (("--a=-",), "-"),
        (("--", "--a=1"), None),
        (("--a=1", "--a", "2"), "2"),
        (("--flag", "no", "--a=3"), "3"),
    ],
)
def test_values_that_begin_with_a_dash(words: tuple[str, ...], wanted: str | None) -> None:
    assert Arguments(("program", *words), ("flag",)).last("a") == wanted


def test_files_are_read_as_the_process_sees_them() -> None:
    reader = api_server(put={PATH: "of the host"})().with_(
        seen_by={"kube-apiserver": {PATH: File("of the pod")}}
    )
    text = program(reader).read(PATH)
    assert text.content == "of the pod"
    assert text.digest.startswith("sha256:")
    assert "of the pod" not in repr(text)


@pytest.mark.parametrize(
    "value", ["", "[]", "a", "a: 1", "kind: EncryptionConfiguration", "kind: [a]\napiVersion: {}"]
)
def test_other_documents_are_refused(value: Any) -> None:
    with pytest.raises(Undecided, match=PATH):
        document(value, "EncryptionConfiguration")


def test_many_failures_are_shortened() -> None:
    evidence = [Evidence("a", str(number), status="fail" if number % 2 else "pass") for number in range(400)]
    found = limited(evidence)
    assert sum(item.status == "fail" for item in found) == 101
    assert sum(item.status == "pass" for item in found) == 200
    assert found[-1].observed == "100 more"
    assert limited(evidence[:10]) == tuple(evidence[:10])
