"""The production stack with a way in of some kind, in front of the real Envoy."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rendering import Rendered, document, render
from tests.serving.answering import Answering, answering
from tests.serving.envoys import (
    CLASS,
    HOST,
    SECRET,
    Proxy,
    Translation,
    certificate,
    cluster_objects,
    existing_gateway,
    running_envoy,
    translate,
)

CREATED = {"source": "created", "class_name": CLASS, "certificate_secret": SECRET}


@dataclass(frozen=True)
class Programs:
    """The real programs.

    Attributes:
        egctl: Envoy Gateway's translator.
        envoy: Envoy.
    """

    egctl: Path
    envoy: Path


@dataclass(frozen=True)
class WayIn:
    """A running way in.

    Attributes:
        proxy: Envoy.
        gateway: What stands for the gateway.
        translation: What Envoy was told, and what Envoy Gateway says of the objects.
    """

    proxy: Proxy
    gateway: Answering
    translation: Translation


def rendered(
    parent: Mapping[str, object], longest_seconds: int = 300, **keys: object
) -> tuple[Rendered, ...]:
    """The production stack with other keys of its exposure."""
    changed: dict[str, Any] = document("production")
    changed["exposure"] = {
        "kind": "envoy-gateway",
        "host": HOST,
        "parent_gateway": dict(parent),
        **keys,
    }
    changed["streams"] = {"longest_seconds": longest_seconds}
    return render(changed)


@contextmanager
def way_in(
    programs: Programs, stack: tuple[Rendered, ...], folder: Path, upstream: int | None = None
) -> Generator[WayIn]:
    """Run Envoy with the way in of a stack.

    Args:
        programs: The real programs.
        stack: The rendered stack.
        folder: Empty folder.
        upstream: Loopback port of the gateway; left out, the stand-in's.
    """
    shown = certificate(folder)
    made = any(item.inputs.get("kind") == "Gateway" for item in stack)
    owner = "akko" if made else "envoy-gateway-system"
    beside = cluster_objects(shown, owner)
    if not made:
        beside.append(existing_gateway("public", owner))
    found = translate(programs.egctl, stack, beside, folder)
    with (
        answering() as gateway,
        running_envoy(programs.envoy, found, shown, upstream or gateway.port, folder) as proxy,
    ):
        yield WayIn(proxy, gateway, found)
