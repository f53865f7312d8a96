# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Look at files in a child that can be given up: a network file system whose server is down lets nobody return."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import select
import signal
import struct
import time
import typing as t

_BLOCK = 1 << 16
# What the child tells: how often it did, and the last text with its length.
_TOLD = struct.Struct("<QI")
_LONGEST = 4096

#: Tells where the work is; called by it before each thing that it looks at.
Tell = t.Callable[[str], None]


class GivenUpError(Exception):
    """The child did not return from something.

    :ivar at: what it was looking at.
    """

    def __init__(self, at: str, seconds: float) -> None:
        self.at = at
        super().__init__(f"{at} does not answer for {seconds:g} s")


def in_child(work: t.Callable[[Tell], t.Any], seconds: float) -> t.Any:
    """Run C(work) in a child and return its result, which JSON must be able to carry.

    :param work: tells where it is before each step. :param seconds: longest time for one step.
    :raises GivenUpError: when a step takes longer; the child is killed, and not waited for.
    :raises OSError: what the work raised.
    """
    shared = mmap.mmap(-1, _TOLD.size + _LONGEST)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _work(work, shared, reader, writer)
    os.close(writer)
    try:
        return _follow(shared, reader, seconds)
    except GivenUpError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        raise
    finally:
        os.close(reader)
        # One that hangs in the kernel cannot be waited for; process 1 does that later.
        with contextlib.suppress(ChildProcessError):
            for _try in range(20):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    break
                time.sleep(0.01)


def _work(work: t.Callable[[Tell], t.Any], shared: mmap.mmap, reader: int, writer: int) -> t.NoReturn:
    code, steps = 1, 0

    def tell(where: str) -> None:
        nonlocal steps
        steps += 1
        text = os.fsencode(where)[:_LONGEST]
        shared[_TOLD.size : _TOLD.size + len(text)] = text
        _TOLD.pack_into(shared, 0, steps, len(text))

    with contextlib.suppress(BaseException):
        os.close(reader)
        try:
            answer = ["result", work(tell)]
        except OSError as exc:
            answer = ["error", [exc.errno, exc.strerror or str(exc), os.fsdecode(exc.filename or "")]]
        data = json.dumps(answer).encode()
        while data:
            data = data[os.write(writer, data) :]
        code = 0
    os._exit(code)


def _follow(shared: mmap.mmap, reader: int, seconds: float) -> t.Any:
    blocks: list[bytes] = []
    steps = -1
    while True:
        if select.select([reader], [], [], seconds)[0]:
            block = os.read(reader, _BLOCK)
            if not block:
                break
            blocks.append(block)
            continue
        now, length = _TOLD.unpack_from(shared, 0)
        if now == steps:
            raise GivenUpError(os.fsdecode(shared[_TOLD.size : _TOLD.size + length]), seconds)
        steps = now
    if not blocks:
        raise OSError(None, "the child that looks at files has died")
    kind, value = json.loads(b"".join(blocks))
    if kind == "error":
        raise OSError(*value)
    return value
