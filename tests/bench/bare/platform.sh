#!/usr/bin/env bash
# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The bare path of platform: kubectl applies the same objects, and waits until they are in effect. It looks at nothing before.
#
#   platform.sh PLAN OUT      see functions.sh; in addition, of tests/bench/platform.py:
#     definitions.json, objects.json   what is applied
#     waits                            condition, namespace or -, object
# shellcheck source=tests/bench/bare/functions.sh
. "${BASH_SOURCE[0]%/*}/functions.sh"

kubectl_on_first apply --server-side --filename - < "$plan/definitions.json"
kubectl_on_first wait --for=condition=Established --timeout=60s --filename - < "$plan/definitions.json"
ended kinds
kubectl_on_first apply --server-side --filename - < "$plan/objects.json"
ended apply
while read -r condition namespace object <&3; do
	if [ "$condition" = rollout ]; then
		kubectl_on_first --namespace "$namespace" rollout status "$object" --timeout=600s < /dev/null
	else
		kubectl_on_first wait "$object" "--for=condition=$condition" --timeout=600s < /dev/null
	fi
done 3< "$plan/waits"
ended ready
