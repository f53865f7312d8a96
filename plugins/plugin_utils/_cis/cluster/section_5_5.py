# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 5.5: image admission."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    FAIL,
    MANUAL,
    PASS,
    Evidence,
    Result,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.evaluation import (
    ASK_HOSTS,
    Evaluate,
    conclude,
    guarded_checks,
    limited,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    Object,
    Snapshot,
    name_of,
)

_WEBHOOKS = "validatingwebhookconfigurations"
#: Words in the names of webhooks that verify signatures.
_VERIFIERS = ("connaisseur", "cosign", "kritis", "portieris", "policy.sigstore.dev", "ratify")


def _verifying_rules(policy: Object) -> bool:
    """Whether a Kyverno policy denies unsigned images."""
    spec = policy.get("spec") or {}
    for rule in spec.get("rules") or ():
        for verify in rule.get("verifyImages") or ():
            action = verify.get("failureAction") or spec.get("validationFailureAction") or "Audit"
            if str(action).lower() == "enforce":
                return True
    return False


def _found(snapshot: Snapshot) -> t.Iterator[tuple[str, str]]:
    """Objects that deny images by their origin, and what they do."""
    hooks = [item for item in snapshot.all(_WEBHOOKS) if item.get("webhooks")]
    names = [name_of(item) for item in hooks]
    if any("kyverno" in name for name in names):
        for resource, kind in (
            ("clusterpolicies.kyverno.io", "ClusterPolicy"),
            ("policies.kyverno.io", "Policy"),
        ):
            for policy in snapshot.custom(resource):
                if _verifying_rules(policy):
                    yield f"{kind}/{name_of(policy)}", "Kyverno verifies signatures"
        for policy in snapshot.custom("imagevalidatingpolicies.policies.kyverno.io"):
            if "Deny" in ((policy.get("spec") or {}).get("validationActions") or ()):
                yield f"ImageValidatingPolicy/{name_of(policy)}", "Kyverno verifies images"
    signed = any("policy.sigstore.dev" in name for name in names)
    for policy in snapshot.custom("clusterimagepolicies.policy.sigstore.dev") if signed else ():
        yield f"ClusterImagePolicy/{name_of(policy)}", "the Sigstore policy controller verifies signatures"
    for name in names:
        if any(word in name for word in _VERIFIERS) and "policy.sigstore.dev" not in name:
            yield f"ValidatingWebhookConfiguration/{name}", "verifies signatures"


def _about_pods(hook: Object) -> bool:
    return any(
        {"pods", "*", "*/*", "pods/*"} & set(rule.get("resources") or ())
        for webhook in hook.get("webhooks") or ()
        for rule in webhook.get("rules") or ()
    )


def image_provenance(snapshot: Snapshot) -> Result:
    """5.5.1: only images of verified origin run."""
    evidence = [
        Evidence("admission", subject, about, "", PASS, subject) for subject, about in _found(snapshot)
    ]
    servers = snapshot.api_servers
    plugin = [bool(server.get("image_policy_webhook")) for server in servers]
    known = snapshot.all_servers_known
    if known and all(plugin):
        evidence.append(
            Evidence("admission plugins of the API server", "ImagePolicyWebhook", "enabled", "", PASS)
        )
    literal = FAIL if False in plugin else PASS if known else ""
    if evidence:
        good = "Images of unverified origin are denied."
        return conclude("5.5.1", evidence, good=good, bad="", literal=literal)
    if not known and all(plugin):
        return Result("5.5.1", ERROR, f"Whether ImagePolicyWebhook is enabled is not known. {ASK_HOSTS}.")
    others = [
        Evidence("admission", f"ValidatingWebhookConfiguration/{name_of(hook)}", "reviews Pods")
        for hook in snapshot.all(_WEBHOOKS)
        if _about_pods(hook)
    ]
    if any(plugin):
        plugins = Evidence(
            "admission plugins of the API servers",
            "ImagePolicyWebhook",
            "enabled on some",
            "enabled on all",
            FAIL,
        )
        bad = "Images are verified by some API servers, and not by others."
        return conclude("5.5.1", [plugins, *others], good="", bad=bad, literal=literal)
    return Result(
        "5.5.1",
        MANUAL,
        "No known mechanism that verifies images was found in the API. Check whether a webhook of your own"
        " does, or the"
        " container runtime (image verifiers of containerd, the signature policy of CRI-O).",
        limited(others),
        literal,
    )


CHECKS: t.Mapping[str, Evaluate] = guarded_checks({"5.5.1": image_provenance})
