"""What a stack may say about the gateway's tenants: teams, their service accounts, what each may.

A limit that is left out is none of its own: of an account the team's holds, of a team what the
models can do.
"""

from typing import Annotated, Literal

from pydantic import Field

from components.core.settings import DnsLabel, PositiveInt, Settings

TenantName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
        max_length=63,
        description="Letters, digits, '.', '_' and '-', 63 at most.",
    ),
]
"""A name that LiteLLM takes as the id of a team and, with slashes between, in a key's alias."""

Tag = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        max_length=63,
        description="Letters, digits, '_', '.' and '-'.",
    ),
]
"""A word that a request carries and a route answers to."""

DeleteAfter = Annotated[int, Field(ge=1, le=3650, strict=True)] | Literal["never"]


class BudgetSettings(Settings):
    """Money that may be spent in each window, at the prices of the models."""

    usd: Annotated[
        float,
        Field(
            gt=0, le=1e9, strict=True, allow_inf_nan=False, description="US dollars in each window."
        ),
    ]
    every: Annotated[
        str,
        Field(pattern=r"^[1-9]\d{0,2}[hd]$", description="The window, such as 12h, 1d, 7d or 30d."),
    ]

    @property
    def hours(self) -> int:
        """Length of the window, hours."""
        return int(self.every[:-1]) * (24 if self.every.endswith("d") else 1)


class _LimitSettings(Settings):
    budget: Annotated[
        BudgetSettings | None, Field(description="Money in each window; left out, no bound.")
    ] = None
    requests_per_minute: Annotated[
        PositiveInt | None, Field(description="Requests in any minute; left out, no bound.")
    ] = None
    tokens_per_minute: Annotated[
        PositiveInt | None, Field(description="Tokens in any minute; left out, no bound.")
    ] = None
    parallel_requests: Annotated[
        PositiveInt | None, Field(description="Requests at a time; left out, no bound.")
    ] = None


class ServiceAccountSettings(_LimitSettings):
    """A program that calls the gateway, with a key of its own."""

    secret_name: Annotated[
        DnsLabel,
        Field(description="Secret that gets the account's key, under the name 'api-key'."),
    ]
    models: Annotated[
        tuple[str, ...] | None,
        Field(min_length=1, description="Aliases of the team's; left out, all of them."),
    ] = None
    generation: Annotated[
        PositiveInt, Field(le=1_000_000, description="Raised by one, it makes another key.")
    ] = 1
    overlap_hours: Annotated[
        int,
        Field(ge=0, le=24 * 90, strict=True, description="Hours for which the old key works on."),
    ] = 24


class TeamSettings(_LimitSettings):
    """Who shares a budget and limits."""

    models: Annotated[
        tuple[str, ...],
        Field(min_length=1, description="Aliases that the team may use."),
    ]
    tags: Annotated[
        tuple[Tag, ...], Field(description="Tags of requests that the team may use.")
    ] = ()
    service_accounts: Annotated[
        dict[TenantName, ServiceAccountSettings],
        Field(description="Programs of the team by name."),
    ] = Field(default_factory=dict)


def parallel_shares(team: TeamSettings) -> dict[str, int | None]:
    """Requests at a time of each account, None for no bound.

    LiteLLM counts them for a key, not for a team (parallel_request_limiter_v3.py of 1.106.2), so a
    team's are dealt out: accounts that name a number have it, the others share what is left. What
    cannot be dealt out evenly stays unused.
    """
    named = {name: each.parallel_requests for name, each in team.service_accounts.items()}
    others = sum(1 for value in named.values() if value is None)
    if team.parallel_requests is None or not others:
        return named
    left = team.parallel_requests - sum(value or 0 for value in named.values())
    return {name: left // others if value is None else value for name, value in named.items()}
