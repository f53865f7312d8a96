# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 4.1: modes and owners of the files of a node."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import kubelet
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.arguments import Arguments
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.files import (
    Found,
    Target,
    mode_check,
    owner_check,
    target,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.kubelet import (
    Unknown,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import (
    KUBE_PROXY,
    KUBELET,
    FileFact,
    Reader,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    MANUAL,
    NOT_APPLICABLE,
    Evidence,
    Result,
)

_NOT_RUNNING = (
    "The kubelet does not run on this host. Start it, or audit this host without the component node."
)
_NO_PROXY = "No kube-proxy runs on this host."


# Search path of system units, systemd.unit(5); the first of a name counts.
_UNITS = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_OPENRC = "/etc/init.d/kubelet"
_KUBECONFIG = "/etc/kubernetes/kubelet.conf"
_CONFIG = "/var/lib/kubelet/config.yaml"
_CLIENT_CA = "/etc/kubernetes/pki/ca.crt"
# Other files with which kubeadm starts the kubelet.
_KUBEADM_FILES = ("kubeadm-flags.env", "instance-config.yaml")


def _exists(fact: FileFact) -> bool:
    return bool(fact.error) or fact.kind == "file"


def _units(reader: Reader) -> list[FileFact]:
    """The unit of the kubelet and its drop-ins, as systemd finds them."""
    units = [reader.stat(f"{directory}/kubelet.service") for directory in _UNITS]
    unit = next((fact for fact in units if _exists(fact)), None)
    if unit is None:
        return []
    drop_ins: dict[str, FileFact] = {}
    for directory in _UNITS:
        for fact in reader.walk(f"{directory}/kubelet.service.d"):
            name = fact.path.rpartition("/")[2]
            # Where /lib is /usr/lib, every file is found twice. A link to /dev/null masks a drop-in.
            if name.endswith(".conf"):
                drop_ins.setdefault(name, fact)
    return [unit, *(fact for fact in drop_ins.values() if _exists(fact))]


def _service(reader: Reader, check_id: str) -> Found:
    """Service files of the kubelet: a systemd unit with its drop-ins, or an OpenRC script with its configuration.

    A script has to be executable, so 0700 is for a script what 0600 is for a unit.
    """
    if reader.stat("/run/openrc").kind == "directory":
        script = reader.stat(_OPENRC)
        if _exists(script):
            settings = reader.stat("/etc/conf.d/kubelet")
            found = [Target(script, 0o700, literal=0o600)]
            return found + ([Target(settings)] if _exists(settings) else [])
    units = _units(reader)
    if units:
        return [Target(fact) for fact in units]
    return Result(
        check_id,
        MANUAL if reader.processes(KUBELET) else ERROR,
        "The kubelet has neither a systemd unit kubelet.service nor an OpenRC script."
        " Find out what starts it, and check the mode and the owner of that file.",
    )


def _proxy_kubeconfig(reader: Reader, check_id: str) -> Found:
    found: list[Target] = []
    mounted: list[Evidence] = []
    running = reader.processes(KUBE_PROXY)
    for process in running:
        arguments = Arguments(process.argv)
        path, config = arguments.last("kubeconfig") or "", arguments.last("config")
        if config:
            try:
                values = kubelet.document(reader, config, process)
            except (OSError, ValueError) as exc:
                return Result(
                    check_id, ERROR, f"{config} of kube-proxy could not be read: {exc}. Correct it."
                )
            path = str(kubelet.lookup(values, ("clientConnection", "kubeconfig"))[1] or "")
        if not path:
            continue
        item = target(reader, path, process)
        if item.fact.link.startswith("..data/"):
            # A mounted ConfigMap or Secret is not a file of the host.
            mounted.append(Evidence(path, "link", item.fact.link, "a file of the host"))
        else:
            found.append(item)
    if found:
        return found
    if not running:
        return Result(check_id, NOT_APPLICABLE, _NO_PROXY)
    how = "from a ConfigMap or Secret" if mounted else "from its service account"
    return Result(
        check_id,
        NOT_APPLICABLE,
        f"kube-proxy gets its credentials {how}; there is no such file.",
        tuple(mounted),
    )


def _kubeconfig(reader: Reader, check_id: str) -> Found:
    for process in reader.processes(KUBELET)[:1]:
        path = Arguments(process.argv, kubelet.BOOLEANS).last("kubeconfig")
        if path:
            return [target(reader, path, process)]
        return Result(check_id, NOT_APPLICABLE, "The kubelet runs standalone: it has no kubeconfig.")
    return _default_file(reader, check_id, _KUBECONFIG)


def _default_file(reader: Reader, check_id: str, path: str, allowed: int = 0o600) -> Found:
    """Kubeadm's default file, for a kubelet that does not run."""
    fact = reader.stat(path)
    return [Target(fact, allowed)] if _exists(fact) else Result(check_id, ERROR, _NOT_RUNNING)


def _client_ca(reader: Reader, check_id: str) -> Found:
    known = kubelet.find(reader)
    if known is None:
        return _default_file(reader, check_id, _CLIENT_CA, 0o644)
    try:
        path = known.setting("authentication", "x509", "clientCAFile").value
    except Unknown as exc:
        return Result(check_id, ERROR, str(exc))
    if not path:
        return Result(check_id, NOT_APPLICABLE, "The kubelet has no client CA file; see 4.2.3.")
    return [target(reader, str(path), known.process, 0o644)]


def _config_files(reader: Reader, check_id: str) -> Found:
    """All configuration files of the kubelet; literally, only the first one counts."""
    running = reader.processes(KUBELET)[:1]
    if not running:
        return _default_file(reader, check_id, _CONFIG)
    known = kubelet.from_files(reader, running[0])
    directory = known.arguments.last("root-dir") or kubelet.ROOT_DIR
    others = [f"{directory.rstrip('/')}/{name}" for name in _KUBEADM_FILES]
    found = [
        target(reader, path, known.process, literal=None if path == known.config else 0o7777)
        for path in known.files
    ]
    found += [Target(fact, literal=0o7777) for fact in map(reader.stat, others) if _exists(fact)]
    if not known.config:
        text = "The kubelet has no configuration file." if not found else ""
        return found or Result(check_id, NOT_APPLICABLE, text)
    return found


_PAIRS: tuple[tuple[str, str, t.Callable[[Reader, str], Found]], ...] = (
    ("4.1.1", "4.1.2", _service),
    ("4.1.3", "4.1.4", _proxy_kubeconfig),
    ("4.1.5", "4.1.6", _kubeconfig),
    ("4.1.7", "4.1.8", _client_ca),
    ("4.1.9", "4.1.10", _config_files),
)

CHECKS: t.Mapping[str, t.Callable[[Reader], Result]] = {
    **{mode: mode_check(mode, find) for mode, _owner, find in _PAIRS},
    **{owner: owner_check(owner, find) for _mode, owner, find in _PAIRS},
}
