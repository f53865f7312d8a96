# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Static pod manifests of the tests."""

from __future__ import annotations


def pod(component: str, *arguments: str, tag: str = "v1.36.4", volumes: str = "") -> str:
    words = "".join(f"    - {word}\n" for word in (component, *arguments))
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: {component}\nspec:\n  containers:\n  - command:\n{words}"
        f"    image: registry.example.org:5000/k8s/{component}:{tag}\n    name: {component}\n{volumes}"
    )


VOLUMES = """    volumeMounts:
    - mountPath: /etc/kubernetes/audit
      name: audit
      readOnly: true
    - mountPath: /var/log/kubernetes
      name: log
    - mountPath: /tmp
      name: memory
  volumes:
  - hostPath:
      path: /etc/kubernetes/audit
      type: ""
    name: audit
  - hostPath:
      path: /var/log/kubernetes
      type: DirectoryOrCreate
    name: log
  - emptyDir: {}
    name: memory
"""
