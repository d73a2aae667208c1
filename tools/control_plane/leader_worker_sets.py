"""LeaderWorkerSet's real controller on loopback: its configuration and the webhooks it answers.

Without its webhooks the controller does nothing useful: they give every pod of a group its index,
its group's key and the address of its leader (lws 0.9, `pkg/webhooks`).
"""

import base64
import json
from typing import Any

from tools.control_plane.components import LWS_POD_WEBHOOK
from tools.control_plane.layout import Layout, write
from tools.control_plane.objects import BaseObject
from tools.control_plane.ports import LOOPBACK

_SET = "leaderworkerset-x-k8s-io-v1-leaderworkerset"
_SET_RULE = {
    "apiGroups": ["leaderworkerset.x-k8s.io"],
    "apiVersions": ["v1"],
    "operations": ["CREATE", "UPDATE"],
    "resources": ["leaderworkersets"],
}
_POD_RULE = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["CREATE"],
    "resources": ["pods"],
}
_PODS_OF_SETS = {
    "objectSelector": {
        "matchExpressions": [{"key": "leaderworkerset.sigs.k8s.io/name", "operator": "Exists"}]
    }
}


def write_files(layout: Layout, port: int) -> None:
    """What the controller reads at its start: its configuration and the pair that it serves with.

    Raises:
        OSError: The disk is full or the folder cannot be written.
    """
    configuration = {
        "apiVersion": "config.lws.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "webhook": {"host": LOOPBACK, "port": port, "certDir": str(layout.lws_folder)},
        # Its own health endpoint answers before its webhooks do, so nobody asks it.
        "health": {"healthProbeBindAddress": "0"},
        "metrics": {"bindAddress": "0"},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
    }
    write(layout.lws_config, json.dumps(configuration))
    write(layout.lws_folder / "tls.crt", layout.certificate.read_text())
    write(layout.lws_folder / "tls.key", layout.key.read_text())


def webhooks(layout: Layout, port: int) -> tuple[BaseObject, ...]:
    """The registrations that lead the API server to the controller's port.

    As in the project's own chart, but for the two validators that accept everything or belong to
    DisaggregatedSet. Where the controller does not answer, no LeaderWorkerSet is taken.
    """

    def webhook(name: str, path: str, rule: dict[str, Any]) -> dict[str, Any]:
        authority = base64.b64encode(layout.ca.read_bytes()).decode()
        return {
            "name": name,
            "clientConfig": {"url": f"https://{LOOPBACK}:{port}{path}", "caBundle": authority},
            "rules": [rule],
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            **(_PODS_OF_SETS if rule is _POD_RULE else {}),
        }

    return (
        _registration(
            "MutatingWebhookConfiguration",
            webhook("mleaderworkerset.kb.io", f"/mutate-{_SET}", _SET_RULE),
            webhook("mpod.kb.io", LWS_POD_WEBHOOK, _POD_RULE),
        ),
        _registration(
            "ValidatingWebhookConfiguration",
            webhook("vleaderworkerset.kb.io", f"/validate-{_SET}", _SET_RULE),
        ),
    )


def _registration(kind: str, *entries: dict[str, Any]) -> BaseObject:
    return BaseObject(
        path=f"/apis/admissionregistration.k8s.io/v1/{kind.lower()}s/lws",
        body={
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": "lws"},
            "webhooks": list(entries),
        },
    )
