# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_directory
short_description: Copy container images to a directory, for transport to a registry
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Copies images with skopeo to one directory for each, named C(host/repository:tag) as below a mirroring registry.
  - C(skopeo sync --src dir --dest docker --scoped --all) pushes such a directory to a registry.
  - Images are copied as they are, with all architectures that they have, so that their digests stay what charts and
    pods name.
  - A directory gets its name once the image is complete. Complete images are not copied again, so an interrupted run
    continues where it stopped.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
    details:
      - Whether a missing image has the wanted architectures is known only once it is copied.
  diff_mode:
    support: full
    details:
      - Shows the images that are copied, with the reason.
  idempotent:
    support: full
options:
  images:
    description:
      - References such as V(registry.k8s.io/pause:3.10.2). One with tag and digest is copied by its digest and kept
        by its tag.
    type: list
    elements: str
    required: true
  directory:
    description:
      - Directory on the controller for the images. It is created when it is missing.
      - Incomplete images are in a hidden directory beside it.
    type: path
    required: true
  architectures:
    description: Architectures that each image must have, for example V(amd64). None are required by default.
    type: list
    elements: str
    default: []
  source_registry:
    description:
      - Registry, as C(host:port), that serves the images below upstream's host. Empty means upstream.
    type: str
    default: ""
  ca_path:
    description: PEM file with CAs that are trusted beside the system's.
    type: path
  retries:
    description: Further attempts for each image after a failed one.
    type: int
    default: 3
  skopeo:
    description: Name or path of skopeo.
    type: str
    default: skopeo
requirements:
  - skopeo 1.6 or newer
notes:
  - It runs on the controller, so it needs no C(delegate_to).
  - Credentials for registries are those of C(skopeo login).
  - skopeo accepts images by the policy of C(/etc/containers/policy.json).
seealso:
  - module: baremetal.kubernetes.artifact
"""

EXAMPLES = r"""
- name: Copy the pause image to a directory
  baremetal.kubernetes.image_directory:
    directory: /srv/mirror/images
    architectures: [amd64, arm64]
    images:
      - registry.k8s.io/pause:3.10.2
"""

RETURN = r"""
images:
  description: Every image of O(images), in its order.
  returned: success
  type: list
  elements: dict
  contains:
    reference:
      description: The image's full reference.
      type: str
      sample: registry.k8s.io/pause:3.10.2
    path:
      description: Its directory.
      type: str
      sample: /srv/mirror/images/registry.k8s.io/pause:3.10.2
    digest:
      description: Digest of its manifest or index; V(null) in check mode while it is missing.
      type: str
      sample: sha256:ee6521f290b2168b6e0935a181d4cff9be1ac3f505666ef0e3c98fae8199917a
    changed:
      description: Whether it was copied, or would be.
      type: bool
      sample: true
copied:
  description: How many images were copied, or would be.
  returned: success
  type: int
  sample: 9
"""
