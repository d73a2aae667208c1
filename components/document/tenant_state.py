"""The tenants of a document as the reconciler of the gateway's state reads them: JSON."""

from typing import Any

from components.document.gateway import GatewaySettings
from components.document.tenants import (
    BudgetSettings,
    ServiceAccountSettings,
    TeamSettings,
    parallel_shares,
)


def wanted_state(gateway: GatewaySettings) -> dict[str, Any]:
    """What `programs/gateway_state.py` makes true; models and limits under LiteLLM's names."""
    days = gateway.delete_blocked_after_days
    return {
        "unmanaged": gateway.unmanaged,
        "delete_blocked_after_days": None if days == "never" else days,
        "teams": [_team(name, team) for name, team in sorted(gateway.teams.items())],
    }


def keeps_state(gateway: GatewaySettings) -> bool:
    """Whether there are teams and keys at all; a gateway without database knows its key alone.

    Without teams too: those that were taken out have to be blocked.
    """
    return gateway.database is not None


def secret_names(gateway: GatewaySettings) -> tuple[str, ...]:
    """Secrets that get a key, each once."""
    teams = gateway.teams.values()
    return tuple(
        sorted(each.secret_name for team in teams for each in team.service_accounts.values())
    )


def _team(name: str, team: TeamSettings) -> dict[str, Any]:
    shares = parallel_shares(team)
    return {
        "name": name,
        "settings": {"models": sorted(team.models), **_budget(team.budget), **_rates(team)},
        "tags": sorted(team.tags),
        "accounts": [
            _account(account, settings, team, shares[account])
            for account, settings in sorted(team.service_accounts.items())
        ],
    }


def _account(
    name: str, account: ServiceAccountSettings, team: TeamSettings, parallel: int | None
) -> dict[str, Any]:
    return {
        "name": name,
        "secret": account.secret_name,
        "settings": {
            "models": sorted(account.models or team.models),
            **_budget(account.budget),
            **_rates(account),
            "max_parallel_requests": parallel,
        },
        "generation": account.generation,
        "overlap_hours": account.overlap_hours,
    }


def _budget(budget: BudgetSettings | None) -> dict[str, Any]:
    return {
        "max_budget": budget.usd if budget else None,
        "budget_duration": budget.every if budget else None,
    }


def _rates(limits: TeamSettings | ServiceAccountSettings) -> dict[str, Any]:
    return {
        "rpm_limit": limits.requests_per_minute,
        "tpm_limit": limits.tokens_per_minute,
    }
