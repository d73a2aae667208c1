"""A document's plan as plain values, for stack outputs, scripts and tables."""

from collections.abc import Mapping
from typing import Any

from components.core.sizing.plan import Plan
from components.document.plans import ModelPlan
from components.document.replacement import replacement
from components.document.whole import PlatformSettings

NOT_PLANNED = "not planned"
_WHY = {
    "ollama": "Ollama on CPU, for development",
    "external": "a provider outside the cluster",
}


def figures(
    document: PlatformSettings, plans: Mapping[str, ModelPlan]
) -> dict[str, dict[str, Any]]:
    """Verdict, users, start and price of every alias; models that no GPU serves have no figures."""
    return {
        alias: {**_model(plans[alias]), "replacement": replacement(document, plans[alias]).word}
        if alias in plans
        else {"verdict": NOT_PLANNED, "reason": _WHY.get(model.engine, "its pool is unknown")}
        for alias, model in document.models.items()
    }


def _model(found: ModelPlan) -> dict[str, Any]:
    if not found.plans:
        return {"verdict": found.verdict, "reason": "; ".join(found.problems)}
    figures_of = machine_figures(found, found.deciding)
    reason = found.problems[0] if found.problems else figures_of["reason"]
    return {**figures_of, "verdict": found.verdict, "reason": reason}


def machine_figures(found: ModelPlan, plan: Plan) -> dict[str, Any]:
    """What a model comes to on one machine; money is that of all replicas that there may be.

    `concurrency` is of one replica at the lengths of `traffic`, `usd_per_million_tokens` the least
    a million output tokens can cost at its utilisation; None where price or speed is unknown.
    """
    seconds, fit = plan.start_seconds, plan.fit
    return {
        "verdict": fit.verdict,
        "reason": fit.reason,
        "machine": plan.machine,
        "replicas": found.settings.most_replicas,
        "concurrency": plan.concurrency,
        "max_model_len": fit.settings.max_model_len,
        "largest_max_model_len": min(fit.longest, found.max_position),
        "kv_cache_tokens": fit.tokens,
        "start_seconds": {
            "low": round(seconds.low),
            "expected": round(seconds.expected),
            "high": round(seconds.high),
        },
        "usd_per_month": _cents(plan.usd_per_month, found.settings.most_replicas),
        "usd_per_million_tokens": _cents(plan.usd_per_million_tokens),
    }


def _cents(dollars: float | None, times: int = 1) -> float | None:
    return None if dollars is None else round(dollars * times, 2)
