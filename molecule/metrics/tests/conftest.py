# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: the playbook with a group `metrics`, the Prometheus of each of its hosts, and a Grafana."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.grafana.server import Server, serve
from tests.grafana.state import Grafana
from tests.infra.cluster import Cluster
from tests.infra.fixtures import (  # noqa: F401 - pytest finds them here
    cluster,
    hosts,
    inventory,
    lab,
    playbook,
    variables,
)
from tests.infra.hosts import Host
from tests.infra.playbook import Playbook
from tests.infra.prometheus import METRICS, Metrics, Prometheus


@pytest.fixture(scope="session")
def metrics(playbook: Playbook) -> Metrics:  # noqa: F811 - the fixture
    return Metrics(playbook)


@pytest.fixture(scope="session")
def prometheus(playbook: Playbook, cluster: Cluster) -> dict[str, Prometheus]:  # noqa: F811
    """By host. Their credentials are read when they are asked, as the first run makes them."""
    credentials = playbook.inventory / ".credentials" / "metrics"
    addresses = cluster.nodes("status.addresses[?type=='InternalIP'] | [0].address")
    return {name: Prometheus(name, addresses[name], credentials) for name in METRICS}


@pytest.fixture(scope="session")
def grafana() -> Iterator[Server]:
    """The contract server, which asks the Prometheus of the lab as Grafana would."""
    with serve(Grafana()) as server:
        yield server


@pytest.fixture(scope="session")
def connected(playbook: Playbook, grafana: Server) -> Metrics:  # noqa: F811 - the fixture
    """The playbook, for a site with a Grafana."""
    return Metrics(playbook, {"grafana_url": grafana.url, "grafana_token": grafana.state.admin})


@pytest.fixture(scope="session")
def expired(playbook: Playbook) -> Callable[[Host], None]:  # noqa: F811
    """Gives a host the certificate that it would have, had it expired a minute ago."""
    credentials = playbook.inventory / ".credentials" / "metrics"

    def replace(host: Host) -> None:
        path = "/etc/metrics/tls.crt"
        found = x509.load_pem_x509_certificate(host.check(f"cat {path}").encode())
        key = serialization.load_pem_private_key((credentials / "ca.key").read_bytes(), None)
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(
            found.issuer,
            found.subject,
            found.public_key(),
            x509.random_serial_number(),
            now - datetime.timedelta(days=2),
            now - datetime.timedelta(minutes=1),
        )
        for extension in found.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        made = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
        text = made.public_bytes(serialization.Encoding.PEM).decode()
        host.check(f"cat > {path} <<'END'\n{text}END")

    return replace
