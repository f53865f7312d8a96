# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host: its files, its power switch, and commands in it.

A host shares the machine's kernel. What that means for it:

* Network settings (``/proc/sys/net``), IPC limits and the host name are its own, by the kernel's namespaces.
* Other kernel settings belong to the machine. Those that Kubernetes sets are private copies: the host reads
  back what it wrote, and the machine never notices. All others are read-only, so that writing them fails.
* ``/sys`` is read-only but for control groups and the eBPF file system.
* The DMI product UUID is the machine's for every host; ``/etc/machine-id`` and the boot id are the host's
  own.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

from lab import bases, cgroups, network, snapshot
from lab.cgroups import Parent
from lab.config import LabError, Settings
from lab.run import run, spawn, tail, write_atomic
from lab.state import HostRecord, Process, identify
from lab.supervisor import Boot

#: Directories that are real ones and not part of the host's overlay: containerd's snapshotter cannot lay an
#: overlay over an overlay, and etcd and logs are better off without one.
DATA = {
    "containerd": "/var/lib/containerd",
    "kubelet": "/var/lib/kubelet",
    "etcd": "/var/lib/etcd",
    "log": "/var/log",
    # What a host exports by NFS: an overlay has no file handles.
    "srv": "/srv",
}

#: Kernel settings of the machine that a host may change for itself alone. The kubelet sets the first six
#: (pkg/kubelet/cm, setupKernelTunables), the rest are usual advice for nodes.
PRIVATE_SYSCTLS = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "fs/file-max",
    "fs/inotify/max_queued_events",
    "fs/inotify/max_user_instances",
    "fs/inotify/max_user_watches",
    "fs/nr_open",
    "kernel/dmesg_restrict",
    "kernel/kptr_restrict",
    "kernel/pid_max",
    "kernel/sysrq",
    "kernel/threads-max",
    "kernel/unprivileged_bpf_disabled",
    "kernel/yama/ptrace_scope",
    "vm/max_map_count",
    "vm/min_free_kbytes",
    "vm/swappiness",
)
#: Settings that the kernel keeps apart by namespaces, so that they are the host's own anyway.
NAMESPACED_SYSCTLS = (
    "net",
    "fs/mqueue",
    "kernel/domainname",
    "kernel/hostname",
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shm_rmid_forced",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
)

INIT_PATH = "/usr/lib/lab/init"

# Sets up in a container what kernel and firmware set up on a server, then executes the distribution's init.
_INIT = """#!/bin/sh
set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

# Cut all ties between mounts first: a bind mount onto one of a group of peers appears in all of them.
mount --make-rprivate /

# A sysfs of the host's own network namespace, with every hierarchy of control groups. nspawn's own
# arrangement is a tmpfs with parts of sysfs, over which OpenRC would mount a sysfs without control groups.
mount -t sysfs sysfs /sys
if grep -qv '^0::' /proc/self/cgroup; then
  mount -t tmpfs -o mode=755,size=1m tmpfs /sys/fs/cgroup
  while IFS=: read -r _ controllers _; do
    case $controllers in
      '') type=cgroup2 name=unified options= ;;
      name=*) type=cgroup name=${controllers#name=} options=none,$controllers ;;
      *) type=cgroup name=$controllers options=$controllers ;;
    esac
    mkdir -p "/sys/fs/cgroup/$name"
    mount -t "$type" ${options:+-o "$options"} "$type" "/sys/fs/cgroup/$name"
    case $name in
      *,*) for one in $(echo "$name" | tr , ' '); do ln -sfn "$name" "/sys/fs/cgroup/$one"; done ;;
    esac
  done < /proc/self/cgroup
  systemd_options='systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1'
else
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  systemd_options=
  # Controllers can be handed on only by a group without processes.
  mkdir -p /sys/fs/cgroup/init
  echo 1 > /sys/fs/cgroup/init/cgroup.procs
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control || true
  done
fi
mount -t bpf -o mode=700 bpf /sys/fs/bpf
mount -o remount,bind,ro /sys

# Kernel settings: the host's own writable, the machine's as private copies, all others read-only.
mkdir -p /run/lab/proc /run/lab/sysctl
mount -t proc proc /run/lab/proc
for name in @NAMESPACED@; do
  if [ -e "/proc/sys/$name" ]; then mount --bind "/run/lab/proc/sys/$name" "/proc/sys/$name"; fi
done
for name in @PRIVATE@; do
  if [ -e "/proc/sys/$name" ]; then
    mkdir -p "/run/lab/sysctl/${name%/*}"
    cat "/proc/sys/$name" > "/run/lab/sysctl/$name"
    mount --bind "/run/lab/sysctl/$name" "/proc/sys/$name"
  fi
done
umount /run/lab/proc

# As systemd does on a server and users of OpenRC configure: containers and their volumes rely on it.
mount --make-rshared /

ip link set lo up
ip addr replace @ADDRESS@ dev eth0
ip link set eth0 up
ip route replace default via @GATEWAY@

case @KIND@ in
  systemd) exec /usr/lib/systemd/systemd $systemd_options ;;
  openrc) exec /usr/sbin/openrc-init ;;
esac
"""


