"""Which keys the stack brings into the cluster, and where it takes them from."""

from typing import Any, cast

import pulumi
import pytest

from components.document import parse_document
from components.keys import Keys, read_keys
from tests.rendering import document


class _Config:
    """Stands for Pulumi's configuration: each value tells its own name."""

    def require_secret(self, name: str) -> str:
        return f"<{name}>"


def _read(value: dict[str, Any]) -> Keys:
    return read_keys(parse_document(value), cast("pulumi.Config", _Config()))


def test_a_development_value_is_the_documents() -> None:
    assert _read(document("dev")) == Keys(
        gateway="akko-dev-litellm-key",
        hub=None,
        salt="akko-dev-litellm-salt",
        database_password="akko-dev-database",
        redis_password="akko-dev-redis",
    )


def test_production_brings_nothing_that_is_there_already() -> None:
    assert _read(document("production")) == Keys()


def test_each_value_of_the_configuration_has_a_name_of_its_own() -> None:
    value = document("dev")
    for place in (
        value["gateway"]["master_key"],
        value["gateway"]["salt_key"],
        value["gateway"]["database"]["password"],
        value["gateway"]["redis"]["password"],
    ):
        place["source"] = "config"
        del place["value"]
    assert _read(value) == Keys(
        gateway="<gatewayKey>",
        salt="<gatewaySaltKey>",
        database_password="<gatewayDatabasePassword>",
        redis_password="<gatewayRedisPassword>",
    )


def test_the_previous_master_key_has_a_name_of_its_own() -> None:
    value = document("dev")
    config = {"source": "config", "secret_name": "akko-litellm-key"}
    value["gateway"]["master_key"] = config
    value["gateway"]["previous_master_key"] = {**config, "secret_name": "akko-litellm-key-1"}
    read = _read(value)
    assert (read.gateway, read.previous_gateway) == ("<gatewayKey>", "<previousGatewayKey>")


def test_a_hub_token_of_the_configuration_has_its_name() -> None:
    value = document("production")
    value["hub"] = {"token": {"source": "config", "secret_name": "hub"}}
    assert _read(value) == Keys(hub="<hubToken>")


def test_a_value_that_is_missing_is_named() -> None:
    value = document("production")
    value["gateway"]["salt_key"]["source"] = "config"
    with pytest.raises(pulumi.ConfigMissingError, match="gatewaySaltKey"):
        read_keys(parse_document(value), pulumi.Config("inference"))
