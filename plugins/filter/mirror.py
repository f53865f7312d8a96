# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters for the content of a mirror; each is documented in the YAML file of its name."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError


def mirror_list(hosts: t.Any, releases: t.Any, image_tags: t.Any, **options: t.Any) -> dict[str, t.Any]:
    """See C(mirror_list.yml).

    :raises AnsibleFilterError: when a checksum or a tag is not known.
    """
    # Ansible loads all filters of a collection for any of them, in every process that runs a task.
    from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._mirror import plan

    if not isinstance(hosts, t.Sequence) or isinstance(hosts, str):
        raise AnsibleFilterError(f"mirror_list takes a list of hosts, found {type(hosts).__name__}.")
    try:
        return plan.plan_mirror(hosts, releases=releases, image_tags=image_tags, **options)
    except OperatorError as exc:
        raise AnsibleFilterError(str(exc)) from exc


def node_images(digests: t.Any, **options: t.Any) -> dict[str, str]:
    """See C(node_images.yml).

    :raises AnsibleFilterError: when a digest is required and not known, or a name is none.
    """
    from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._mirror import plan

    if not isinstance(digests, t.Mapping):
        raise AnsibleFilterError(f"node_images takes digests by image, found {type(digests).__name__}.")
    try:
        return plan.node_images(digests=digests, **options)
    except OperatorError as exc:
        raise AnsibleFilterError(str(exc)) from exc


def manifest_images(documents: t.Any) -> list[str]:
    """See C(manifest_images.yml).

    :raises AnsibleFilterError: when there are no documents.
    """
    # Ansible loads all filters of a collection for any of them, in every process that runs a task.
    from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._mirror import plan

    if isinstance(documents, (str, t.Mapping)) or not isinstance(documents, t.Iterable):
        raise AnsibleFilterError(
            f"manifest_images takes a list of documents, found {type(documents).__name__}. Put from_yaml_all before it."
        )
    return plan.manifest_images(documents)


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {
            "mirror_list": mirror_list,
            "manifest_images": manifest_images,
            "node_images": node_images,
        }