def init_script(settings: Settings, record: HostRecord) -> str:
    """PID 1 of a host until its distribution's init takes over."""
    net = settings.network
    values = {
        "@NAMESPACED@": " ".join(NAMESPACED_SYSCTLS),
        "@PRIVATE@": " ".join(PRIVATE_SYSCTLS),
        "@ADDRESS@": f"{record.address}/{net.subnet.prefixlen}",
        "@GATEWAY@": net.gateway,
        "@KIND@": record.kind,
    }
    text = _INIT
    for key, value in values.items():
        text = text.replace(key, value)
    return text


def directory(settings: Settings, name: str) -> Path:
    """Where a host's files are."""
    return settings.paths.hosts / name


def key_file(settings: Settings) -> Path:
    """Private key with which root logs in to every host."""
    return settings.paths.ssh / "id_ed25519"


def ensure_key(file: Path, comment: str) -> None:
    """Create an ed25519 key pair unless it exists."""
    if file.exists() and file.with_name(f"{file.name}.pub").exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Made under another name, so that an interrupted ssh-keygen leaves no incomplete pair.
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(file.parent / f".{file.name}.new")
    fresh = file.parent / f".{file.name}.new"
    fresh.mkdir(mode=0o700)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", fresh / "key"])
    (fresh / "key.pub").rename(file.with_name(f"{file.name}.pub"))
    (fresh / "key").rename(file)
    fresh.rmdir()


def prepare(settings: Settings, record: HostRecord) -> None:
    """Create a host's own files; those that exist stay as they are."""
    base = directory(settings, record.name)
    net = settings.network
    snapshot.supply(settings.paths, record)
    for part in ("upper", "work", "root", *(f"data/{name}" for name in DATA)):
        (base / part).mkdir(parents=True, exist_ok=True)
    bases.use(settings.paths, record.base, f"{settings.name}-{record.name}", base)
    upper = base / "upper"
    # An overlay's root directory has the upper one's mode.
    upper.chmod(0o755)
    ensure_key(base / "ssh_host_ed25519_key", f"root@{record.name}.{net.domain}")
    write_atomic(upper / INIT_PATH.lstrip("/"), init_script(settings, record), mode=0o755)
    _give_mount_nfs(settings, upper)
    done = base / "prepared"
    if done.exists():
        return
    files = {
        "etc/hostname": (f"{record.name}\n", 0o644),
        "etc/machine-id": (f"{uuid.uuid4().hex}\n", 0o444),
        "etc/hosts": (
            f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n"
            f"{record.address} {record.name}.{net.domain} {record.name}\n",
            0o644,
        ),
        "etc/resolv.conf": (f"nameserver {network.resolver_address(net)}\nsearch {net.domain}\n", 0o644),
        "etc/ssh/ssh_host_ed25519_key": ((base / "ssh_host_ed25519_key").read_text(encoding="utf-8"), 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": (
            (base / "ssh_host_ed25519_key.pub").read_text(encoding="utf-8"),
            0o644,
        ),
        "root/.ssh/authorized_keys": (
            key_file(settings).with_name("id_ed25519.pub").read_text(encoding="utf-8"),
            0o600,
        ),
    }
    for name, (text, mode) in files.items():
        write_atomic(upper / name, text, mode)
    (upper / "root").chmod(0o700)
    (upper / "root/.ssh").chmod(0o700)
    log = base / "data/log"
    log.chmod(0o755)
    (log / "journal").mkdir(exist_ok=True)
    # sshd and login note sessions in these when they exist.
    for name in ("wtmp", "lastlog", "btmp"):
        (log / name).touch(mode=0o660)
    done.touch()


def _give_mount_nfs(settings: Settings, upper: Path) -> None:
    """The lab's own mount.nfs, as the kernel has no NFS client; as soon as `lab artifacts platform` has made it."""
    program = settings.paths.artifacts_cache / "builds" / "c" / "mount.nfs"
    if not program.is_file():
        return
    directory = upper / "usr/sbin"
    directory.mkdir(parents=True, exist_ok=True, mode=0o755)
    write_atomic(directory / "mount.nfs", program.read_bytes(), mode=0o755)
    link = directory / "mount.nfs4"
    if not link.is_symlink():
        link.unlink(missing_ok=True)
        link.symlink_to("mount.nfs")


def wipe(settings: Settings, name: str) -> None:
    """Remove the files of a host that is off, so that `prepare` makes those of a fresh installation; its key stays."""
    base = directory(settings, name)
    # First: what is left half-way is no installation.
    (base / "prepared").unlink(missing_ok=True)
    for part in ("upper", "work", "data"):
        if (base / part).exists():
            shutil.rmtree(base / part)


