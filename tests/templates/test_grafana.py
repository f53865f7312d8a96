# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The data source that the role grafana declares, and where targets are written."""

from __future__ import annotations

from tests.templates.test_prometheus import EXTERNAL, LARGE, Rendered, document
from tests.templates.test_rendering import rendered  # noqa: F401 - pytest finds it here


def test_data_source_is_the_first_prometheus_by_its_ca_and_password(rendered: Rendered) -> None:  # noqa: F811
    found = document(rendered(LARGE), "grafana")
    assert found["url"] == "https://192.0.2.11:9090"
    assert (found["basicAuth"], found["basicAuthUser"]) == (True, "grafana")
    assert found["jsonData"] == {"httpMethod": "POST", "timeInterval": "30s", "tlsAuthWithCACert": True}
    assert document(rendered(LARGE), "targets") == {
        "places": ["cp1", "m1"],
        "directory": "/etc/prometheus/targets",
    }


def test_prometheus_of_the_site(rendered: Rendered) -> None:  # noqa: F811 - the fixture
    found = document(rendered(EXTERNAL), "grafana")
    assert (found["name"], found["url"], found["basicAuthUser"]) == (
        "Prometheus blue",
        "https://metrics.example.org",
        "reader",
    )
    targets = document(rendered(EXTERNAL), "targets")
    assert targets == {"places": ["localhost"], "directory": "/srv/blue/targets"}
