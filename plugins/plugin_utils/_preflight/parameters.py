# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Parameters of C(preflight_report), and the model that they describe."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options.convert import convert
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.model import (
    ERROR,
    Finding,
    Host,
    KernelOption,
    Site,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    "hosts": {"type": "dict", "required": True},
    "control_planes": {"type": "list", "elements": "str", "required": True},
    "workers": {"type": "list", "elements": "str", "default": []},
    "node_names": {"type": "dict", "default": {}},
    "node_addresses": {"type": "dict", "default": {}},
    "connections": {"type": "dict", "default": {}},
    "cert_sans": {"type": "dict", "default": {}},
    "node_labels": {"type": "dict", "default": {}},
    "node_annotations": {"type": "dict", "default": {}},
    "node_taints": {"type": "dict", "default": {}},
    "control_plane_taints": {"type": "dict", "default": {}},
    "kubeconfig": {"type": "path"},
    "api_proxy": {"type": "str", "default": "", "no_log": True},
    "swap_off": {"type": "dict", "default": {}},
    "packages_managed": {"type": "dict", "default": {}},
    "kubelet_config": {"type": "dict", "default": {}},
    "cluster_kubelet_config": {"type": "dict", "default": {}},
    "kubernetes_version": {"type": "str", "required": True},
    "supported_minors": {"type": "list", "elements": "str", "default": ["1.35", "1.36", "1.37"]},
    "endpoint": {"type": "str", "default": ""},
    "dns_domain": {"type": "str", "default": "cluster.local"},
    "pod_cidr": {"type": "str", "required": True},
    "service_cidr": {"type": "str", "required": True},
    "ca_file": {"type": "str", "default": ""},
    "http_proxy": {"type": "str", "default": "", "no_log": True},
    "https_proxy": {"type": "str", "default": "", "no_log": True},
    "no_proxy": {"type": "list", "elements": "str", "default": []},
    "tested_systems": {"type": "list", "elements": "str", "default": []},
    "unsupported_systems": {"type": "list", "elements": "str", "default": []},
    "package_managers": {"type": "list", "elements": "str", "default": []},
    "kernel_min": {"type": "str", "default": "5.10"},
    "kernel_options": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "any_of": {"type": "list", "elements": "str", "required": True},
            "needed_by": {"type": "str", "required": True},
            "reason": {"type": "str", "required": True},
            "required": {"type": "bool", "default": True},
        },
    },
    "memory_min_mib": {"type": "dict", "default": {}},
    "cpus_min": {"type": "dict", "default": {}},
    "disk_min_mib": {"type": "dict", "default": {}},
    "ports": {"type": "dict", "default": {}},
    "clock_skew_max": {"type": "float", "default": 5},
    "ignore": {"type": "list", "elements": "str", "default": []},
    "warn": {"type": "list", "elements": "str", "default": []},
    "path": {"type": "path"},
}

# They go into a file that systemd and shells read, and to clients that differ in what else they would understand.
_PROXY = re.compile(r"http://(?:[^\s@/'\"\\$`]+@)?(?:\[[0-9A-Fa-f:.]+\]|[^\s@/:'\"\\$`]+):\d{1,5}/?")
_DIRECT = re.compile(r"[A-Za-z0-9_.:/*\[\]-]+")


def read_host(name: str, result: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any]) -> Host:
    """A host of the run: its registered result, and what the site sets for it."""
    node = result.get("node") if isinstance(result.get("node"), dict) else None
    own = convert(params["kubelet_config"].get(name) or {}, "dict")
    kubelet = {**params["cluster_kubelet_config"], **own}
    text = " ".join(str(result.get("msg") or "").split())
    return Host(
        name=name,
        role="control_plane" if name in params["control_planes"] else "worker",
        node=node,
        problem=re.sub(r"^Task failed: ", "", text)[:400],
        unreachable=bool(result.get("unreachable")),
        node_name=params["node_names"].get(name) or "",
        node_address=params["node_addresses"].get(name) or "",
        swap_off=convert(params["swap_off"].get(name, True), "bool"),
        swap_allowed=kubelet.get("failSwapOn") is False,
        cgroup_v1_allowed=kubelet.get("failCgroupV1") is False,
        packages_managed=convert(params["packages_managed"].get(name, True), "bool"),
    )


def cert_sans(params: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    """Further names and addresses in the API servers' certificates, of all control planes."""
    return tuple(one for value in params["cert_sans"].values() for one in convert(value, "list"))


def read_site(params: t.Mapping[str, t.Any]) -> Site:
    """The site's requirements."""
    return Site(
        kubernetes_version=params["kubernetes_version"],
        control_planes=tuple(params["control_planes"]),
        workers=tuple(params["workers"]),
        supported_minors=tuple(params["supported_minors"]),
        endpoint=params["endpoint"],
        cert_sans=cert_sans(params),
        pod_cidr=params["pod_cidr"],
        service_cidr=params["service_cidr"],
        tested_systems=tuple(params["tested_systems"]),
        unsupported_systems=tuple(params["unsupported_systems"]),
        package_managers=tuple(params["package_managers"]),
        kernel_options=tuple(
            KernelOption(tuple(item["any_of"]), item["needed_by"], item["reason"], item["required"])
            for item in params["kernel_options"]
        ),
        kernel_min=params["kernel_min"],
        memory_min={key: int(value) for key, value in params["memory_min_mib"].items()},
        cpus_min={key: int(value) for key, value in params["cpus_min"].items()},
        disk_min={key: int(value) for key, value in params["disk_min_mib"].items()},
        ports=params["ports"],
        clock_skew_max=params["clock_skew_max"],
    )


def check_ca(path: str) -> list[Finding]:
    """Whether the mirror's CA file exists and contains a certificate."""
    if not path:
        return []
    try:
        with open(path, encoding="ascii", errors="replace") as stream:
            found = "" if "-----BEGIN CERTIFICATE-----" in stream.read() else "no certificate in it"
    except OSError as exc:
        found = exc.strerror or str(exc)
    if not found:
        return []
    fix = "Correct cluster_ca_file; it is a file on the controller."
    return [Finding("", "ca_file", ERROR, f"{path}: {found}", "a file with PEM certificates", fix)]


def check_proxy(params: t.Mapping[str, t.Any]) -> list[Finding]:
    """Whether the proxy's variables have a form that all its users understand. Values may hold credentials."""
    found = [
        Finding(
            "",
            "proxy",
            ERROR,
            f"cluster_{name} has another form",
            "http://host:port or http://user:password@host:port, also for https, without quotes and blanks",
            f"Correct cluster_{name}; write special characters of the password as %XX.",
        )
        for name in ("http_proxy", "https_proxy")
        if params[name] and not _PROXY.fullmatch(params[name])
    ]
    wrong = [entry for entry in params["no_proxy"] if not _DIRECT.fullmatch(entry)]
    if wrong:
        found.append(
            Finding(
                "",
                "proxy",
                ERROR,
                f"cluster_no_proxy has {', '.join(map(repr, wrong))}",
                "names, addresses and networks, one in each entry of the list",
                "Correct cluster_no_proxy.",
            )
        )
    return found
