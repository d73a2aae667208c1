"""GPUs, machines and prices of one's own, merged over the catalogue."""

from typing import Any

import pytest

from components.document import ROOT, DocumentError, parse_document, read_document
from components.document.plans import plan_models
from tests.rendering import document

BOX = {"gpu": "b100", "gpu_count": 2, "vcpu": 64, "memory_gib": 512, "usd_per_hour": 3.0}
SMALL = {"gpu": "l4", "gpu_count": 1, "vcpu": 8, "memory_gib": 32, "usd_per_hour": 0.5}
GPU = {
    "memory_gib": 95.0,
    "compute_capability": 10.0,
    "bandwidth_gb_per_s": 8000.0,
    "tflops_16bit": 1800.0,
}


def _document(hardware: dict[str, Any], *types: str) -> dict[str, Any]:
    value = document("production")
    value["hardware"] = hardware
    value["node_pools"]["l4"]["instance_types"] = list(types or ("g6.2xlarge",))
    return value


def _refusal(value: object) -> str:
    with pytest.raises(DocumentError) as caught:
        read_document(value)
    return str(caught.value)


def test_a_pool_may_name_a_machine_with_a_gpu_of_ones_own() -> None:
    value = _document({"gpus": {"b100": GPU}, "instance_types": {"box": BOX}}, "box")
    (plan,) = plan_models(read_document(value))["akko-coder"].plans
    assert plan.machine == "box"
    assert plan.usd_per_hour == 1.5  # one of two GPUs
    assert plan.fit.budget == pytest.approx(95.0 * 0.9 * 2**30)


def test_a_machine_of_ones_own_may_carry_a_gpu_of_the_catalogue() -> None:
    value = _document({"instance_types": {"box": {**BOX, "gpu": "l40s"}}}, "box")
    (plan,) = plan_models(read_document(value))["akko-coder"].plans
    assert plan.fit.verdict == "will start"


def test_a_price_of_ones_own_comes_before_the_catalogues() -> None:
    value = _document({"prices": {"g6.2xlarge": 0.5}})
    (plan,) = plan_models(read_document(value))["akko-coder"].plans
    assert plan.usd_per_hour == 0.5


@pytest.mark.parametrize(
    ("hardware", "sentence"),
    [
        (
            {"gpus": {"l4": {"memory_gib": 80.0}}},
            "gpus.l4.memory_gib is 80, but the catalogue's l4 has 22.0: leave "
            f"{ROOT}.hardware.gpus.l4 out, or give yours a name that the catalogue does not have",
        ),
        (
            {"gpus": {"l4": {"memory_gib": 22.5, "compute_capability": 9.0}}},
            "gpus.l4.compute_capability is 9, but the catalogue's l4 has 8.9: leave ",
        ),
        (
            {"instance_types": {"g6.2xlarge": {**SMALL, "gpu": "h100"}}},
            "instance_types.g6.2xlarge.gpu is 'h100', but the catalogue's g6.2xlarge has 'l4'",
        ),
        (
            {"instance_types": {"g6.2xlarge": {**SMALL, "gpu_count": 4}}},
            "instance_types.g6.2xlarge.gpu_count is 4, but the catalogue's g6.2xlarge has 1: ",
        ),
        (
            {"instance_types": {"g6.2xlarge": {**SMALL, "memory_gib": 64}}},
            "instance_types.g6.2xlarge.memory_gib is 64, but the catalogue's g6.2xlarge has 32: ",
        ),
    ],
)
def test_a_name_of_the_catalogue_stands_for_the_catalogues_facts(
    hardware: dict[str, Any], sentence: str
) -> None:
    said = _refusal(_document(hardware))
    assert said.startswith(f"{ROOT}.hardware.{sentence}")
    assert "\n" not in said


def test_a_machine_of_the_catalogue_may_be_repeated_with_another_price() -> None:
    value = _document({"instance_types": {"g6.2xlarge": SMALL}})
    (plan,) = plan_models(read_document(value))["akko-coder"].plans
    assert plan.usd_per_hour == 0.5


def test_a_gpu_without_speed_has_no_price_a_token() -> None:
    bare = {"gpus": {"b100": {"memory_gib": 95.0}}, "instance_types": {"box": BOX}}
    (plan,) = plan_models(read_document(_document(bare, "box")))["akko-coder"].plans
    assert plan.usd_per_million_tokens is None


@pytest.mark.parametrize(
    ("written", "read"), [(8.9, (8, 9)), (9, (9, 0)), (10.3, (10, 3)), (12.0, (12, 0))]
)
def test_a_compute_capability_is_read_as_nvidia_writes_it(
    written: float, read: tuple[int, int]
) -> None:
    value = _document({"gpus": {"b100": {"memory_gib": 1.0, "compute_capability": written}}})
    assert parse_document(value).hardware.known_gpus()["b100"].compute_capability == read


@pytest.mark.parametrize(
    ("hardware", "sentence"),
    [
        (
            {"instance_types": {"box": {**BOX, "gpu": "l4s"}}},
            "instance_types.box.gpu is 'l4s', which is neither in the catalogue nor in "
            f"{ROOT}.hardware.gpus; did you mean l40s or l4 or l40?",
        ),
        ({"prices": {"g6.2xlarg": 1.0}}, "prices.g6.2xlarg is the price of no machine: the "),
        ({"prices": {"g6.2xlarge": "1"}}, "prices.g6.2xlarge is '1': input should be a valid num"),
        ({"prices": {"g6.2xlarge": True}}, "prices.g6.2xlarge is True: input should be a valid"),
        ({"prices": {"g6.2xlarge": 0}}, "prices.g6.2xlarge is 0: input should be greater than 0"),
        ({"gpus": {"b100": {"memory_gib": -1}}}, "gpus.b100.memory_gib is -1: input should be "),
        ({"gpus": {"b100": {}}}, "gpus.b100.memory_gib is missing (Total of one GPU as CUDA"),
        (
            {"gpus": {"b100": {"memory_gib": 10**9}}},
            "gpus.b100.memory_gib is 1000000000: input should be less than or equal to 10000",
        ),
        (
            {"instance_types": {"box": {**BOX, "gpu_count": 0}}},
            "instance_types.box.gpu_count is 0: input should be greater than 0",
        ),
        (
            {"gpus": {"b100": {"memory_gib": 0.0001}}},
            "gpus.b100.memory_gib is 0.0001: input should be greater than or equal to 1",
        ),
        (
            {"prices": {"a b": 1.0}},
            "prices.a b is 'a b': needed: Letters, digits, '.', '_' and '-'",
        ),
        ({"gpu": {}}, "gpu is not a key of this document; did you mean inference:platform."),
    ],
)
def test_a_wrong_entry_is_one_sentence_with_its_key(
    hardware: dict[str, Any], sentence: str
) -> None:
    said = _refusal(_document(hardware))
    assert said.startswith(f"{ROOT}.hardware.{sentence}")
    assert "\n" not in said


def test_a_pool_of_a_machine_with_an_unknown_gpu_is_one_sentence() -> None:
    value = _document({"instance_types": {"box": BOX}}, "box")
    assert _refusal(value).startswith(f"{ROOT}.hardware.instance_types.box.gpu is 'b100'")
    assert "\n" not in _refusal(value)
