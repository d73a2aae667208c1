"""Streams that end before their server does (policy RL-02)."""

import math
import re
from collections.abc import Iterator
from fractions import Fraction

from pulumi_policy import Severity

from components.core.engine_args import Reading
from components.core.launch import launch
from policies.adapter import Breach, Parameters, Rule
from policies.reading.objects import Resource
from policies.reading.quantities import whole
from policies.reading.servers import Server, readable
from policies.reading.tree import Node

_GRACE = 30
"""Kubernetes' default of terminationGracePeriodSeconds."""
_FOREVER = 10**9
_FLAG = "--shutdown-timeout"
_SLEEP = re.compile(r"(?P<number>[0-9]{1,9}(\.[0-9]{1,9})?)(?P<unit>[sm]?)")


def _check(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    margin = int(parameters["margin_seconds"])
    for server in readable(resource):
        if not server.ends:
            yield from _breaches(server, margin)


def _breaches(server: Server, margin: int) -> Iterator[Breach]:
    title = server.container.title
    hook = server.container.node.at("lifecycle", "preStop")
    wait = _seconds(hook) if not hook.absent else Fraction(0)
    if hook.absent and not server.whole:
        return
    possible = "preStop.sleep.seconds, until no proxy routes to the pod any more, is possible"
    if wait is None:
        asked = f"hides from the preview how long {title} waits before it is told to stop"
        yield Breach(hook, asked, possible)
    elif wait <= 0:
        asked = f"stops {title} while requests are still routed to it"
        yield Breach(hook, asked, possible)
    timeout = _timeout(server)
    if timeout is None:
        asked = f"lets {title} cut the streams that are open when it stops"
        yield Breach(server.line_node, asked, f"{_FLAG} of 1 s or more is possible")
    elif wait:
        yield from _grace_breach(server, wait + timeout, margin)


def _timeout(server: Server) -> int | None:
    """How long open streams may go on; None where they may not, or nobody can tell."""
    if server.headless:
        return 0
    timeout = server.setting("shutdown_timeout")
    if isinstance(timeout, Reading) or not isinstance(timeout, int) or timeout < 1:
        return None
    return min(timeout, _FOREVER)


def _grace_breach(server: Server, needed: Fraction, margin: int) -> Iterator[Breach]:
    node, title = server.pod.node.at("terminationGracePeriodSeconds"), server.container.title
    if node.absent and not server.whole:
        return
    grace = whole(node, _GRACE)
    possible = f"{math.ceil(needed) + margin} s or more are possible"
    if grace is None:
        asked = f"decides only later how long the pod of {title} may take to stop"
        yield Breach(node, asked, possible)
    elif grace < needed + margin:
        asked = f"kills {title} after {grace} s, while it waits and drains {math.ceil(needed)} s"
        yield Breach(node, asked, f"{possible} (parameter margin_seconds)")


def _seconds(hook: Node) -> Fraction | None:
    """How long a hook waits; None where that cannot be read."""
    slept = hook.at("sleep", "seconds")
    if not slept.absent:
        seconds = whole(slept, 0)
        return None if seconds is None else Fraction(seconds)
    command = hook.at("exec", "command")
    words = [word.text for word in command.elements()]
    if hook.unknown or command.unknown or None in words:
        return None
    started = launch([word or "" for word in words], (), {})
    if started.opaque or started.program != "sleep":
        return None
    times = [_SLEEP.fullmatch(str(word)) for word in started.words[1:]]
    return sum((_time(found) for found in times if found), Fraction(0)) if all(times) else None


def _time(found: re.Match[str]) -> Fraction:
    return Fraction(found["number"]) * (60 if found["unit"] == "m" else 1)


DRAIN = Rule(
    name="rl-02-drain",
    severity=Severity.HIGH,
    description="A vLLM server that is replaced first leaves the routes, then ends its streams.",
    remediation="Wait in preStop, set --shutdown-timeout, and allow for both in the pod's grace.",
    check=_check,
    parameters={
        "margin_seconds": {
            "type": "integer",
            "minimum": 0,
            "default": 10,
            "description": "Seconds from the last token to the end of the engine's processes.",
        }
    },
)
"""Without --shutdown-timeout, vLLM ends open streams at once with an ordinary `[DONE]`, so that a
client takes half an answer for a whole one. Its workers get 5 s and 5 s more to end, hence the
margin."""
