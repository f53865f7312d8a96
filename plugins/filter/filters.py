# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters of the collection; each is documented in the YAML file of its name."""

from __future__ import annotations

import importlib
import typing as t

import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis import profiles, remediation
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cluster import select
from ansible_collections.baremetal.kubernetes.plugins.module_utils._csr import inventory
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import combine
from ansible_collections.baremetal.kubernetes.plugins.module_utils._mirror import plan

_PLACED = "# Placed by baremetal.kubernetes.cis.\n"


def release_file(
    releases: t.Any,
    component: str,
    version: str,
    arch: str,
    files_url: str = "",
    checksums: t.Any = None,
) -> dict[str, str]:
    """See C(release_file.yml).

    :raises AnsibleFilterError: without such a component, or a checksum for version and architecture.
    """
    if not isinstance(releases, t.Mapping):
        raise AnsibleFilterError(
            f"release_file takes a dictionary of releases, found {type(releases).__name__}."
        )
    try:
        return select.release_file(releases, component, version, arch, files_url, checksums)
    except select.SelectionError as exc:
        raise AnsibleFilterError(str(exc)) from exc


def select_delegate(observations: t.Any, known: t.Any = None) -> dict[str, t.Any]:
    """See C(select_delegate.yml).

    :raises AnsibleFilterError: when the observations do not allow a choice.
    """
    if not isinstance(observations, t.Sequence) or isinstance(observations, str):
        raise AnsibleFilterError(f"select_delegate takes a list, found {type(observations).__name__}.")
    try:
        return select.select_delegate(observations, known)
    except select.SelectionError as exc:
        raise AnsibleFilterError(str(exc)) from exc


def _plain(value: t.Any) -> t.Any:
    """Plain containers and scalars: tomli_w looks at exact types, and Ansible tags its own."""
    if isinstance(value, t.Mapping):
        return {str(key): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, t.Sequence):
        return [_plain(item) for item in value]
    return value


def to_toml(value: t.Any) -> str:
    """See C(to_toml.yml).

    :raises AnsibleFilterError: without tomli_w on the controller, or for a value that TOML cannot hold.
    """
    try:
        tomli_w = importlib.import_module("tomli_w")
    except ImportError as exc:
        raise AnsibleFilterError(
            "to_toml needs the Python library tomli_w on the controller. Install it with: pip install tomli-w"
        ) from exc
    if not isinstance(value, t.Mapping):
        raise AnsibleFilterError(f"to_toml takes a dictionary, found {type(value).__name__}.")
    try:
        return str(tomli_w.dumps(_plain(value)))
    except (TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"to_toml cannot write the value: {exc}") from exc


def mirror_list(hosts: t.Any, releases: t.Any, image_tags: t.Any, **options: t.Any) -> dict[str, t.Any]:
    """See C(mirror_list.yml).

    :raises AnsibleFilterError: when a checksum or a tag is not known.
    """
    if not isinstance(hosts, t.Sequence) or isinstance(hosts, str):
        raise AnsibleFilterError(f"mirror_list takes a list of hosts, found {type(hosts).__name__}.")
    try:
        return plan.plan_mirror(hosts, releases=releases, image_tags=image_tags, **options)
    except OperatorError as exc:
        raise AnsibleFilterError(str(exc)) from exc


def manifest_images(documents: t.Any) -> list[str]:
    """See C(manifest_images.yml).

    :raises AnsibleFilterError: when there are no documents.
    """
    if isinstance(documents, (str, t.Mapping)) or not isinstance(documents, t.Iterable):
        raise AnsibleFilterError(
            f"manifest_images takes a list of documents, found {type(documents).__name__}. Put from_yaml_all before it."
        )
    return plan.manifest_images(documents)


def combine_named(base: t.Any, over: t.Any) -> t.Any:
    """See C(combine_named.yml).

    :raises AnsibleFilterError: for anything but two dictionaries.
    """
    for value in (base, over):
        if not isinstance(value, t.Mapping):
            raise AnsibleFilterError(f"combine_named takes two dictionaries, found {type(value).__name__}.")
    return combine.combine_named(base, over)


def serving_nodes(
    known: t.Any, names: t.Any = None, addresses: t.Any = None, extra: t.Any = None, previous: t.Any = None
) -> dict[str, dict[str, t.Any]]:
    """See C(serving_nodes.yml).

    :raises AnsibleFilterError: when the nodes cannot be told apart, or have addresses that no node can have.
    """
    given = [{} if value is None else value for value in (known, names, addresses, extra, previous)]
    if not all(isinstance(value, t.Mapping) for value in given):
        raise AnsibleFilterError("serving_nodes takes dictionaries, found something else.")
    try:
        return inventory.serving_nodes(*(_plain(value) for value in given))
    except OperatorError as exc:
        raise AnsibleFilterError(str(exc)) from exc


def cis_remediation(
    audits: t.Any,
    words: t.Any,
    exemptions: t.Any = (),
    profile: str = profiles.DEFAULT,
    verdict: str = profiles.EFFECTIVE,
) -> dict[str, t.Any]:
    """See C(cis_remediation.yml).

    :raises AnsibleFilterError: for anything but results by host, and for unknown checks and classes.
    """
    if not isinstance(audits, t.Mapping):
        raise AnsibleFilterError(
            f"cis_remediation takes results of cis_node by host, found {type(audits).__name__}."
        )
    try:
        made = remediation.plan(audits, words, exemptions, profile, verdict)
    except OperatorError as exc:
        raise AnsibleFilterError(str(exc)) from exc
    for item in made["files"]:
        item["content"] = _PLACED + yaml.safe_dump(item["content"], sort_keys=False)
    return made


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {
            "select_delegate": select_delegate,
            "cis_remediation": cis_remediation,
            "combine_named": combine_named,
            "manifest_images": manifest_images,
            "mirror_list": mirror_list,
            "release_file": release_file,
            "serving_nodes": serving_nodes,
            "to_toml": to_toml,
        }
