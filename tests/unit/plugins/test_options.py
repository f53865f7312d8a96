# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of options: what text becomes, and what is refused before anything else happens."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.validation import (
    check_type_bool,
    check_type_dict,
    check_type_float,
    check_type_int,
)
from ansible_collections.baremetal.kubernetes.plugins.filter.options import typed
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options import (
    combinations,
    forms,
    inventory,
    specification,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options.convert import (
    ConversionError,
    convert,
)
from hypothesis import given
from hypothesis import strategies as st

ANSIBLE = {"bool": check_type_bool, "dict": check_type_dict, "float": check_type_float, "int": check_type_int}
LIMITS = {"qps": "int", "burst": "int", "cacheSize": "int"}


@pytest.mark.parametrize(
    ("value", "kind", "entries", "expected"),
    [
        (False, "bool", "", False),
        ("false", "bool", "", False),
        ("False", "bool", "", False),
        ("no", "bool", "", False),
        ("0", "bool", "", False),
        (0, "bool", "", False),
        ("true", "bool", "", True),
        ("YES", "bool", "", True),
        ("30", "int", "", 30),
        (30, "int", "", 30),
        (" 30 ", "int", "", 30),
        ("2.5", "float", "", 2.5),
        (2, "float", "", 2.0),
        ([], "list", "", []),
        ("", "list", "", []),
        ("nfs-common", "list", "", ["nfs-common"]),
        ("nfs-common, jq", "list", "", ["nfs-common", "jq"]),
        ([1.2, "restart"], "list", "", ["1.2", "restart"]),
        (("a", "b"), "list", "", ["a", "b"]),
        ([{"key": "a"}], "list", "dict", [{"key": "a"}]),
        (['{"key": "a"}'], "list", "dict", [{"key": "a"}]),
        ([{"type": "Server", "qps": "50"}], "list", LIMITS, [{"type": "Server", "qps": 50}]),
        ({"maxPods": 250}, "dict", "", {"maxPods": 250}),
        ('{"maxPods": 250}', "dict", "", {"maxPods": 250}),
        ("a=b", "dict", "", {"a": "b"}),
        ({"/opt": "256"}, "dict", "int", {"/opt": 256}),
        ("text", "str", "", "text"),
    ],
)
def test_text_is_converted(value: t.Any, kind: str, entries: t.Any, expected: t.Any) -> None:
    made = typed(value, kind, entries)
    assert made == expected
    assert type(made) is type(expected)


@pytest.mark.parametrize(
    ("value", "kind", "entries"),
    [
        ("flase", "bool", ""),
        ("", "bool", ""),
        ([], "bool", ""),
        (None, "bool", ""),
        (2, "bool", ""),
        ("ten", "int", ""),
        ("1.5", "int", ""),
        (True, "int", ""),
        ("9" * 5000, "int", ""),
        ("nan", "float", ""),
        ("inf", "float", ""),
        (False, "float", ""),
        (None, "list", ""),
        ({"a": 1}, "list", ""),
        (7, "list", ""),
        ('["a", "b"]', "list", ""),
        ([True], "list", ""),
        ([None], "list", ""),
        ([["a"]], "list", ""),
        ("[]", "list", "dict"),
        ("key=a", "list", "dict"),
        (["text"], "list", "dict"),
        ([{"qps": "many"}], "list", LIMITS),
        ("maxPods", "dict", ""),
        ("", "dict", ""),
        ([], "dict", ""),
        (None, "dict", ""),
        ({"/opt": "much"}, "dict", "int"),
    ],
)
def test_what_is_neither_the_type_nor_text_for_it_is_refused(value: t.Any, kind: str, entries: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="expected"):
        typed(value, kind, entries)


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="no type 'boolean'"):
        typed("x", "boolean")
    with pytest.raises(AnsibleFilterError, match="no type 'number'"):
        typed([], "list", {"qps": "number"})


@given(
    value=st.one_of(
        st.text(), st.none(), st.booleans(), st.integers(), st.floats(), st.lists(st.text()), st.just({})
    ),
    kind=st.sampled_from(sorted(ANSIBLE)),
)
def test_nothing_is_accepted_that_ansible_refuses(value: t.Any, kind: str) -> None:
    try:
        made = convert(value, kind)
    except ConversionError:
        return
    assert made == ANSIBLE[kind](value)


