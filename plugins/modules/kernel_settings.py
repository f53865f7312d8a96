# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_settings
short_description: Kernel modules and parameters, now and after a reboot
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Loads kernel modules and sets kernel parameters, and keeps both for the next boot in C(/etc/modules-load.d) and
    C(/etc/sysctl.d), which systemd and OpenRC both read.
  - One call does what would else be a task for each module and each parameter.
  - A module that is built into the kernel counts as loaded, also where there is no C(/lib/modules).
options:
  name:
    description: Base name of both files, without C(.conf).
    type: str
    required: true
  modules:
    description: Modules that must be loaded or built in.
    type: list
    elements: str
    default: []
  sysctls:
    description: Kernel parameters by their dotted names, and their values.
    type: dict
    default: {}
  component:
    description:
      - What the files belong to, for example V(host). With it, the record of M(baremetal.kubernetes.artifact) has them,
        and M(baremetal.kubernetes.node_reset) removes them.
    type: str
  root:
    description: Directory that stands for C(/). For tests; nothing is loaded with any other value than C(/).
    type: path
    default: /
extends_documentation_fragment: [baremetal.kubernetes._attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
notes:
  - Parameters of a module that is not loaded yet are unknown to the kernel; check mode reports them as a change.
seealso:
  - module: ansible.posix.sysctl
  - module: community.general.modprobe
"""

EXAMPLES = r"""
- name: Pass bridged packets to the packet filter
  baremetal.kubernetes.kernel_settings:
    name: kubernetes
    modules: [br_netfilter]
    sysctls:
      net.bridge.bridge-nf-call-iptables: "1"
      net.ipv4.ip_forward: "1"
"""

RETURN = r"""
loaded:
  description: Modules that were loaded, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [br_netfilter]
set:
  description: Names of the parameters whose value in force was changed, or would be.
  returned: success
  type: list
  elements: str
  sample: [net.ipv4.ip_forward]
files:
  description: Files that were written, or would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/sysctl.d/kubernetes.conf]
