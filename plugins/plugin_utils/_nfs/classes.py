# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""StorageClasses and VolumeSnapshotClasses for csi-driver-nfs 4.13, made of what an inventory declares. Pure."""

from __future__ import annotations

import base64
import ipaddress
import re
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._nfs.probe import parse

Json = dict[str, t.Any]

DRIVER = "nfs.csi.k8s.io"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
DEFAULT_SNAPSHOT_CLASS = "snapshot.storage.kubernetes.io/is-default-class"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*\.?")
_MODE = re.compile(r"[0-7]{3,4}")
#: What the driver puts in place of C(${...}) (docs/driver-parameters.md there).
_REPLACED = frozenset({"pvc.metadata.name", "pvc.metadata.namespace", "pv.metadata.name"})
_PLACE = re.compile(r"\$\{([^}]*)\}")
#: So that the name of the Secret, which has a suffix, is one, too.
_NAME_LENGTH = 200


def options_secret(name: str) -> str:
    """The Secret with the mount options of a class, which deletions of its volumes need."""
    return f"{name}-mount-options"


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return bool(_HOST.fullmatch(text)) and not text.replace(".", "").isdigit()
    return True


def _name_problems(what: str, names: t.Sequence[str]) -> t.Iterator[str]:
    for name in names:
        if not _NAME.fullmatch(name) or len(name) > _NAME_LENGTH:
            yield f"{what} has the name {name!r}, expected lower-case letters, digits, '-' and '.'"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{what} has {name} twice, expected each name once"


def _place_problems(what: str, server: str, path: str) -> t.Iterator[str]:
    if not _is_host(server):
        yield f"{what}: server is {server!r}, expected a name or an address without port and path"
    if not path.startswith("/") or ".." in path.split("/") or "#" in path:
        yield f"{what}: path is {path!r}, expected an absolute one without '..' and '#'"


def _option_problems(what: str, server: str, path: str, options: t.Sequence[str]) -> t.Iterator[str]:
    try:
        parse(server, path, options)
    except ValueError as exc:
        yield f"{what}: mount_options have {exc}"
    if any(not option or re.search(r"\s", option) for option in options):
        yield f"{what}: mount_options are {list(options)}, expected options without blanks"


def _subdirectory_problems(what: str, text: str) -> t.Iterator[str]:
    parts = text.split("/")
    if text and (text.startswith("/") or ".." in parts or "#" in text):
        yield f"{what}: subdirectory is {text!r}, expected a relative one without '..' and '#'"
    unknown = sorted({name for name in _PLACE.findall(text) if name not in _REPLACED})
    if unknown:
        yield f"{what}: subdirectory has {', '.join(unknown)} in ${{}}, expected {', '.join(sorted(_REPLACED))}"
    elif text and not _PLACE.search(text):
        yield (
            f"{what}: subdirectory is {text!r} for every volume, expected one of their own by ${{pv.metadata.name}}"
            " or the like"
        )


def problems(classes: t.Sequence[Json], snapshot_classes: t.Sequence[Json]) -> list[str]:
    """What is wrong with classes by themselves."""
    found = list(_name_problems("storage_nfs_classes", [str(one["name"]) for one in classes]))
    for one in classes:
        what = f"storage_nfs_classes {one['name']}"
        found += _place_problems(what, one["server"], one["path"])
        found += _option_problems(what, one["server"], one["path"], one["mount_options"])
        found += _subdirectory_problems(what, one["subdirectory"])
        if one["permissions"] and not _MODE.fullmatch(one["permissions"]):
            found.append(
                f"{what}: permissions are {one['permissions']!r}, expected an octal mode in quotes such as '0770'"
            )
    found += _name_problems("storage_nfs_snapshot_classes", [str(one["name"]) for one in snapshot_classes])
    for one in snapshot_classes:
        what = f"storage_nfs_snapshot_classes {one['name']}"
        if bool(one["server"]) != bool(one["path"]):
            found.append(f"{what}: has one of server and path, expected both or none")
        elif one["server"]:
            found += _place_problems(what, one["server"], one["path"])
        found += _option_problems(what, one["server"], one["path"], one["mount_options"])
    for what, declared in (
        ("storage_nfs_classes", classes),
        ("storage_nfs_snapshot_classes", snapshot_classes),
    ):
        chosen = [str(one["name"]) for one in declared if one["default"]]
        if len(chosen) > 1:
            found.append(f"{what} has {len(chosen)} default ones ({', '.join(chosen)}), expected one at most")
    names = {one["name"] for one in classes} & {one["name"] for one in snapshot_classes}
    found += [f"{name} is a class and a snapshot class, expected different names" for name in sorted(names)]
    return found


