"""A stack with tenants, rendered: for tests of its objects, here and on a real API server."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from components.document import parse_document
from components.document.gateway import GatewaySettings
from tests.rendering import Rendered, document, of_kind, render

TEAMS: Mapping[str, Mapping[str, Any]] = {
    "akko": {
        "models": ["akko-coder"],
        "requests_per_minute": 60,
        "service_accounts": {
            "batch": {"secret_name": "akko-batch-key"},
            "app": {"secret_name": "akko-app-key", "requests_per_minute": 20},
        },
    },
    "other": {"models": ["akko-coder"]},
}
NAME = "akko-akko-litellm"


def tenant_gateway(teams: Mapping[str, Mapping[str, Any]]) -> GatewaySettings:
    """The gateway of the production stack with these teams."""
    return parse_document(_with(teams)).gateway


def rendered(teams: Mapping[str, Mapping[str, Any]]) -> tuple[Rendered, ...]:
    """The production stack with these teams."""
    return render(_with(teams))


def _with(teams: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    value = document("production")
    value["gateway"]["teams"] = teams
    return value


@cache
def tenants() -> tuple[Rendered, ...]:
    """The stack with `TEAMS`; plain data, so that it can be shared by tests."""
    return rendered(TEAMS)


def own(found: tuple[Rendered, ...], kind: str) -> tuple[Mapping[str, Any], ...]:
    """The objects of a kind that belong to the gateway's state."""
    here = [each for each in found if "inference:gateway:GatewayState" in each.parents]
    return of_kind(here, kind)
