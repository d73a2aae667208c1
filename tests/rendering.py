"""A stack document in, everything it asks Pulumi for out: plain data, no engine, no cluster.

What this cannot prove: that an API server accepts the objects. The tests in `cluster` do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from pulumi.runtime import mocks, rpc

from components.cluster import kubernetes_provider
from components.document import PlatformSettings, read_document
from components.document.credentials import ConfigCredential, DevelopmentCredential
from components.keys import Keys
from components.platform import Platform

STACKS = ("dev", "production")
"""The committed stack files."""

GATEWAY_KEY = "key-for-rendering-only"
"""What a rendered Secret holds unless a test passes another key."""
CONFIG_VALUE = "a-value-of-the-configuration"
"""Begins what stands in for encrypted configuration values."""

_CHECKOUT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Rendered:
    """One resource as the program registers it.

    Attributes:
        type: Its type token.
        name: Its logical name.
        inputs: What it was given, under the names that go over the wire; secrets in the clear.
        secret: Whether any of the inputs is a secret to Pulumi.
        parents: Type tokens of its parents, outermost first, without the stack itself.
        dependencies: Type and logical name of what has to be there before it.
        provider: Logical name of the provider that it is bound to; empty for a component, and for
            an object left to the default provider, which is the cluster of the current context.
    """

    type: str
    name: str
    inputs: Mapping[str, Any]
    secret: bool
    parents: tuple[str, ...]
    dependencies: frozenset[tuple[str, str]]
    provider: str

    @property
    def key(self) -> tuple[str, str]:
        """Type and name, which nothing else in its stack may have under the same parents."""
        return self.type, self.name


def document(stack: str) -> dict[str, Any]:
    """The value of `inference:platform` in a committed stack file, afresh for each call."""
    file = yaml.safe_load((_CHECKOUT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))
    return file["config"]["inference:platform"]


def render(
    settings: PlatformSettings | Mapping[str, Any],
    *,
    stack: str = "production",
    gateway_key: str | None = GATEWAY_KEY,
    hub_token: str | None = None,
) -> tuple[Rendered, ...]:
    """Run the platform of a document under mocks and wait for every registration.

    Args:
        settings: A document, validated or raw.
        stack: Name of the stack.
        gateway_key: The gateway's master key; None where its Secret comes from elsewhere.
        hub_token: The hub's token, likewise.

    Raises:
        DocumentError: The raw document cannot be used.
    """
    checked = settings if isinstance(settings, PlatformSettings) else read_document(settings)
    monitor = _Monitor(_Mocks())

    def program() -> None:
        # In here, where an event loop runs.
        mocks.set_mocks(monitor.mocks, project="inference", stack=stack, monitor=monitor)
        Platform(
            stack,
            checked,
            keys=_keys(checked, gateway_key, hub_token),
            provider=kubernetes_provider(checked.cluster),
        )

    # The SDK does not type it.
    test = cast("Callable[..., Callable[[], None]]", mocks.test)  # pyright: ignore[reportUnknownMemberType]
    test(program)()
    return tuple(sorted(monitor.rendered, key=lambda item: item.key))


def _keys(settings: PlatformSettings, gateway_key: str | None, hub_token: str | None) -> Keys:
    """What the configuration of a stack would give, with a value for every secret in it."""
    gateway = settings.gateway
    return Keys(
        gateway=gateway_key,
        previous_gateway=_made(gateway.previous_master_key, "previous"),
        hub=hub_token,
        salt=_made(gateway.salt_key, "salt"),
        database_password=_made(getattr(gateway.database, "password", None), "database"),
        redis_password=_made(getattr(gateway.redis, "password", None), "redis"),
    )


def _made(credential: object, name: str) -> str | None:
    """A value for a credential whose Secret the stack makes; None for another."""
    made = isinstance(credential, ConfigCredential | DevelopmentCredential)
    return f"{CONFIG_VALUE}-{name}" if made else None


def of_kind(rendered: Sequence[Rendered], kind: str) -> tuple[Mapping[str, Any], ...]:
    """The Kubernetes objects of one kind."""
    return tuple(item.inputs for item in rendered if item.inputs.get("kind") == kind)


class _Mocks(mocks.Mocks):
    """Every resource comes out as it went in; nothing may ask the cloud."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        # The SDK declares a bare dict.
        return args.name, cast("dict[str, Any]", args.inputs)  # pyright: ignore[reportUnknownMemberType]

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program calls {args.token}, which needs a cluster")


class _Monitor(mocks.MockMonitor):
    """Keeps what the SDK's own monitor does not: the whole line of parents, and dependencies."""

    def __init__(self, asked: mocks.Mocks) -> None:
        super().__init__(asked)
        self.rendered: list[Rendered] = []
        self._lines: dict[str, tuple[str, ...]] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802, ANN401 - the SDK's name, untyped
        response: Any = super().RegisterResource(request)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - untyped in the SDK
        if response.urn not in self.resources:  # the stack itself
            return response
        parents = self._lines.get(request.parent, ())
        self._lines[response.urn] = (*parents, request.type)
        state = cast("dict[str, Any]", self.resources[response.urn].state)  # pyright: ignore[reportUnknownMemberType] - bare in the SDK
        self.rendered.append(
            Rendered(
                type=request.type,
                name=request.name,
                inputs=_plain(state),
                secret=state != _plain(state),
                parents=parents,
                dependencies=frozenset(
                    (urn.split("::")[2].split("$")[-1], urn.split("::")[3])
                    for urn in request.dependencies
                ),
                provider=request.provider.split("::")[3] if request.provider else "",
            )
        )
        return response


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a resource is given
    """Secrets in the clear, and whole numbers, which the wire knows as floats, as such."""
    if rpc.is_rpc_secret(value):
        return _plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[Any]", value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value
