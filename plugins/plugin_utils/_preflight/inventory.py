# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether an inventory has the groups of a cluster, and whether a run contains any of its hosts. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

CONTROL_PLANE = "control_plane"
WORKER = "worker"
# Names of the two groups in inventories of other tools (kubespray, k3s-ansible, RKE2, kubeadm playbooks), and likely
# typos. They are compared in lower case, with underscores for dashes.
ALIASES: dict[str, tuple[str, ...]] = {
    CONTROL_PLANE: (
        "kube_control_plane",
        "k8s_control_plane",
        "control_planes",
        "controlplane",
        "controlplanes",
        "kube_master",
        "kube_masters",
        "k8s_master",
        "k8s_masters",
        "master",
        "masters",
        "k3s_server",
        "k3s_servers",
        "rke2_server",
        "rke2_servers",
        "server",
        "servers",
        "controller",
        "controllers",
    ),
    WORKER: (
        "kube_node",
        "kube_nodes",
        "kube_worker",
        "kube_workers",
        "k8s_node",
        "k8s_nodes",
        "k8s_worker",
        "k8s_workers",
        "workers",
        "worker_nodes",
        "k3s_agent",
        "k3s_agents",
        "rke2_agent",
        "rke2_agents",
        "agent",
        "agents",
        "minion",
        "minions",
        "compute",
        "node",
        "nodes",
    ),
}
_SHOWN = 5

Groups = t.Mapping[str, t.Sequence[str]]


def _listed(names: t.Sequence[str]) -> str:
    """The first names, and how many there are besides."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _alias(groups: Groups, group: str, besides: t.Collection[str] = ()) -> str:
    """The group that has the hosts of C(group) under another name; empty without one.

    :param besides: hosts that do not count.
    """
    found = {
        name.lower().replace("-", "_"): name
        for name, hosts in groups.items()
        if name != group and set(hosts) - set(besides)
    }
    return next((found[alias] for alias in ALIASES[group] if alias in found), "")


def _snippet(members: t.Sequence[tuple[str, str, t.Sequence[str]]]) -> str:
    """YAML of an inventory: group, keyword and names below it."""
    lines = []
    for group, keyword, names in members:
        lines += [f"{group}:", f"  {keyword}:", *(f"    {name}:" for name in names[:_SHOWN])]
        lines += [f"    # and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return "\n".join(lines)


def _from_aliases(groups: Groups, control: str, workers: str) -> list[tuple[str, str, t.Sequence[str]]]:
    """The two groups made of those that are there; an empty name stands for a group that is right, or has no hosts."""
    chosen = ((CONTROL_PLANE, control), (WORKER, workers))
    return [(group, "children", [alias]) for group, alias in chosen if alias and not groups.get(group)]


def _without_control_plane(groups: Groups, source: str) -> OperatorError:
    """The message about an inventory without control plane, with the lines that fix it."""
    state = "is empty" if CONTROL_PLANE in groups else "is missing"
    control = _alias(groups, CONTROL_PLANE, groups.get(WORKER, ()))
    workers = _alias(groups, WORKER, groups[control] if control else ())
    if control:
        named = [name for name in (control, workers) if name]
        members = _from_aliases(groups, control, workers)
        shown = " and ".join(f"{name} ({_listed(groups[name])})" for name in named)
        found = f"It has {shown}, as other tools name them."
        how = "Add to a YAML inventory"
    else:
        taken = set(groups.get(WORKER, ()))
        hosts = [host for host in groups.get("all", ()) if host not in taken]
        found = f"It has the hosts {_listed(groups['all'])}." if groups.get("all") else "It has no hosts."
        members = [(CONTROL_PLANE, "hosts", hosts[:1] or ["cp1"])]
        if not taken:
            members.append((WORKER, "hosts", hosts[1:] or ([] if hosts else ["w1"])))
        members = [item for item in members if item[2]]
        how = "Add to a YAML inventory, with your own choice of hosts"
    return OperatorError(
        f"{source} has no control plane: the group {CONTROL_PLANE} {state}. {found} Expected the groups"
        f" {CONTROL_PLANE} and {WORKER}, with at least one host in {CONTROL_PLANE}.",
        f"{how}:\n\n{_snippet(members)}",
    )


def check(
    groups: Groups, run: t.Collection[str], among: t.Sequence[str] = (CONTROL_PLANE, WORKER), source: str = ""
) -> list[str]:
    """The hosts of the run that belong to the cluster.

    :param groups: hosts of each group of the inventory, C(all) included. :param run: hosts of this run, by --limit.
    :param among: groups whose hosts the run may consist of. :param source: file or directory of the inventory.
    :raises OperatorError: when the inventory has no cluster that the playbooks could run on, or the run no host of it.
    """
    source = f"The inventory {source}" if source else "The inventory"
    control = groups.get(CONTROL_PLANE, ())
    if not control:
        raise _without_control_plane(groups, source)
    # A group worker that exists may be empty: a cluster of control planes alone. Without one, hosts may have been put
    # into a group of another name, and would be left out silently.
    workers = "" if WORKER in groups else _alias(groups, WORKER, control)
    if workers:
        hosts = [host for host in groups[workers] if host not in control]
        raise OperatorError(
            f"{source} has no group {WORKER}, but a group {workers} with {_listed(hosts)}. Expected the workers in the"
            f" group {WORKER}.",
            f"Add an empty group {WORKER} to a YAML inventory if these hosts are not for this cluster, otherwise:\n\n"
            f"{_snippet(_from_aliases(groups, '', workers))}",
        )
    members = [host for group in among for host in groups.get(group, ())]
    chosen = list(dict.fromkeys(host for host in members if host in set(run)))
    if not chosen:
        raise OperatorError(
            f"--limit leaves no host of the cluster in this run (it has {_listed(sorted(run))})."
            f" Expected hosts of the groups {' and '.join(among)}: {_listed(list(dict.fromkeys(members)))}.",
            "Correct --limit.",
        )
    return chosen
