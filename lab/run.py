# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run commands and replace files."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.config import LabError

#: Lines of a failed command's output that go into the error.
TAIL_LINES = 15


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    log: Path | None = None,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    input: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command and wait for it.

    :param log: append the output here (stdout and stderr together) instead of returning it.
    :param check: raise when the command fails.
    :param env: variables on top of the process's own.
    :param timeout: seconds after which the command is killed.
    :param input: text for its standard input; nothing when None.
    :raises LabError: the program is missing, took too long, or failed while `check` is set; the message ends
        with the last lines of its output.
    """
    args = [os.fspath(arg) for arg in argv]
    environment = {**os.environ, **env} if env is not None else None
    try:
        if log is None:
            done = subprocess.run(
                args,
                env=environment,
                cwd=cwd,
                timeout=timeout,
                input=input,
                stdin=subprocess.DEVNULL if input is None else None,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
        else:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a", encoding="utf-8") as sink:
                sink.write(f"+ {shlex.join(args)}\n")
                sink.flush()
                done = subprocess.run(
                    args,
                    env=environment,
                    cwd=cwd,
                    timeout=timeout,
                    input=input,
                    stdin=subprocess.DEVNULL if input is None else None,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    text=True,
                    check=False,
                )
    except FileNotFoundError as exc:
        raise LabError(
            f"{args[0]}: program not found", "run `lab up`, which installs what the lab needs"
        ) from exc
    except subprocess.TimeoutExpired as exc:
        raise LabError(f"`{shlex.join(args)}` did not end within {timeout:g} s", _see(log)) from exc
    if check and done.returncode != 0:
        output = (
            tail(log)
            if log is not None
            else "\n".join((done.stdout + done.stderr).splitlines()[-TAIL_LINES:])
        )
        raise LabError(
            f"`{shlex.join(args)}` ended with code {done.returncode}:\n{output.strip()}", _see(log)
        )
    return done


def _see(log: Path | None) -> str:
    return f"the whole output is in {log}" if log is not None else ""


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a text file, or an empty string when it cannot be read."""
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def write_atomic(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Replace a file atomically, so that no reader sees a part of it.

    :param mode: permissions that the file has from its first moment on.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        os.fchmod(fd, mode)
        with os.fdopen(fd, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def spawn(
    argv: Sequence[str | os.PathLike[str]],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> int:
    """Start a process that outlives this one: own session, no terminal, output appended to a log.

    :return: its pid, which is also its session's.
    """
    args = [os.fspath(arg) for arg in argv]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            args,
            env={**os.environ, **env} if env is not None else None,
            cwd=cwd or Path("/"),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
        )
    return process.pid