@pytest.mark.parametrize(
    ("name", "value", "texts"),
    [
        ("control_plane_audit", "flase", ['"flase"', "true or false"]),
        ("control_plane_timeout", "ten", ['"ten"', "whole number"]),
        ("host_packages", None, ["empty (null)", "a list"]),
        ("host_packages", '["a"]', ["text with commas"]),
        ("control_plane_taints", "[]", ["""-e '{"control_plane_taints": [{"key": "value"}]}'"""]),
        ("kubelet_config", "maxPods: 250", ["""-e '{"kubelet_config": {"key": "value"}}'"""]),
        ("control_plane_event_rate_limits", [{"qps": "x"}], ["entry 1.qps", "whole number"]),
        ("control_plane_pod_security", "restrictd", ["restricted", "baseline", "privileged"]),
        ("cluster_name", 2024, ["2024", "quotes"]),
        ("cluster_ca_file", None, ["empty (null)", "''"]),
    ],
)
def test_a_problem_names_value_and_form(name: str, value: t.Any, texts: list[str]) -> None:
    text = specification.problem(name, value, specification.load()[name])
    assert text.startswith(f"{name} is ")
    assert "expected" in text
    assert [part for part in texts if part not in text] == []


def test_every_default_fits_its_specification() -> None:
    for name, option in specification.load().items():
        if "default" in option and "{{" not in str(option["default"]):
            assert specification.problem(name, option["default"], option) == ""
            # as -e and INI inventories give it
            if option["type"] in {"bool", "int", "float"}:
                assert specification.problem(name, json.dumps(option["default"]), option) == ""


def test_all_problems_of_all_hosts_are_one_message() -> None:
    values: dict[str, dict[str, t.Any]] = {
        "cp1": {"control_plane_audit": "flase", "host_swap_off": "true"},
        "w1": {"control_plane_audit": "flase", "worker_timeout": "soon"},
        "w2": {},
    }
    with pytest.raises(OperatorError) as caught:
        inventory.check(values, specification.load())
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("- cp1, w1: control_plane_audit is")
    assert lines[2].startswith("- w1: worker_timeout is")
    inventory.check({"cp1": {"host_swap_off": "true"}}, specification.load())


#: Option, value, and a part of what is expected; an empty one stands for a value that is right.
FORMS = [
    ("cluster_kubernetes_version", "1.36.4", ""),
    ("cluster_kubernetes_version", "1.37.0-rc.1", ""),
    ("cluster_kubernetes_version", "v1.36.4", "MAJOR.MINOR.PATCH, such as 1.36.4, without v: 1.36.4"),
    ("cluster_kubernetes_version", "1.36", "MAJOR.MINOR.PATCH"),
    ("cluster_kubernetes_version", "", "MAJOR.MINOR.PATCH"),
    ("cluster_kubernetes_version", "latest", "MAJOR.MINOR.PATCH"),
    ("cluster_versions", {"containerd": "2.3.4"}, ""),
    ("cluster_versions", {"containerd": "v2.3.4"}, "without v: 2.3.4"),
    ("cluster_versions", {"containerd": 2.3}, "text"),
    ("cluster_registry", "", ""),
    ("cluster_registry", "reg.example.org", ""),
    ("cluster_registry", "192.0.2.5:5443", ""),
    ("cluster_registry", "[2001:db8::5]:5443", ""),
    ("cluster_registry", "localhost:5000", ""),
    ("cluster_registry", "reg.example.org:5443/project", ""),
    ("cluster_registry", "reg.example.org/team/mirror_1", ""),
    ("cluster_registry", "https://reg.example.org:5443", "HOST[:PORT][/PATH]"),
    ("cluster_registry", "https://reg.example.org:5443", "without https://"),
    ("cluster_registry", "reg.example.org:5443/", "no slash at its end"),
    ("cluster_registry", "reg.example.org/Project", "lower-case"),
    ("cluster_registry", "REG.example.org", ": reg.example.org"),
    ("cluster_registry", "reg.example.org:port", "HOST[:PORT]"),
    ("cluster_registry", "reg.example.org:99999", "HOST[:PORT]"),
    ("cluster_registry", "user@reg.example.org", "HOST[:PORT]"),
    ("cluster_endpoint", "k8s.example.org:6443", ""),
    ("cluster_endpoint", "192.0.2.10:6443", ""),
    ("cluster_endpoint", "[2001:db8::1]:6443", ""),
    ("cluster_endpoint", "K8S-API.example.org:6443", ": k8s-api.example.org:6443"),
    ("cluster_endpoint", "K8S-API.example.org:6443", "RFC 1123"),
    ("cluster_endpoint", "https://k8s.example.org:6443", "without https://"),
    ("cluster_endpoint", "k8s.example.org", "a port from 1 to 65535"),
    ("cluster_endpoint", "k8s.example.org:0", "a port from 1 to 65535"),
    ("cluster_endpoint", "k8s_api.example.org:6443", "RFC 1123"),
    ("cluster_endpoint", "192.0.2.300:6443", "an IP address"),
    ("cluster_endpoint", "2001:db8::1:6443", "HOST:PORT"),
    ("cluster_endpoint", "[fe80::1%eth0]:6443", "HOST:PORT"),
    ("cluster_endpoint", "k8s.example.org:6443/path", "HOST:PORT"),
    ("cluster_dns_domain", "cluster.local", ""),
    ("cluster_dns_domain", "fed_cluster.local", "RFC 1123"),
    ("cluster_dns_domain", "Cluster.Local", ": cluster.local"),
    ("cluster_dns_domain", "cluster.local.", "RFC 1123"),
    ("cluster_dns_domain", "", "RFC 1123"),
    ("cluster_dns_domain", f"{'a' * 64}.local", "RFC 1123"),
    ("cluster_name", "site-a", ""),
    ("cluster_name", "../site", "letters, digits"),
    ("cluster_node_name", "W1", ": w1"),
    ("cluster_node_address", "2001:db8::11", ""),
    ("cluster_node_address", "192.0.2.11/24", "an IP address"),
    ("cluster_files_url", "https://mirror.example.org:8443/files/", ""),
    ("cluster_files_url", "mirror.example.org/files", "a URL"),
    ("cluster_files_url", "https://", "a URL"),
    ("cluster_files_url", "https://mirror.example.org:port/", "a URL"),
    ("cluster_files_url", "https://mirror.example.org/?a=b", "without ? and #"),
    ("cluster_files_url", "file:///srv", "a URL"),
    ("preflight_urls", ["https://example.org/{arch}/x?y=z"], ""),
    ("control_plane_cert_sans", ["k8s.example.org", "192.0.2.1", "*.example.org"], ""),
    ("control_plane_cert_sans", ["K8S.example.org"], "RFC 1123"),
    ("network_isolated_namespaces", "default,kube-system", ""),
    ("network_isolated_namespaces", ["Default"], ": default"),
    ("container_runtime_mirrored_registries", ["https://quay.io"], "HOST[:PORT]"),
]


