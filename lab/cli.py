# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `lab`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, ParamSpec

import typer
from rich.console import Console
from rich.table import Table

from lab import artifacts as artifacts_
from lab import config, host, install, inventory, lifecycle, packages, snapshot
from lab.artifacts import importing
from lab.config import KINDS, ROLES, LabError, Settings
from lab.preconditions import gib
from lab.report import Reporter

app = typer.Typer(
    name="lab",
    help="Bare-metal-like hosts and an air-gap mirror on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console(highlight=False, soft_wrap=True)
P = ParamSpec("P")


def _reported(command: Callable[P, None]) -> Callable[P, None]:
    """Turn the lab's errors into a message and exit code 1."""

    @wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except LabError as exc:
            print(f"lab: {exc}", file=sys.stderr)
            raise typer.Exit(1) from exc

    return wrapper


@app.command()
@_reported
def up(
    hosts: Annotated[
        Path | None, typer.Option(help="YAML file with the hosts to have; see lab/README.md.")
    ] = None,
    artifacts: Annotated[bool, typer.Option(help="Provide Kubernetes software and its mirror.")] = True,
) -> None:
    """Create what is missing and boot the hosts that are off; idempotent."""
    settings = config.settings()
    specs = config.load_hosts(hosts, settings.network) if hosts else None
    lifecycle.up(settings, specs, artifacts, Reporter(out))
    _reach(settings)


def _reach(settings: Settings) -> None:
    for row in lifecycle.status(settings):
        out.print(
            f"{row.record.name:12} {row.record.address:15} {row.record.kind:8} {row.record.role}",
            markup=False,
        )
    out.print(
        f"Shell on a host: lab ssh NAME. Ansible inventory: {inventory.hosts_file(settings)}", markup=False
    )


@app.command()
@_reported
def down() -> None:
    """Remove the hosts, their network and their disks; the cache stays."""
    lifecycle.down(config.settings(), Reporter(out))


@app.command()
@_reported
def status() -> None:
    """Show hosts, services, snapshots, memory and disk."""
    settings = config.settings()
    table = Table("host", "address", "init", "role", "power", "memory", "disk", title=f"lab {settings.name}")
    for row in lifecycle.status(settings):
        memory = f"{row.memory / 2**20:.0f} MiB" if row.on and row.memory is not None else "-"
        table.add_row(
            row.record.name,
            row.record.address,
            row.record.kind,
            row.record.role,
            "on" if row.on else "off",
            memory,
            f"{row.disk / 2**20:.0f} MiB",
        )
    out.print(table)
    for name, alive in lifecycle.services(settings).items():
        out.print(f"{name}: {'running' if alive else 'not running; `lab up` starts it'}", markup=False)
    out.print(f"snapshots: {', '.join(snapshot.names(settings.paths)) or 'none'}", markup=False)
    out.print(f"state {settings.paths.state}, cache {settings.paths.cache}", markup=False)


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@_reported
def ssh(
    name: Annotated[str, typer.Argument(help="Host.")],
    command: Annotated[list[str] | None, typer.Argument(help="Command to run instead of a shell.")] = None,
) -> None:
    """Log in to a host as root, or run a command there."""
    settings = config.settings()
    record = lifecycle.find_host(settings, name)
    sys.stdout.flush()
    # One word is a line for the host's shell, as ssh itself has it; several are a command and its arguments.
    remote = ["sh", "-c", command[0]] if command and len(command) == 1 else command or []
    argv = host.ssh_command(settings, record, remote)
    os.execvp(argv[0], argv)  # noqa: S606 - the terminal becomes ssh's


@app.command()
@_reported
def add(
    name: Annotated[str, typer.Argument(help="New host's name.")],
    kind: Annotated[str, typer.Option(help=f"Init system: {' or '.join(KINDS)}.")] = "systemd",
    role: Annotated[str, typer.Option(help=f"Inventory group: {' or '.join(ROLES)}.")] = "worker",
) -> None:
    """Boot one more host and write it into the inventory."""
    settings = config.settings()
    lifecycle.add(settings, name, kind, role, Reporter(out))
    _reach(settings)


@app.command()
@_reported
def stop(name: Annotated[str, typer.Argument(help="Host.")]) -> None:
    """Power loss: all processes of the host are killed at once; its disk stays as it is."""
    lifecycle.stop(config.settings(), name)


@app.command()
@_reported
def start(name: Annotated[str, typer.Argument(help="Host.")]) -> None:
    """Power a host on and wait until ssh answers."""
    lifecycle.start(config.settings(), name, Reporter(out))


@app.command("install")
@_reported
def install_(
    name: Annotated[str, typer.Argument(help="Host.")],
    names: Annotated[list[str], typer.Argument(metavar="PACKAGE...", help="Debian packages.")],
) -> None:
    """Install Debian packages on a running host, which has no route to an archive itself."""
    settings = config.settings()
    done = install.install(settings, lifecycle.find_host(settings, name), names)
    out.print(f"{name}: {', '.join(done) or 'nothing to install'}", markup=False)


@app.command()
@_reported
def wipe(name: Annotated[str, typer.Argument(help="Host.")]) -> None:
    """Another disk: the host loses power, and starts as freshly installed the next time; its ssh key stays."""
    lifecycle.wipe(config.settings(), name)


@app.command()
@_reported
def save(name: Annotated[str, typer.Argument(help="Name for the snapshot.")]) -> None:
    """Take a snapshot of all hosts; they lose power and boot again."""
    lifecycle.save(config.settings(), name, Reporter(out))


@app.command()
@_reported
def restore(name: Annotated[str, typer.Argument(help="Snapshot.")]) -> None:
    """Go back to a snapshot; everything later is discarded, hosts that were added included."""
    lifecycle.restore(config.settings(), name, Reporter(out))


@app.command()
@_reported
def artifacts(
    names: Annotated[
        list[str] | None, typer.Argument(help="Artifacts or groups of them to make now, optional ones too.")
    ] = None,
) -> None:
    """List the Kubernetes software that the lab serves, or build what is named."""
    paths = config.settings().paths
    if names:
        packages.install((*packages.HOSTS, *packages.ARTIFACTS))
        artifacts_.ensure(paths, out, names)
        return
    table = Table("component", "version", "source", "size", "present")
    for row in artifacts_.status(paths):
        size = f"{row.size / 2**20:.1f} MiB" if row.size else "-"
        table.add_row(row.name, row.version, row.source or "-", size, "yes" if row.present else "no")
    out.print(table)


@app.command("import")
@_reported
def import_(
    given: Annotated[str, typer.Argument(metavar="NAME=FILE", help="Artifact and the file that it is.")],
    checksum: Annotated[
        str, typer.Option(help="sha256:... of the file where upstream's does not fit or is not known.")
    ] = "",
) -> None:
    """Use a release file or an image's archive that you have, instead of downloading or building it."""
    name, file = importing.parse(given)
    item = importing.import_artifact(config.settings().paths, name, file, checksum)
    out.print(f"{name}: sha256:{item.sha256}, {item.size / 2**20:.1f} MiB, imported", markup=False)


@app.command()
@_reported
def free(
    everything: Annotated[
        bool,
        typer.Option("--all", help="The artifacts and base root file systems too; needs `lab down` first."),
    ] = False,
) -> None:
    """Remove build caches."""
    freed = lifecycle.free(config.settings(), everything)
    out.print(f"{gib(freed)} freed", markup=False)
