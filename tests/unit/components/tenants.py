"""A stack with tenants, rendered: for tests of its objects, here and on a real API server."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from components.document import parse_document
from components.document.gateway import GatewaySettings
from components.document.tenants import TeamSettings
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
    """The gateway of the production stack with these teams, and with a database."""
    read = {name: TeamSettings.model_validate(team) for name, team in teams.items()}
    gateway = parse_document(document("production")).gateway
    return gateway.model_copy(update={"teams": read, "database": "there"})


def rendered(teams: Mapping[str, Mapping[str, Any]]) -> tuple[Rendered, ...]:
    """The production stack with these teams."""
    parsed = parse_document(document("production"))
    return render(parsed.model_copy(update={"gateway": tenant_gateway(teams)}))


@cache
def tenants() -> tuple[Rendered, ...]:
    """The stack with `TEAMS`; plain data, so that it can be shared by tests."""
    return rendered(TEAMS)


def own(found: tuple[Rendered, ...], kind: str) -> tuple[Mapping[str, Any], ...]:
    """The objects of a kind that belong to the gateway's state."""
    here = [each for each in found if "inference:gateway:GatewayState" in each.parents]
    return of_kind(here, kind)
