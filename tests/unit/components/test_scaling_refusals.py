"""Scaling that cannot work is refused: what was asked, what is possible, which key to change."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from components.document import ROOT, DocumentError, parse_document, read_document
from components.document.plans import plan_models
from components.document.scale_in import start_seconds, too_slow
from tests.rendering import document
from tests.unit.components.test_scaling import HOURS, asleep, scaled

KEY = f"{ROOT}.models.akko-coder.scaling"
GATEWAY = f"{ROOT}.gateway.scaling"


def refusals(value: object) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        read_document(value)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"min_replicas": 4},
            f"{KEY}.min_replicas is 4, but max_replicas is 3: lower it, or raise "
            f"{KEY}.max_replicas",
        ),
        ({"in_flight": 0}, f"{KEY}.in_flight is 0: input should be greater than 0"),
        ({"kv_cache_use": 70.0}, f"{KEY}.kv_cache_use is 70.0: input should be less than or equal"),
        ({"idle": "off"}, f"{KEY}.idle is 'off': input should be 'keep' or 'zero'"),
        ({"cooldown": 5}, f"{KEY}.cooldown is not a key of this document; "),
        (
            {"fallback_replicas": 4},
            f"{KEY}.fallback_replicas is 4, but from min_replicas 1 to max_replicas 3 are possible:"
            " change it, or leave it out",
        ),
        (
            {"hours": {**HOURS, "time_zone": "Europe/Bonn"}},
            f"{KEY}.hours.time_zone is refused: 'Europe/Bonn' is no time zone of the IANA "
            "database: write it as Europe/Berlin, or UTC",
        ),
        (
            {"hours": {**HOURS, "time_zone": "CEST+2"}},
            f"{KEY}.hours.time_zone is refused: 'CEST+2' is no time zone of the IANA database",
        ),
        (
            {"hours": {**HOURS, "time_zone": "New York"}},
            f"{KEY}.hours.time_zone is refused: 'New York' is no time zone of the IANA database: "
            "did you mean America/New_York?",
        ),
        (
            {"hours": {**HOURS, "start": "0 25 * * 1-5", "end": "0 18 * * 1-5"}},
            f"{KEY}.hours.start is refused: '0 25 * * 1-5' has '25' as field 2 of cron's five, "
            "where 0 to 23 are possible: change it",
        ),
        (
            {"hours": {**HOURS, "start": "0 8 * * mon-fri", "end": "0 18 * * 1-7"}},
            f"{KEY}.hours.end is refused: '0 18 * * 1-7' has '1-7' as field 5 of cron's five, "
            "where 0 to 6 are possible: change it",
        ),
        (
            {"hours": {**HOURS, "start": "0 8 * * workdays", "end": "0 18 * * 1-5"}},
            f"{KEY}.hours.start is refused: '0 8 * * workdays' has 'workdays' as field 5 of cron's "
            "five, where 0 to 6 are possible: change it",
        ),
        (
            {"hours": {**HOURS, "end": "08:00"}},
            f"{KEY}.hours.end is '08:00', which is {KEY}.hours.start too: hours end at another "
            "time",
        ),
        (
            {"hours": {**HOURS, "start": "8 o'clock"}},
            f'{KEY}.hours.start is refused: "8 o\'clock" is neither a time of the day such as '
            "08:00 nor five fields of cron such as '0 8 * * 1-5'",
        ),
        ({"hours": {**HOURS, "start": "24:00"}}, f"{KEY}.hours.start is refused: '24:00' is neith"),
        ({"hours": {**HOURS, "start": "0 8 * *"}}, f"{KEY}.hours.start is refused: '0 8 * *' is n"),
        (
            {"hours": {**HOURS, "start": "0 8 * * *"}},
            f"{KEY}.hours.start is '0 8 * * *' and {KEY}.hours.end '18:00': write both as times of "
            "the day, or both as cron",
        ),
        (
            {"hours": {**HOURS, "start": "0 8 * * *", "end": "0 9 * * *", "days": ["mon"]}},
            f"{KEY}.hours.days is there, but {KEY}.hours.start is cron, which says the days itself:"
            " take days out",
        ),
        ({"hours": {**HOURS, "days": []}}, f"{KEY}.hours.days is empty; write at least one"),
        (
            {"hours": {**HOURS, "replicas": 4}},
            f"{KEY}.hours.replicas is 4, but max_replicas is 3: lower it, or raise max_replicas",
        ),
        (
            {"hours": HOURS, "min_replicas": 2},
            f"{KEY}.hours.replicas is 2, but min_replicas 2 are kept at all hours: raise it, or "
            "take hours out",
        ),
        (
            {"kind": "hpa", "hours": HOURS},
            f"{KEY}.hours is there, but {KEY}.kind is 'hpa', which cannot do it: set kind to keda, "
            "or take hours out",
        ),
        (
            {"kind": "hpa", "fallback_replicas": 2},
            f"{KEY}.fallback_replicas is there, but {KEY}.kind is 'hpa'",
        ),
        (
            {"kind": "hpa", "first_token_p99_seconds": 2.0},
            f"{KEY}.first_token_p99_seconds is there, but {KEY}.kind is 'hpa'",
        ),
    ],
)
def test_a_scaling_that_contradicts_itself_is_refused(
    change: Mapping[str, Any], sentence: str
) -> None:
    (said,) = refusals(scaled(change))
    assert said.startswith(sentence)


def test_only_one_key_says_how_many_there_are() -> None:
    value = scaled()
    value["models"]["akko-coder"]["replicas"] = 1
    value["gateway"]["scaling"] = {"min_replicas": 2, "max_replicas": 3}
    assert refusals(value) == [
        f"{ROOT}.models.akko-coder.replicas is 1 beside {KEY}, and only one can say how many there "
        "are: take one of them out",
        f"{ROOT}.gateway.replicas is 2 beside {GATEWAY}, and only one can say how many there are: "
        "take one of them out",
    ]


def test_b9_a_ceiling_above_the_pool_is_refused() -> None:
    """With all other models of the pool, in whole machines."""
    (said,) = refusals(scaled({"max_replicas": 5}))
    assert said == (
        f"{ROOT}.node_pools.l4.max_gpus is 4, but its models ask for up to 5 GPUs: raise it, or "
        "lower their replicas, scaling.max_replicas or tensor_parallel"
    )
    other = {**document("production")["models"]["akko-coder"], "service_name": "akko-small"}
    value = scaled({"max_replicas": 4})
    value["models"]["akko-small"] = other
    (said,) = refusals(value)
    assert "max_gpus is 4, but its models ask for up to 5 GPUs" in said
    value["models"]["akko-coder"]["scaling"]["max_replicas"] = 3
    read_document(value)


def test_a_ceiling_is_of_whole_machines() -> None:
    value = scaled({"max_replicas": 3})
    value["node_pools"]["l4"]["instance_types"] = ["g6.12xlarge"]
    assert parse_document(value).spare_gpus("l4") == 0
    value["models"]["akko-coder"]["scaling"]["max_replicas"] = 5
    (said,) = refusals(value)
    assert "ask for up to 5 GPUs, in whole machines 8: raise it" in said


@pytest.mark.parametrize(
    "cache",
    [
        {"kind": "ebs", "storage_class": "gp3", "size_gib": 50},
        {"kind": "claim", "storage_class": "gp3", "size_gib": 50},
    ],
)
def test_disks_of_one_server_cannot_follow_a_changing_number(cache: Mapping[str, Any]) -> None:
    value = scaled()
    value["models"]["akko-coder"]["cache"] = cache
    (said,) = refusals(value)
    assert said == (
        f"{KEY}.max_replicas is 3, but its cache ({cache['kind']}) is made for a fixed number of "
        f"servers: choose a {ROOT}.models.akko-coder.cache that nodes share, such as efs, or set "
        "max_replicas to 1"
    )
    value["models"]["akko-coder"]["scaling"]["max_replicas"] = 1
    read_document(value)


def test_a_model_that_sleeps_needs_somebody_who_answers() -> None:
    value = asleep()
    read_document(value)
    value["gateway"]["fallbacks"] = {}
    (said,) = refusals(value)
    assert said == (
        f"{KEY}.idle is 'zero', but nobody would answer akko-coder meanwhile: name an alias that "
        f"always runs in {ROOT}.gateway.fallbacks.akko-coder, or set idle to keep"
    )


def test_somebody_who_sleeps_too_answers_nobody() -> None:
    value = asleep()
    other = value["models"]["akko-small"]
    del other["replicas"]
    other["scaling"] = {"max_replicas": 1, "in_flight": 4, "idle": "zero"}
    said = refusals(value)
    assert [text.partition(" is ")[0] for text in said] == [
        KEY.replace("scaling", "scaling.idle"),
        f"{ROOT}.models.akko-small.scaling.idle",
    ]
    other["scaling"]["idle"] = "keep"
    read_document(value)


def test_a_model_that_sleeps_is_reached_through_the_gateway_alone() -> None:
    value = asleep()
    clients = [{"namespace": "apps", "pod_labels": {"app": "chat"}}]
    value["models"]["akko-coder"]["direct_clients"] = clients
    (said,) = refusals(value)
    assert said == (
        f"{KEY}.idle is 'zero', but {ROOT}.models.akko-coder.direct_clients call past the gateway, "
        "which wakes it: take direct_clients out, or set idle to keep"
    )


def test_sleep_is_for_keda_alone() -> None:
    (said,) = refusals(asleep(kind="hpa"))
    assert said.startswith(f"{KEY}.idle is there, but {KEY}.kind is 'hpa', which cannot do it")


def test_a_target_that_no_server_reaches_is_refused() -> None:
    value = scaled({"in_flight": 32})
    value["models"]["akko-coder"]["max_num_queued_reqs"] = 32
    (said,) = refusals(value)
    assert said == (
        f"{KEY}.in_flight is 32, but a server refuses more than 32 requests: lower it below "
        f"{ROOT}.models.akko-coder.max_num_queued_reqs, or raise that"
    )


def test_a_model_that_generates_nothing_has_neither_cache_in_use_nor_first_tokens() -> None:
    value = scaled({"kv_cache_use": 0.5, "first_token_p99_seconds": 1.0})
    model = value["models"]["akko-coder"]
    model |= {
        "source": "Qwen/Qwen3-Embedding-0.6B",
        "revision": "97b0c614be4d77ee51c0cef4e5f07c00f9eb65b3",
        "task": "embed",
        "service_name": "akko-embedder",
    }
    with pytest.raises(DocumentError) as caught:
        parse_document(value)
    assert str(caught.value).splitlines() == [
        f"{KEY}.{leaf} is there, but {ROOT}.models.akko-coder.task is 'embed', which generates no "
        "tokens: take it out, in_flight is possible"
        for leaf in ("kv_cache_use", "first_token_p99_seconds")
    ]


def test_a_start_that_no_autoscaler_can_outwait_is_refused() -> None:
    """The same start with every phase three times as long."""
    found = plan_models(parse_document(scaled()))["akko-coder"]
    slow = replace(found.plans[0], phases=found.plans[0].phases * 3)
    (said,) = too_slow("key", found.settings, (*found.plans, slow))
    assert said.startswith(f"key.scaling is there, but a start may take {start_seconds([slow])} s")
    assert "looks back 3600 s at most" in said
    assert "choose a faster key.cache, or say key.replicas instead" in said
    assert not list(too_slow("key", found.settings, found.plans))
    steady = plan_models(parse_document(document("production")))["akko-coder"].settings
    assert not list(too_slow("key", steady, [slow]))


@pytest.mark.parametrize(
    ("scaling", "sentence"),
    [
        (
            {"max_replicas": 2000},
            f"{GATEWAY}.max_replicas is 2000, at most 1000 are possible: lower it",
        ),
        (
            {"max_replicas": 4, "cpu_percent": 60},
            f"{GATEWAY}.cpu_percent is there, but {GATEWAY}.kind is 'keda', which does not ask for "
            "it: take cpu_percent out, or change kind",
        ),
        (
            {"kind": "hpa", "max_replicas": 4, "in_flight": 60},
            f"{GATEWAY}.in_flight is there, but {GATEWAY}.kind is 'hpa', which does not ask for it:"
            " take in_flight out, or change kind",
        ),
        ({"max_replicas": 4, "idle": "zero"}, f"{GATEWAY}.idle is not a key of this document; "),
        ({"min_replicas": 5, "max_replicas": 4}, f"{GATEWAY}.min_replicas is 5, but max_replicas"),
    ],
)
def test_a_gateway_is_scaled_within_reason(scaling: Mapping[str, Any], sentence: str) -> None:
    value = document("production")
    del value["gateway"]["replicas"]
    value["gateway"]["scaling"] = scaling
    (said,) = refusals(value)
    assert said.startswith(sentence)


@pytest.mark.parametrize("url", ["prometheus:9090", "http://Prom/", "http://p:9/?query=1", ""])
def test_the_address_of_prometheus_is_an_address(url: str) -> None:
    (said,) = refusals(scaled(monitoring={"prometheus_url": url}))
    assert said.startswith(f"{ROOT}.monitoring.prometheus_url is {url!r}")
