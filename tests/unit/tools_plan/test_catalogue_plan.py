"""`make plan MODEL=...`: what would I need, across the whole catalogue, by cost."""

import json
import time
from typing import Any

import pytest

from components.core.architecture import read_architecture
from components.core.hardware import GPUS, INSTANCE_TYPES
from components.core.model_lock import LOCK_FOLDER, read_lock_file
from components.core.sizing.request import Load, Model, Traffic
from tools.planner.catalogue import options
from tools.planner.command import main

QWEN = "Qwen/Qwen3-32B"


def _options(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    main([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)["options"]


def test_what_starts_comes_first_by_the_price_of_the_machine(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = _options(capsys, f"--model={QWEN}", "--max-model-len=8192")
    refused = [each["verdict"] == "refused" for each in found]
    assert refused == sorted(refused)
    assert {True, False} == set(refused)
    for group in (True, False):
        prices = [
            each["machine_usd_per_month"]
            for each, gone in zip(found, refused, strict=True)
            if gone is group
        ]
        assert prices == sorted(prices)


def test_every_kind_of_gpu_on_sale_is_answered_in_each_count_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = _options(capsys, f"--model={QWEN}")
    ways = [(each["gpu"], each["gpus"]) for each in found]
    assert len(ways) == len(set(ways))
    assert {gpu for gpu, _ in ways} == {kind.gpu.name for kind in INSTANCE_TYPES.values()}


def test_the_cheapest_machine_of_each_kind_and_count_is_taken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for each in _options(capsys, f"--model={QWEN}"):
        able = [
            kind.usd_per_hour or float("inf")
            for kind in INSTANCE_TYPES.values()
            if kind.gpu.name == each["gpu"] and kind.gpu_count >= each["gpus"]
        ]
        assert INSTANCE_TYPES[each["machine"]].usd_per_hour == min(able)


def test_a_refused_option_says_why_and_has_no_price_a_token(
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused = [e for e in _options(capsys, f"--model={QWEN}") if e["verdict"] == "refused"]
    assert refused
    assert all(each["reason"] and each["usd_per_million_tokens"] is None for each in refused)
    main([f"--model={QWEN}"])
    printed = capsys.readouterr().out
    assert all(each["reason"] in printed for each in refused)


def test_one_gpu_is_found_however_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    found = _options(capsys, f"--model={QWEN}", "--gpu=NVIDIA H100 80GB HBM3")
    assert {each["gpu"] for each in found} == {"h100"}


def test_a_gpu_that_nobody_rents_is_planned_without_a_price(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = _options(capsys, f"--model={QWEN}", "--gpu=RTX 4090", "--max-model-len=4096")
    assert {each["usd_per_month"] for each in found} == {None}
    assert {each["gpus"] for each in found if each["verdict"] == "will start"} == {4, 8}


def test_a_count_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    found = _options(capsys, f"--model={QWEN}", "--tensor-parallel=4")
    assert {each["gpus"] for each in found} == {4}


def test_settings_change_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    plain = _options(capsys, f"--model={QWEN}", "--gpu=l40s", "--max-model-len=2048")
    small = _options(
        capsys, f"--model={QWEN}", "--gpu=l40s", "--max-model-len=2048", "--quantization=fp8"
    )
    assert [o["verdict"] for o in plain if o["gpus"] == 1] == ["refused"]
    assert [o["verdict"] for o in small if o["gpus"] == 1] == ["will start"]


def test_the_exit_code_says_whether_anything_starts() -> None:
    assert main([f"--model={QWEN}", "--gpu=l40s"]) == 0
    assert main(["--model=meta-llama/Llama-3.3-70B-Instruct", "--gpu=t4"]) == 1


def test_a_revision_may_be_named_in_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"--model={QWEN}@9216db57", "--json"]) == 0
    revision = json.loads(capsys.readouterr().out)["revision"]
    assert revision == "9216db5781bf21249d130ec9da846c4624c16137"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model=nobody/nothing"], "nobody/nothing has no lock in models/"),
        (
            ["--model=mit-oasys/rlm-qwen3-30b-a3b-v0.1"],
            "mit-oasys/rlm-qwen3-30b-a3b-v0.1 is an adapter of Qwen/Qwen3-30B-A3B-Instruct-2507",
        ),
        ([f"--model={QWEN}@{'b' * 40}"], f"{QWEN} is locked at 9216db5781bf, not at"),
        ([f"--model={QWEN}@9216db5781bf{'0' * 28}"], "The lock Qwen--Qwen3-32B@9216db5781bf.json"),
        ([f"--model={QWEN}", "--gpu=l5"], "--gpu is 'l5', which is not in the catalogue; known"),
    ],
)
def test_a_bad_name_is_one_sentence_with_what_is_known(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {sentence}")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "argument",
    ["--max-model-len=0", "--max-model-len=1e9", "--max-model-len=-5", "--utilization=2",
     "--gpu-memory-utilization=x", "--tensor-parallel=99999999999"],
)  # fmt: skip
def test_an_absurd_value_is_refused_with_its_flag(
    capsys: pytest.CaptureFixture[str], argument: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"--model={QWEN}", argument])
    assert ended.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert argument.partition("=")[0] in last


def test_the_whole_catalogue_takes_less_than_a_second() -> None:
    """All machines, and all other GPUs one by one; a hundredth of a second is usual."""
    lock = read_lock_file(sorted(LOCK_FOLDER.glob("meta-llama--Llama-3.3-70B*.json"))[0])
    model = Model(lock.source, read_architecture(lock.config), lock.weight_bytes)
    machines = list(INSTANCE_TYPES.values())
    begun = time.perf_counter()
    options(model, Load(max_model_len=8192), machines, traffic=Traffic())
    for gpu in GPUS.values():
        options(model, Load(max_model_len=8192), machines, traffic=Traffic(), gpu=gpu)
    assert time.perf_counter() - begun < 1