def exports(classes: t.Sequence[Json], snapshot_classes: t.Sequence[Json]) -> list[Json]:
    """What nodes have to be able to mount, each once, in the form of nfs_export_info."""
    found: list[Json] = []
    for one in (*classes, *snapshot_classes):
        if not one.get("server"):
            continue
        export = {
            "server": one["server"],
            "path": one["path"],
            "mount_options": list(one.get("mount_options") or ()),
        }
        if export not in found:
            found.append(export)
    return found


def _secret(name: str, namespace: str, labels: Json, options: t.Sequence[str]) -> Json:
    text = base64.b64encode(",".join(options).encode()).decode()
    return secret(options_secret(name), namespace, labels, {"mountOptions": text})


def secret(name: str, namespace: str, labels: Json, data: Json) -> Json:
    """A Secret with mount options."""
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": dict(data)}


def _secret_parameters(role: str, name: str, namespace: str) -> Json:
    return {
        f"csi.storage.k8s.io/{role}-secret-name": options_secret(name),
        f"csi.storage.k8s.io/{role}-secret-namespace": namespace,
    }


def _storage_class(one: Json, namespace: str, labels: Json) -> Json:
    parameters = {"server": one["server"], "share": one["path"], "onDelete": one["on_delete"]}
    if one["subdirectory"]:
        parameters["subDir"] = one["subdirectory"]
    if one["permissions"]:
        parameters["mountPermissions"] = one["permissions"]
    if one["mount_options"]:
        parameters |= _secret_parameters("provisioner", one["name"], namespace)
    found: Json = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": one["name"],
            "labels": dict(labels),
            "annotations": {DEFAULT_CLASS: "true" if one["default"] else "false"},
        },
        "provisioner": DRIVER,
        "parameters": parameters,
        "reclaimPolicy": one["reclaim_policy"],
        "volumeBindingMode": "Immediate",
        # Nothing limits what a volume takes, so that a larger size would be a number only.
        "allowVolumeExpansion": False,
    }
    return {**found, "mountOptions": list(one["mount_options"])} if one["mount_options"] else found


def _snapshot_class(one: Json, namespace: str, labels: Json) -> Json:
    parameters: Json = {}
    if one["server"]:
        parameters |= {"server": one["server"], "share": one["path"]}
    if one["mount_options"]:
        parameters["mountOptions"] = ",".join(one["mount_options"])
        parameters |= _secret_parameters("snapshotter", one["name"], namespace)
    found: Json = {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshotClass",
        "metadata": {
            "name": one["name"],
            "labels": dict(labels),
            "annotations": {DEFAULT_SNAPSHOT_CLASS: "true" if one["default"] else "false"},
        },
        "driver": DRIVER,
        "deletionPolicy": one["deletion_policy"],
    }
    return {**found, "parameters": parameters} if parameters else found


def objects(
    classes: t.Sequence[Json], snapshot_classes: t.Sequence[Json], namespace: str, labels: Json
) -> list[Json]:
    """The objects of the API for classes, and the Secrets with their mount options before them."""
    every = (*classes, *snapshot_classes)
    secrets = [
        _secret(one["name"], namespace, labels, one["mount_options"]) for one in every if one["mount_options"]
    ]
    return [
        *secrets,
        *(_storage_class(one, namespace, labels) for one in classes),
        *(_snapshot_class(one, namespace, labels) for one in snapshot_classes),
    ]
