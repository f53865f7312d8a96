# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Managed by baremetal.kubernetes: changes made here are lost.
"""Entry point of `python3 DIRECTORY`: what node_exporter's textfile collector tells, from the files beside this one."""

from ansible_collections.baremetal.kubernetes.plugins.module_utils._metrics.textfile import main

main()
