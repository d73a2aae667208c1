"""Replacements that leave somebody to serve (policy RL-05)."""

import math
import re
from collections.abc import Iterator
from fractions import Fraction

from pulumi_policy import EnforcementLevel, Severity

from policies.adapter import Breach, Parameters, Rule
from policies.reading.objects import Object, Resource
from policies.reading.quantities import whole
from policies.reading.servers import readable
from policies.reading.tree import Node

_LEAF = "replicas"
_STRATEGIES = {
    "Deployment": (("strategy", "rollingUpdate"), "25%", math.floor),
    "StatefulSet": (("updateStrategy", "rollingUpdate"), 1, math.ceil),
    "LeaderWorkerSet": (("rolloutStrategy", "rollingUpdateConfiguration"), 1, math.floor),
}
"""Where a kind says how many may be missing, its default, and how it rounds a percentage."""
_POSSIBLE = "a further replica, or one that starts before its predecessor ends, is possible"


def _check(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    least = int(parameters["min_replicas"])
    owners = {id(server.owner): server for server in readable(resource) if server.whole}
    for server in owners.values():
        if server.owner.kind in _STRATEGIES:
            yield from _breaches(server.owner, least)


def _breaches(owner: Object, least: int) -> Iterator[Breach]:
    spec = owner.node.at("spec")
    node = spec.at("replicas")
    replicas = whole(node, 1)
    if replicas is None:
        asked = "decides only later how many replicas of an engine there are"
        yield Breach(node, asked, "a number that is known at preview is possible", _LEAF)
        return
    if 0 < replicas < least:
        asked = f"runs an engine with {replicas} replicas"
        yield Breach(node, asked, f"{least} or more are possible (parameter min_replicas)", _LEAF)
    if spec.at("strategy", "type").text == "Recreate":
        at = spec.at("strategy", "type")
        yield Breach(at, "ends every replica of an engine before it starts others", _POSSIBLE)
    elif replicas:
        yield from _missing_breach(owner.kind, spec, replicas)


def _missing_breach(kind: str, spec: Node, replicas: int) -> Iterator[Breach]:
    steps, default, rounded = _STRATEGIES[kind]
    node = spec.at(*steps, "maxUnavailable")
    text = str(default) if node.absent else node.text or ""
    share = text.removesuffix("%")
    if not re.fullmatch(r"[0-9]{1,9}", share):
        asked = "decides only later how many replicas of an engine may be missing"
        yield Breach(node, asked, "a number that is known at preview is possible")
        return
    missing = rounded(Fraction(replicas * int(share), 100)) if text.endswith("%") else int(share)
    if missing >= replicas:
        asked = f"may have no replica of an engine during a roll-out ({replicas} in all)"
        yield Breach(spec.at("replicas"), asked, _POSSIBLE, _LEAF)


NO_ROLLOUT_GAP = Rule(
    name="rl-05-no-rollout-gap",
    severity=Severity.MEDIUM,
    description="While a vLLM server is replaced, another one serves.",
    remediation="Set replicas of the model to two, or give its pool room for one more while it"
    " rolls.",
    check=_check,
    parameters={
        "min_replicas": {
            "type": "integer",
            "minimum": 1,
            "default": 1,
            "description": "Replicas that an engine has at least; 2 survive the loss of a node.",
        }
    },
    level=EnforcementLevel.ADVISORY,
)
"""Advice: a second GPU costs as much as the first, and whether minutes without an answer do is not
for a manifest to say. A lone replica that is replaced by surge has no gap."""
