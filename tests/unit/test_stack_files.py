"""The two committed stack files are one contract, and the printed schema knows all of it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest
from pydantic import BaseModel

from components.document import ROOT, PlatformSettings, read_document
from components.document.gateway import ExistingKey
from tests.rendering import STACKS, document
from tools.schema import stack_file_schema

_NAMED_BY_USERS = {"models", "node_pools", "model_aliases", "fallbacks", "hardware"}
"""Sections whose keys are names that users choose."""
_CHOICE_OF_SHAPE = {"master_key", "node_class", "database", "redis", "salt_key"}
"""Sections that say in one of their keys which others they have."""


def _levels(value: Mapping[str, Any], prefix: str = "") -> dict[str, frozenset[str]]:
    """The set of keys at each level of a document that both stacks have to share."""
    levels = {prefix: frozenset(value)}
    for key, inner in value.items():
        if isinstance(inner, Mapping) and key not in _NAMED_BY_USERS | _CHOICE_OF_SHAPE:
            levels |= _levels(inner, f"{prefix}.{key}")  # pyright: ignore[reportUnknownArgumentType] - YAML
    return levels


def test_what_both_stacks_leave_to_defaults_or_say_has_the_same_shape() -> None:
    """Row A1: dev and production differ in values, never in shape."""
    dev, production = (
        _levels(read_document(document(name)).model_dump(mode="json")) for name in STACKS
    )
    shared = dev.keys() & production.keys()
    assert {"", ".gateway", ".cluster", ".streams", ".monitoring"} <= shared
    assert {level: dev[level] for level in shared} == {level: production[level] for level in shared}


def test_what_clients_see_is_the_same_in_both_stacks() -> None:
    """Rows A1, A2."""
    dev, production = (read_document(document(name)) for name in STACKS)
    for read in (dev, production):
        assert read.namespace == "akko"
        assert read.gateway.service_name == "akko-akko-litellm"
        assert {*read.models, *read.gateway.model_aliases} == {"akko-coder", "akko-chat"}
    assert dev.gateway.master_key.secret_name == production.gateway.master_key.secret_name
    assert dev.gateway.master_key.secret_key == production.gateway.master_key.secret_key


def test_an_alias_takes_prompts_of_the_same_length_in_both_stacks() -> None:
    """Rows A1, A4: 4096 tokens, so that what fits in development fits in production."""
    lengths: list[dict[str, int]] = []
    for read in (read_document(document(name)) for name in STACKS):
        own = {**read.vllm_models, **read.ollama_models}
        lengths.append(
            {
                name: own[alias].max_model_len
                for name in (*own, *read.gateway.model_aliases)
                for alias in read.gateway.meant(name)
            }
        )
    assert lengths[0] == lengths[1] == {"akko-coder": 4096, "akko-chat": 4096}


def test_production_holds_the_values_of_the_systems_table() -> None:
    """Rows A2, A4, A6."""
    read = read_document(document("production"))
    model = read.vllm_models["akko-coder"]
    assert model.source == "Qwen/Qwen2.5-7B-Instruct"
    assert (model.replicas, model.max_model_len, model.gpu_memory_utilization) == (1, 4096, 0.9)
    assert model.service_name == "akko-akko-vllm"
    assert read.exposure is not None
    assert read.exposure.host == "llm.akko.local"
    assert isinstance(read.gateway.master_key, ExistingKey)
    assert read.ollama is None


def test_dev_runs_several_small_models_on_ollama_only() -> None:
    """Row A3."""
    read = read_document(document("dev"))
    assert read.vllm_models == {}
    assert {model.source for model in read.ollama_models.values()} == {
        "qwen2.5-coder:7b",
        "qwen2.5:3b",
    }
    assert read.node_pools == {}


def _resolve(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The alternatives of a schema, references followed."""
    if "$ref" in schema:
        return _resolve(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    branches = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    return [found for each in branches for found in _resolve(each, definitions)] or [schema]


def _below(schema: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    """What an object's schema says of a key."""
    yield from [schema["properties"][key]] if key in schema.get("properties", {}) else []
    if isinstance(schema.get("additionalProperties"), dict):
        yield schema["additionalProperties"]
    for pattern, inner in schema.get("patternProperties", {}).items():
        if re.search(pattern, key):
            yield inner


def _chosen(alternative: Mapping[str, Any], value: Mapping[str, object]) -> bool:
    """Whether an object is of this alternative, where one of its keys says which it is of."""
    fields = alternative.get("properties", {}).items()
    chosen = ((key, field["const"]) for key, field in fields if "const" in field)
    return all(value.get(key, constant) == constant for key, constant in chosen)


def _unknown(
    value: object, schema: Mapping[str, Any], definitions: Mapping[str, Any], at: str
) -> Iterator[str]:
    """Keys of a document that no alternative of the schema has."""
    if not isinstance(value, dict):
        return
    for key, inner in cast("dict[str, object]", value).items():
        found = [
            below
            for alternative in _resolve(schema, definitions)
            if _chosen(alternative, cast("dict[str, object]", value))
            for below in _below(alternative, key)
        ]
        if not found:
            yield f"{at}.{key}"
        for each in found[:1]:
            yield from _unknown(inner, each, definitions, f"{at}.{key}")


@pytest.mark.parametrize("name", STACKS)
def test_the_schema_knows_every_key_of_a_committed_stack_file(name: str) -> None:
    schema = stack_file_schema()
    file = {"config": {ROOT: document(name)}}
    assert list(_unknown(file, schema, schema["$defs"], "")) == []
    file["config"][ROOT]["gateway"]["replica"] = 1
    assert list(_unknown(file, schema, schema["$defs"], "")) == [f".config.{ROOT}.gateway.replica"]


def _models(kind: type[BaseModel]) -> set[type[BaseModel]]:
    """Every concrete model below the document's base."""
    below = kind.__subclasses__()
    return {kind, *(model for each in below for model in _models(each))}


def test_the_schema_demands_and_allows_what_the_models_do() -> None:
    schema = stack_file_schema()
    top = schema["properties"]["config"]["properties"][ROOT]
    known = {model.__name__: model for model in _models(PlatformSettings.__mro__[1])}
    for title, definition in {**schema["$defs"], "PlatformSettings": top}.items():
        fields = known[title].model_fields
        assert set(definition["properties"]) == set(fields)
        assert set(definition.get("required", [])) == {
            name for name, field in fields.items() if field.is_required()
        }
        assert definition["additionalProperties"] is False


def test_an_editor_shows_what_every_key_means() -> None:
    schema = stack_file_schema()
    top = schema["properties"]["config"]["properties"][ROOT]
    for title, definition in {**schema["$defs"], "PlatformSettings": top}.items():
        assert definition["description"], title
        for name, field in definition["properties"].items():
            said = [field, *_resolve(field, schema["$defs"])]
            assert any(each.get("description") for each in said), f"{title}.{name}"


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    schema = stack_file_schema()
    text = json.dumps(schema)
    referred = {part.partition('"')[0] for part in text.split("#/$defs/")[1:]}
    assert referred <= set(schema["$defs"])
    assert len(referred) > 8


def test_the_schema_is_printed_as_json() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.schema"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == stack_file_schema()