def known_hosts(settings: Settings, records: Iterable[HostRecord]) -> str:
    """The hosts' keys in ssh's format, by address and by names."""
    lines = []
    for record in records:
        public = (
            (directory(settings, record.name) / "ssh_host_ed25519_key.pub")
            .read_text(encoding="utf-8")
            .split()
        )
        lines.append(
            f"{record.address},{record.name},{record.name}.{settings.network.domain} "
            f"{public[0]} {public[1]}\n"
        )
    return "".join(lines)


def all_groups(settings: Settings, name: str) -> list[Path]:
    """The host's control groups in all hierarchies, wherever they were made."""
    return [group / name for group in cgroups.find(settings.name) if (group / name).is_dir()]


def running(settings: Settings, name: str) -> bool:
    """Whether any process of the host is there."""
    return bool(cgroups.members(all_groups(settings, name)))


def boot(settings: Settings, record: HostRecord, parents: Sequence[Parent]) -> Process:
    """Power a host on.

    :param parents: where the lab's control groups go.
    :return: its supervisor.
    :raises LabError: groups cannot be made, or the supervisor does not start.
    """
    name = record.name
    base = directory(settings, name)
    cgroups.remove(all_groups(settings, name))
    lab = cgroups.lab_group(settings.name)
    supervisor = cgroups.create(parents, lab, name, "supervisor")
    payload = cgroups.create(parents, lab, name, "payload")
    plan = Boot(
        name=name,
        interface=settings.network.interface(name),
        bridge=network.INNER_BRIDGE,
        lower=snapshot.lower(settings.paths, record),
        directory=str(base),
        binds=[[str(base / "data" / part), target] for part, target in DATA.items()],
        init=[INIT_PATH],
        groups=[str(group) for group in payload],
    )
    write_atomic(base / "boot.json", plan.dump())
    command = network.inside(
        settings.paths,
        *("unshare", "--mount", "--propagation", "private", "--"),
        *(sys.executable, "-m", "lab.supervisor", str(base / "boot.json")),
    )
    with cgroups.entered(supervisor):
        pid = spawn(command, log=console(settings, name), env={"PYTHONPATH": str(settings.paths.repo)})
    process = identify(pid)
    if process is None:
        raise LabError(f"host {name}: its supervisor ended at once\n{tail(console(settings, name))}")
    return process


def console(settings: Settings, name: str) -> Path:
    """What the host's supervisor and console print."""
    return settings.paths.logs / f"{name}.log"


def power_off(settings: Settings, name: str) -> None:
    """Power loss: every process of the host dies at once; its files stay as they are."""
    cgroups.remove(all_groups(settings, name))


def wait_ready(settings: Settings, record: HostRecord, timeout: float = 180.0) -> None:
    """Wait until root can run a command over ssh.

    :param timeout: seconds. A boot takes 2 to 4 s on an idle machine, and was seen to take above 90 s beside
        two clusters at a load of 60.
    :raises LabError: the host ended, or did not get there in time.
    """
    started = time.monotonic()
    look_again = started + 1
    found = f"no ssh at {record.address} after {timeout:g} s"
    while time.monotonic() < started + timeout:
        if _banner(record.address) and _runs_commands(settings, record):
            return
        if time.monotonic() > look_again:
            if not running(settings, record.name):
                found = f"it ended {time.monotonic() - started:.1f} s after power-on"
                break
            look_again = time.monotonic() + 1
        time.sleep(0.1)
    log = console(settings, record.name)
    raise LabError(
        f"host {record.name}: {found}\n{tail(log)}",
        f"its console is in {log}",
    )


def _banner(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            connection.settimeout(5)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _runs_commands(settings: Settings, record: HostRecord) -> bool:
    try:
        return ssh_run(settings, record, ["true"], timeout=20).returncode == 0
    except LabError:
        # It took too long this time.
        return False


def ssh_options(settings: Settings) -> list[str]:
    """Options that make ssh trust exactly the lab's keys and read no one's configuration."""
    return [
        "-F",
        "none",
        "-i",
        str(key_file(settings)),
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        f"UserKnownHostsFile={settings.paths.known_hosts}",
        "-o",
        "GlobalKnownHostsFile=none",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "LogLevel=ERROR",
    ]


def ssh_command(settings: Settings, record: HostRecord, argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` (or a shell) on the host."""
    remote = [shlex.join(argv)] if argv else []
    return ["ssh", *ssh_options(settings), f"root@{record.address}", *remote]


def ssh_run(
    settings: Settings, record: HostRecord, argv: Sequence[str], timeout: float | None = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run a command on a host over ssh, for tests.

    :param timeout: seconds.
    :raises LabError: it did not end in time. A failing command raises nothing.
    """
    return run(ssh_command(settings, record, argv), check=False, timeout=timeout)
