"""What the tenants of a document must agree on, a sentence each: ask, limit, key to change."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from components.document.gateway_checks import length
from components.document.quantities import KeySecret
from components.document.tenants import (
    BudgetSettings,
    ServiceAccountSettings,
    TeamSettings,
    parallel_shares,
)
from components.document.whole import ROOT, PlatformSettings

_TEAMS = f"{ROOT}.gateway.teams"
_OPEN_NAMES = ("all-proxy-models", "all-team-models", "no-default-models")
"""Names that LiteLLM reads as other things than a model (SpecialModelNames of 1.106.2)."""
_SECRETS = ("secret_name", "certificate_secret")
"""Keys of the document that hold the name of a Secret."""
_FIGURES = ("requests_per_minute", "tokens_per_minute", "parallel_requests")


@dataclass(frozen=True)
class Surroundings:
    """What the rest of the document says that tenants depend on.

    Attributes:
        database: Whether the gateway has one; without it there are no teams.
        names: What clients may ask for, and the models that may answer, fallbacks included.
        tags: Tags that a route answers to, and for each alias the model that a tag leads to.
        unpriced: Models without a price.
        secrets: Secrets that the stack uses otherwise, and the key of the document that says so.
        lengths: Tokens of the longest request to each model that says it.
    """

    database: bool
    names: Mapping[str, frozenset[str]]
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    unpriced: frozenset[str] = frozenset()
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    lengths: Mapping[str, int] = field(default_factory=dict[str, int])

    def reached(self, names: tuple[str, ...], tags: tuple[str, ...]) -> frozenset[str]:
        """Every model that may answer requests for some names with some tags."""
        found: set[str] = set()
        waiting = set(names)
        while waiting:
            name = waiting.pop()
            after = set(self.names.get(name, ())) | {
                alias for tag, alias in self.tags.get(name, {}).items() if tag in tags
            }
            waiting |= after - found
            found |= after
        return frozenset(found)


def disagreements(document: PlatformSettings) -> Iterator[str]:
    """What is wrong with the tenants of a document, a sentence each."""
    yield from problems(document.gateway.teams, surroundings(document))


def problems(teams: Mapping[str, TeamSettings], around: Surroundings) -> Iterator[str]:
    """What is wrong with some teams among what the document says otherwise, a sentence each."""
    if teams and not around.database:
        yield (
            f"{_TEAMS} has {_listed(list(teams))}, but without a database the gateway knows the "
            f"master key alone: set {ROOT}.gateway.database, or take the teams out"
        )
    yield from _twice(teams, _TEAMS, "the team")
    for name, team in teams.items():
        key = f"{_TEAMS}.{name}"
        yield from _names(key, team, around)
        yield from _prices(key, team, around)
        yield from _one_request(key, team, around)
        yield from _twice(team.service_accounts, f"{key}.service_accounts", "the account")
        for account, settings in team.service_accounts.items():
            yield from _account(f"{key}.service_accounts.{account}", settings, key, team)
        yield from _parallel(key, team)
    yield from _secrets(teams, around)


def surroundings(document: PlatformSettings) -> Surroundings:
    """What tenants depend on, from a whole document."""
    gateway = document.gateway
    ways = {alias: frozenset({alias, *_instead(document, alias)}) for alias in document.aliases}
    further = {name: frozenset(gateway.meant(name)) for name in gateway.model_aliases}
    return Surroundings(
        database=gateway.database is not None,
        names={**ways, **further},
        tags=gateway.tag_routes,
        unpriced=frozenset(alias for alias in document.aliases if not _priced(document, alias)),
        secrets=_other_secrets(document),
        lengths={a: tokens for a in document.aliases if (tokens := length(document, a))},
    )


def _instead(document: PlatformSettings, alias: str) -> tuple[str, ...]:
    """Who may answer in place of a model."""
    ways = (document.gateway.fallbacks, document.gateway.context_fallbacks)
    return tuple(other for way in ways for other in way.get(alias, ()))


def _priced(document: PlatformSettings, alias: str) -> bool:
    """Whether a model has a price; an adapter has that of its model."""
    owners = [name for name, model in document.vllm_models.items() if alias in model.adapters]
    return document.models[(owners or [alias])[0]].price is not None


def _other_secrets(document: PlatformSettings) -> dict[str, str]:
    """Every Secret that the document names outside its tenants, with the key that names it."""
    return dict(_secret_names(document, ROOT))


def _secret_names(value: object, key: str) -> Iterator[tuple[str, str]]:
    if key == _TEAMS:
        return
    if isinstance(value, KeySecret):
        yield value.name, key
    elif isinstance(value, Mapping):
        for name, child in cast("Mapping[str, object]", value).items():
            yield from _secret_names(child, f"{key}.{name}")
    else:
        for name in getattr(type(value), "model_fields", ()):
            child = getattr(value, name)
            if name in _SECRETS and isinstance(child, str):
                yield child, key
            else:
                yield from _secret_names(child, f"{key}.{name}")


def _twice(names: Mapping[str, object], key: str, what: str) -> Iterator[str]:
    """Names that only people tell apart; dashboards, Secrets and speech do not."""
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(re.sub(r"[._-]+", "-", name.lower()), name)
        if other != name:
            yield f"{key}.{name} is {what} {other} written otherwise: rename one, or make them one"


def _names(key: str, team: TeamSettings, around: Surroundings) -> Iterator[str]:
    possible = ", ".join(around.names)
    for name in team.models:
        if name in _OPEN_NAMES:
            yield (
                f"{key}.models names {name!r}, which LiteLLM does not read as a model: name "
                f"aliases, possible are {possible}"
            )
        elif name not in around.names:
            yield f"{key}.models names {name!r}, which is not among {ROOT}.models: {possible}"
    known = sorted({tag for ways in around.tags.values() for tag in ways})
    for tag in team.tags:
        if tag not in known:
            yield (
                f"{key}.tags names {tag!r}, which no route answers to: possible are "
                f"{', '.join(known) or 'none'}, or add it to {ROOT}.gateway.tag_routes"
            )


def _prices(key: str, team: TeamSettings, around: Surroundings) -> Iterator[str]:
    """Without a price a request costs nothing, and the budget never ends."""
    budgets = [key] if team.budget else []
    accounts = team.service_accounts.items()
    budgets += [f"{key}.service_accounts.{name}" for name, each in accounts if each.budget]
    free = sorted(around.reached(team.models, team.tags) & around.unpriced)
    if budgets and free:
        yield (
            f"{budgets[0]}.budget bounds nothing on {_listed(free)}, which may answer this team "
            f"and cost nothing without a price: set {ROOT}.models.{free[0]}.price, or take the "
            "budget out"
        )


def _one_request(key: str, team: TeamSettings, around: Surroundings) -> Iterator[str]:
    """LiteLLM sets aside what a request may take (parallel_request_limiter_v3.py of 1.106.2).

    A limit above the shortest of the models is somebody's choice; below it, it is a slip.
    """
    reached = around.reached(team.models, team.tags)
    lengths = {alias: around.lengths[alias] for alias in reached if alias in around.lengths}
    if not lengths:
        return
    shortest = min(sorted(lengths), key=lengths.__getitem__)
    accounts = team.service_accounts.items()
    every = {key: team, **{f"{key}.service_accounts.{name}": each for name, each in accounts}}
    for holder, settings in every.items():
        tokens = settings.tokens_per_minute
        if tokens is not None and tokens < lengths[shortest]:
            yield (
                f"{holder}.tokens_per_minute is {tokens}, but one request to {shortest} may have "
                f"{lengths[shortest]}: raise it, or lower {ROOT}.models.{shortest}.max_model_len"
            )


def _account(
    key: str, account: ServiceAccountSettings, team_key: str, team: TeamSettings
) -> Iterator[str]:
    for name in account.models or ():
        if name not in team.models:
            yield (
                f"{key}.models names {name!r}, which the team may not use: possible are "
                f"{', '.join(team.models)}, or add it to {team_key}.models"
            )
    for figure in _FIGURES:
        own, most = getattr(account, figure), getattr(team, figure)
        if own is not None and most is not None and own > most:
            yield (
                f"{key}.{figure} is {own}, above the team's {most}: lower it, or raise "
                f"{team_key}.{figure}"
            )
    if account.budget and team.budget and _rate(account.budget) > _rate(team.budget):
        yield (
            f"{key}.budget is {account.budget.usd:g} USD every {account.budget.every}, above the "
            f"team's {team.budget.usd:g} USD every {team.budget.every}: lower it, or raise "
            f"{team_key}.budget"
        )


def _rate(budget: BudgetSettings) -> float:
    return budget.usd / budget.hours


def _parallel(key: str, team: TeamSettings) -> Iterator[str]:
    """LiteLLM counts requests at a time for each key, so a team's are dealt out to its accounts."""
    if team.parallel_requests is None or not team.service_accounts:
        return
    shares = parallel_shares(team)
    total, most = sum(share or 0 for share in shares.values()), team.parallel_requests
    starved = [name for name, share in shares.items() if share is not None and share < 1]
    if starved or total > most:
        what = f"leaves none for {_listed(starved)}" if starved else f"is below their sum {total}"
        yield (
            f"{key}.parallel_requests is {most}, is dealt out to the service accounts and {what}: "
            "raise it, or lower theirs"
        )


def _secrets(teams: Mapping[str, TeamSettings], around: Surroundings) -> Iterator[str]:
    first: dict[str, str] = {}
    for name, team in teams.items():
        for account, settings in team.service_accounts.items():
            key = f"{_TEAMS}.{name}.service_accounts.{account}"
            secret = settings.secret_name
            if secret in around.secrets:
                yield (
                    f"{key}.secret_name is {secret!r}, the Secret of {around.secrets[secret]}: "
                    "name one that holds nothing else"
                )
            other = first.setdefault(secret, key)
            if other != key:
                yield (
                    f"{key}.secret_name is {secret!r}, as that of {other}: each account has a key "
                    "of its own, name a Secret for each"
                )


def _listed(words: list[str]) -> str:
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)