"""

import hashlib
import os
import platform
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.journal import Journal
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.record import (
    DEFAULT_PATH,
    Placement,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import write_atomic
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.kernel_settings import (
    KEY,
    NAME,
    SYMBOLS,
    Desired,
    Host,
    Observed,
    Plan,
    normalise,
    plan_settings,
    render_modules,
    render_sysctls,
    sysctl_path,
)


def read_desired(params: dict[str, t.Any]) -> Desired:
    """Check the options and put them in a fixed order.

    :raises OperatorError: for a name that cannot be one, or a parameter without a value.
    """
    for name in (params["name"], *params["modules"]):
        if not NAME.match(name):
            raise OperatorError(
                f"{name!r} is not the name of a file or a kernel module", "Use letters, digits, - and _."
            )
    for key, value in params["sysctls"].items():
        if not KEY.match(str(key)) or ".." in str(key):
            raise OperatorError(
                f"{key!r} is not the name of a kernel parameter", "Name it as `sysctl -a` does."
            )
        if value is None or isinstance(value, (dict, list)) or not normalise(value):
            raise OperatorError(f"kernel parameter {key} has the value {value!r}", "Give a text or a number.")
    # YAML's booleans are how people write 0 and 1 here.
    sysctls = {str(k): normalise(int(v) if isinstance(v, bool) else v) for k, v in params["sysctls"].items()}
    return Desired(modules=tuple(dict.fromkeys(params["modules"])), sysctls=tuple(sorted(sysctls.items())))


def load_modules(module: AnsibleModule, host: Host, plan: Plan) -> None:
    """Load the plan's modules.

    :raises OperatorError: with the kernel's configuration symbol, when a module is not available.
    """
    for name in plan.load:
        if host.root != "/":
            raise OperatorError(
                f"kernel module {name} is missing in {host.root}", "Modules load only where root is /."
            )
        symbol = SYMBOLS.get(name.replace("-", "_"), "the symbol of this module")
        modprobe = module.get_bin_path("modprobe")
        found = "there is no modprobe on this host"
        if modprobe:
            code, _out, err = module.run_command([modprobe, name])
            if code == 0:
                continue
            found = f"modprobe said: {err.strip() or f'exit code {code}'}"
        raise OperatorError(
            f"kernel module {name} is neither loaded nor built into kernel {platform.release()}; {found}",
            f"Install the distribution's modules of the running kernel, or build it with {symbol}=y or =m.",
        )


def write_sysctls(host: Host, plan: Plan) -> None:
    """Set the plan's parameters.

    :raises OperatorError: the kernel does not know a parameter (then none is set) or refuses the value.
    """
    unknown = [key for key, _value in plan.write if host.sysctl(key) is None]
    if unknown:
        raise OperatorError(
            f"kernel {platform.release()} has no parameter {', '.join(unknown)}",
            "Remove it from the list, or use a kernel that has it.",
        )
    for key, value in plan.write:
        path = host.path("proc/sys", sysctl_path(key))
        found = host.sysctl(key)
        try:
            # Not O_CREAT: a name that the kernel does not know must fail, in a test's tree as well.
            handle = os.open(path, os.O_WRONLY | os.O_TRUNC)
            with os.fdopen(handle, "w", encoding="ascii") as stream:
                stream.write(f"{value}\n")
        except OSError as error:
            raise OperatorError(
                f"kernel parameter {key} is {found}, expected {value}; setting it failed: {error.strerror}",
                "Remove it from the list, or let this host set it.",
            ) from error
        if host.sysctl(key) != value:
            raise OperatorError(
                f"kernel parameter {key} is {host.sysctl(key)} after it was set to {value}",
                "Give the value as the kernel prints it.",
            )


def changed_files(plan: Plan, name: str) -> dict[str, str]:
    """Path and new content of each file that is to be written."""
    files = {
        f"/etc/modules-load.d/{name}.conf": plan.modules_file,
        f"/etc/sysctl.d/{name}.conf": plan.sysctls_file,
    }
    return {path: text for path, text in files.items() if text is not None}


def diff_of(observed: Observed, plan: Plan, name: str) -> list[dict[str, str]]:
    """Before and after of the state in force and of both files."""
    before = [f"{key} = {observed.sysctls.get(key)}\n" for key, _value in plan.write]
    after = [f"{key} = {value}\n" for key, value in plan.write]
    before += [f"module {module} absent\n" for module in plan.load]
    after += [f"module {module} loaded\n" for module in plan.load]
    rows = [("kernel, in force", "".join(before), "".join(after))] if before else []
    old = {"modules-load.d": observed.modules_file, "sysctl.d": observed.sysctls_file}
    rows += [(path, old[path.split("/")[2]] or "", text) for path, text in changed_files(plan, name).items()]
    return [{"before_header": r[0], "after_header": r[0], "before": r[1], "after": r[2]} for r in rows]


def placement_of(desired: Desired, name: str, component: str, changing: t.Collection[str]) -> Placement:
    """Both files, for the record."""
    files = {
        f"/etc/modules-load.d/{name}.conf": render_modules(desired),
        f"/etc/sysctl.d/{name}.conf": render_sysctls(desired),
    }
    digests = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()}
    return Placement(component, digests, frozenset(changing))


def write_files(host: Host, files: t.Mapping[str, str]) -> None:
    """Write what is kept for the next boot."""
    for path, text in files.items():
        target = host.path(path.lstrip("/"))
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        write_atomic(target, text.encode(), 0o644)


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan and, outside check mode, apply."""
    desired = read_desired(module.params)
    name, host = module.params["name"], Host(module.params["root"])
    observed = host.observe(
        desired, platform.release(), f"/etc/modules-load.d/{name}.conf", f"/etc/sysctl.d/{name}.conf"
    )
    plan = plan_settings(desired, observed)
    files = changed_files(plan, name)
    if not module.check_mode:
        load_modules(module, host, plan)
        write_sysctls(host, plan)
        component = module.params["component"] or ""
        placement = placement_of(desired, name, component, files)
        with Journal(host.path(DEFAULT_PATH.lstrip("/")), component, host.root) as journal:
            journal.announce(placement)
            write_files(host, files)
            journal.complete(placement)
    return {
        "changed": plan.changed,
        "loaded": list(plan.load),
        "set": [key for key, _value in plan.write],
        "files": list(files),
        "diff": diff_of(observed, plan, name),
    }


def work(module: AnsibleModule) -> dict[str, t.Any]:
    """The module's work.

    :raises OperatorError: also for a file that cannot be written.
    """
    try:
        return run(module)
    except OSError as exc:
        raise OperatorError(
            f"{exc.filename or 'a file'}: {exc.strerror}. Expected it to be writable by root."
        ) from exc


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "modules": {"type": "list", "elements": "str", "default": []},
            "sysctls": {"type": "dict", "default": {}},
            "component": {"type": "str"},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    run_module(module, work)


if __name__ == "__main__":
    main()
