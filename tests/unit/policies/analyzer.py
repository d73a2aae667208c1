"""Drives the SDK's own analyzer servicer in this process, with the values the engine sends.

So a policy meets floats, proxies and placeholders of unknown values here, as in a real preview.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format, struct_pb2
from pulumi.runtime import proto
from pulumi_policy import EnforcementLevel, Policy, proxy
from pulumi_policy.policy import (
    _PolicyAnalyzerServicer as Servicer,  # pyright: ignore[reportPrivateUsage] - no public one
)

from policies.pack import POLICIES

Json = dict[str, Any]

UNKNOWN = proxy.UNKNOWN_STRING_VALUE
SENTINELS = (
    proxy.UNKNOWN_BOOLEAN_VALUE,
    proxy.UNKNOWN_NUMBER_VALUE,
    proxy.UNKNOWN_STRING_VALUE,
    proxy.UNKNOWN_ARRAY_VALUE,
    proxy.UNKNOWN_ASSET_VALUE,
    proxy.UNKNOWN_ARCHIVE_VALUE,
    proxy.UNKNOWN_OBJECT_VALUE,
)


@dataclass(frozen=True)
class Finding:
    """One diagnostic of the pack."""

    policy: str
    message: str
    level: int


def analyze(
    resource_type: str,
    properties: Mapping[str, Any],
    *,
    policies: Iterable[Policy] = POLICIES,
    config: Mapping[str, Mapping[str, Any]] | None = None,
    beside: Sequence[tuple[str, Mapping[str, Any]]] = (),
) -> list[Finding]:
    """What the pack says about one resource, named `subject`, and the stack that it is in.

    Args:
        resource_type: Its type token.
        properties: Its properties.
        policies: Those that run.
        config: Parameters by policy.
        beside: Types and properties of the stack's other resources.
    """
    servicer: Any = Servicer("test", "0.0.1", list(policies), EnforcementLevel.ADVISORY)
    configured = {
        name: proto.PolicyConfig(
            enforcementLevel=proto.MANDATORY,
            properties=json_format.ParseDict(dict(values), struct_pb2.Struct()),
        )
        for name, values in (config or {}).items()
    }
    servicer.Configure(proto.ConfigureAnalyzerRequest(policyConfig=configured), None)
    subject = _sent(resource_type, "subject", properties)
    others = [_sent(kind, f"other-{at}", one) for at, (kind, one) in enumerate(beside)]
    stack = proto.AnalyzeStackRequest(
        resources=[
            proto.AnalyzerResource(
                type=one.type, urn=one.urn, name=one.name, properties=one.properties
            )
            for one in (subject, *others)
        ]
    )
    responses = (servicer.Analyze(subject, None), servicer.AnalyzeStack(stack, None))
    return [
        Finding(found.policyName, found.message, found.enforcementLevel)
        for response in responses
        for found in response.diagnostics
    ]


def _sent(kind: str, name: str, properties: Mapping[str, Any]) -> proto.AnalyzeRequest:
    """A resource as the engine sends it."""
    return proto.AnalyzeRequest(
        type=kind,
        urn=f"urn:pulumi:production::inference-platform::{kind}::{name}",
        name=name,
        properties=json_format.ParseDict(dict(properties), struct_pb2.Struct()),
    )


def secret(value: object) -> Json:
    """The envelope in which the engine sends a secret."""
    return {
        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
        "value": value,
    }


def put(base: Mapping[str, Any], *steps: str | int, value: object) -> Json:
    """A copy of a manifest with one value set; missing objects on the way are made."""
    changed = copy.deepcopy(dict(base))
    place: Any = changed
    for step in steps[:-1]:
        if isinstance(step, str) and step not in place:
            place[step] = {}
        place = place[step]
    if steps[-1] == len(place) and isinstance(steps[-1], int):
        place.append(value)
    else:
        place[steps[-1]] = value
    return changed


def drop(base: Mapping[str, Any], *steps: str | int) -> Json:
    """A copy of a manifest without one value."""
    changed = copy.deepcopy(dict(base))
    place: Any = changed
    for step in steps[:-1]:
        place = place[step]
    del place[steps[-1]]
    return changed