@pytest.mark.parametrize(("name", "value", "part"), FORMS)
def test_forms(name: str, value: t.Any, part: str) -> None:
    text = specification.problem(name, value, specification.load()[name])
    assert bool(text) is bool(part), text
    assert part in text


@given(st.text(), st.sampled_from(sorted(forms.FORMS)))
def test_no_text_breaks_a_form(text: str, name: str) -> None:
    forms.problem(name, text)


def test_forms_are_of_options() -> None:
    assert set(forms.FORMS) - set(specification.load()) == set()


VIRTUAL = {"cluster_endpoint": "192.0.2.10:6443", "api_endpoint_provider": "keepalived"}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, ""),
        ({"cluster_endpoint": "", "api_endpoint_provider": "none"}, ""),
        ({"cluster_endpoint": "k8s.example.org:6443"}, ""),
        ({"cluster_endpoint": "k8s.example.org:443", "api_endpoint_provider": "external"}, ""),
        (
            {"cluster_endpoint": "192.0.2.10:6443", "api_endpoint_provider": "none"},
            "expected an empty endpoint",
        ),
        ({"api_endpoint_provider": "external"}, "cluster_endpoint is empty"),
        (VIRTUAL, ""),
        ({**VIRTUAL, "cluster_endpoint": "[2001:db8::10]:6443"}, ""),
        ({**VIRTUAL, "api_endpoint_address": "192.0.2.10"}, ""),
        ({**VIRTUAL, "api_endpoint_address": "192.0.2.11"}, "expected the same address"),
        ({**VIRTUAL, "cluster_endpoint": ""}, "cluster_endpoint is empty"),
        ({**VIRTUAL, "cluster_endpoint": "192.0.2.10:443"}, "expected port 6443"),
        ({**VIRTUAL, "cluster_endpoint": "k8s.example.org:6443"}, "in api_endpoint_address"),
        (
            {**VIRTUAL, "cluster_endpoint": "k8s.example.org:6443", "api_endpoint_address": "192.0.2.10"},
            "",
        ),
    ],
)
def test_endpoint_and_its_provider(own: dict[str, str], expected: str) -> None:
    found = combinations.api_endpoint(own)
    assert bool(found) == bool(expected), found
    assert expected in found


def test_combination_is_refused_with_its_hosts() -> None:
    wrong = {"cluster_endpoint": "192.0.2.10:6443", "api_endpoint_provider": "none"}
    with pytest.raises(OperatorError, match="- cp1, w1: api_endpoint_provider is none"):
        inventory.check({"cp1": wrong, "w1": wrong}, specification.load())


def test_secrets_in_documents_are_refused_before_a_host_is_contacted() -> None:
    token = "abcdef.0123456789abcdef"
    specified = specification.load()
    values = {
        "cp1": {"control_plane_cluster_configuration": {"x": [{"bootstrapTokens": [{"token": token}]}]}},
        "w1": {"kubelet_config": {"staticPodURLHeader": {"Authorization": [token]}}},
        "w2": {"kubelet_config": {"maxPods": 20}, "cluster_name": "a"},
    }
    with pytest.raises(OperatorError) as caught:
        inventory.check(values, specified)
    text = str(caught.value)
    assert "- cp1: control_plane_cluster_configuration.x[0].bootstrapTokens: secrets" in text
    assert "- w1: kubelet_config.staticPodURLHeader: secrets" in text
    assert token not in text
    assert "w2" not in text
