# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the contract server: `python -m tests.grafana --port 3000 --token-file FILE`."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from tests.grafana.server import serve
from tests.grafana.state import FLAVOURS, Grafana


def main(
    port: Annotated[int, typer.Option(help="0 for one that is free")] = 3000,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    flavour: Annotated[str, typer.Option(help="11, 12 or 13")] = "13",
    token_file: Annotated[
        Path | None, typer.Option(help="where the token of the role Admin is written")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM, for HTTPS")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM, for HTTPS")] = None,
) -> None:
    """Serve until SIGTERM or SIGINT."""
    state = Grafana(FLAVOURS[flavour])
    if token_file is not None:
        with open(
            os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii"
        ) as stream:
            stream.write(state.admin + "\n")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    options = {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)} if certificate and key else {}
    with serve(state, host, port, **options) as server:
        typer.echo(server.url)
        ended.wait()


if __name__ == "__main__":
    typer.run(main)
