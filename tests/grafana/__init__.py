# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server with the part of Grafana's HTTP API that the collection uses, for tests.

It is written from Grafana's public documentation and API description, and has no code of Grafana. Two clients that
others have written hold it to that: the Python package grafana-client, and the Go client that is generated from
Grafana's API description.
"""
