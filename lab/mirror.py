# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's mirror: release files over HTTPS and a read-only image registry, both under upstream's names.

Both are processes of their own that outlive the command which starts them. Every request is logged with the
client's address: ``mirror-access.log`` for files, ``registry.log`` for images, in the lab's directory of
logs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import signal
import ssl
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from lab import ca, state
from lab.config import FILES_PORT, REGISTRY_PORT, LabError, Paths, settings
from lab.run import spawn, tail, write_atomic

#: Seconds in which both servers must answer.
READY_SECONDS = 20.0
REGISTRY_PROGRAM = Path("packages", "docker-registry", "usr", "bin", "docker-registry")


def access_log(paths: Paths) -> Path:
    """One line per request for a file: time, client address, request, status."""
    return paths.logs / "mirror-access.log"


def start(
    paths: Paths,
    address: str,
    files_port: int = FILES_PORT,
    registry_port: int = REGISTRY_PORT,
    names: Sequence[str] | None = None,
) -> list[int]:
    """Start both servers and wait until they answer over TLS.

    :param address: the only address that they listen on.
    :param names: DNS names in their certificate; the lab's name for its mirror when None.
    :return: the processes' numbers, each the leader of its session.
    :raises LabError: one of them does not start; the message has the end of its log.
    """
    authority = ca.ensure_ca(paths)
    directory = paths.state / "mirror"
    certificate, key = ca.issue(authority, names or [settings().network.mirror_name], [address], directory)
    registry = paths.artifacts_cache / REGISTRY_PROGRAM
    if not registry.is_file():
        raise LabError(f"{registry} is missing", "run `lab up`, which fetches it from Debian")
    configuration = directory / "registry.yml"
    text = registry_config(paths.artifacts_cache / "registry", f"{address}:{registry_port}", certificate, key)
    write_atomic(configuration, text, mode=0o600)
    files_log, registry_log = paths.logs / "mirror.log", paths.logs / "registry.log"
    files = [sys.executable, "-m", "lab.mirror", "serve", "--root", str(paths.artifacts_cache / "files")]
    files += ["--address", address, "--port", str(files_port), "--access-log", str(access_log(paths))]
    files += ["--certificate", str(certificate), "--key", str(key)]
    pids: list[int] = []
    try:
        pids.append(spawn(files, log=files_log, cwd=paths.repo))
        pids.append(spawn([str(registry), "serve", str(configuration)], log=registry_log))
        _wait(f"https://{address}:{files_port}/", pids[0], authority.path, files_log)
        _wait(f"https://{address}:{registry_port}/v2/", pids[1], authority.path, registry_log)
    except BaseException:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        raise
    return pids


def registry_config(storage: Path, listen: str, certificate: Path, key: Path) -> str:
    """Text of the registry's configuration.

    :param storage: the directory that lab.images writes.
    :param listen: address and port.
    """
    return yaml.safe_dump(
        {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": False}},
            "storage": {
                "filesystem": {"rootdirectory": str(storage)},
                "maintenance": {"uploadpurging": {"enabled": False}, "readonly": {"enabled": True}},
            },
            "http": {
                "addr": listen,
                # For uploads, which there are none of; without one, each start logs a warning.
                "secret": secrets.token_hex(16),
                "tls": {"certificate": str(certificate), "key": str(key)},
            },
        }
    )


def _wait(url: str, pid: int, authority: Path, log: Path) -> None:
    """Wait until a server answers with a certificate of the lab.

    :raises LabError: it ended, or does not answer in time.
    """
    trust = ssl.create_default_context(cafile=str(authority))
    deadline = time.monotonic() + READY_SECONDS
    reason = ""
    while time.monotonic() < deadline:
        if state.start_time(pid) is None:
            raise LabError(f"{url}: the server ended:\n{tail(log)}", f"its whole log is {log}")
        try:
            # The environment's proxy, if any, is for other networks.
            httpx.Client(verify=trust, trust_env=False, timeout=2.0).get(url)
        except httpx.HTTPError as exc:
            reason = str(exc)
            time.sleep(0.05)
        else:
            return
    raise LabError(
        f"{url} does not answer within {READY_SECONDS:g} s ({reason}):\n{tail(log)}",
        f"its whole log is {log}",
    )


class Files(StaticFiles):
    """A directory without incomplete files, whose names begin with a dot."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if any(part.startswith(".") for part in self.get_path(scope).split("/")):
            raise HTTPException(404)
        await super().__call__(scope, receive, send)


def app(root: Path) -> Starlette:
    """The web application that serves a directory, with ranges."""
    return Starlette(routes=[Mount("/", app=Files(directory=root))])


def serve(root: Path, address: str, port: int, certificate: Path, key: Path, log: Path) -> None:
    """Serve files until killed.

    :param log: access log.
    """
    root.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    uvicorn.run(
        app(root),
        host=address,
        port=port,
        ssl_certfile=str(certificate),
        ssl_keyfile=str(key),
        log_config=logging_config(log),
        server_header=False,
    )


def logging_config(log: Path) -> dict[str, Any]:
    """Requests to a file, all else to standard error."""
    line = "%(asctime)s %(client_addr)s %(status_code)s %(request_line)s"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "access": {"()": "uvicorn.logging.AccessFormatter", "fmt": line, "use_colors": False},
            "plain": {"format": "%(asctime)s %(levelname)s %(message)s"},
        },
        "handlers": {
            "access": {"class": "logging.FileHandler", "filename": str(log), "formatter": "access"},
            "plain": {"class": "logging.StreamHandler", "formatter": "plain"},
        },
        "loggers": {
            "uvicorn": {"handlers": ["plain"], "level": "INFO", "propagate": False},
            "uvicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
        },
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """What ``python -m lab.mirror`` does."""
    parser = argparse.ArgumentParser(prog="lab.mirror", description="Serve the lab's release files.")
    command = parser.add_subparsers(dest="command", required=True).add_parser("serve")
    command.add_argument("--root", type=Path, required=True)
    command.add_argument("--address", required=True)
    command.add_argument("--port", type=int, required=True)
    command.add_argument("--certificate", type=Path, required=True)
    command.add_argument("--key", type=Path, required=True)
    command.add_argument("--access-log", type=Path, required=True)
    given = parser.parse_args(arguments)
    serve(given.root, given.address, given.port, given.certificate, given.key, given.access_log)


if __name__ == "__main__":
    main()
