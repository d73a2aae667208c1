"""JSON lines in and out, as issue 4 describes them for scripts."""

import json
import time
from typing import Any

import pytest

from tests.unit.core.sizing.asking import OUTPUT, answers, ask, error, question
from tests.unit.core.sizing.published import DEEPSEEK_R1, GIB, LLAMA_8B, LLAMA_8B_BYTES, config

DEFAULTS: dict[str, Any] = {
    "tensor_parallel_size": 1,
    "pipeline_parallel_size": 1,
    "data_parallel_size": 1,
    "max_model_len": 131_072,
    "gpu_memory_utilization": 0.92,
    "max_num_seqs": 1024,
    "max_num_batched_tokens": 8192,
    "kv_cache_dtype": "auto",
    "dtype": "auto",
    "block_size": 16,
    "enforce_eager": False,
    "sampler_backend": "flashinfer",
    "enable_expert_parallel": False,
}
"""What 0.31.0 takes for Llama 3.1 8B on an H100."""


def test_an_answer_has_every_key_and_its_figures_agree() -> None:
    found = ask()
    assert set(found) == OUTPUT
    assert found["verdict"] == "will start"
    assert found["expected_error"] is None
    assert found["weights_gib"] == pytest.approx(LLAMA_8B_BYTES / GIB, abs=0.001)
    assert found["kv_bytes_per_token"] == 131_072
    budget = 81_089 / 1024 * 0.92
    parts = found["weights_gib"] + found["overhead_gib"] + found["kv_cache_gib"]
    assert parts == pytest.approx(budget, abs=0.01)
    tokens = found["kv_cache_gib"] * GIB / 131_072
    assert found["kv_cache_tokens"] == pytest.approx(tokens, rel=0.001)
    assert found["max_concurrency"] == pytest.approx(tokens / 131_072, rel=0.01)
    assert found["largest_max_model_len"] == 131_072


@pytest.mark.parametrize("key", sorted(DEFAULTS))
def test_null_absent_and_the_default_itself_are_one(key: str) -> None:
    absent = ask()
    assert ask(**{key: None}) == absent
    assert ask(**{key: DEFAULTS[key]}) == absent


@pytest.mark.parametrize(
    "key", ["weight_bytes", "quantization", "gpu_memory_gib", "engine_version"]
)
def test_null_is_absent(key: str) -> None:
    asked = question()
    asked.pop(key, None)
    assert ask(**{key: None}) == answers(json.dumps(asked))[0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tensor_parallel_size", 2),
        ("pipeline_parallel_size", 2),
        ("max_model_len", 5000),
        ("gpu_memory_utilization", 0.8),
        ("max_num_seqs", 16),
        ("max_num_batched_tokens", 65_536),
        ("kv_cache_dtype", "fp8"),
        ("quantization", "fp8"),
        ("dtype", "float32"),
        ("block_size", 48),
        ("enforce_eager", True),
        ("gpu_memory_gib", 60),
        ("weight_bytes", 17_000_000_000),
        ("gpu", "L40S"),
        ("engine_version", "0.11.0"),
    ],
)
def test_every_key_changes_the_answer(key: str, value: object) -> None:
    assert ask(**{key: value}) != ask()


def test_the_sampler_counts_where_it_had_a_choice() -> None:
    old = {"engine_version": "0.11.0"}
    sorting = ask(sampler_backend="pytorch", **old)
    assert ask(sampler_backend="flashinfer", **old)["overhead_gib"] < sorting["overhead_gib"]


def test_data_parallel_copies_share_experts() -> None:
    asked = {"config": config(DEEPSEEK_R1), "weight_bytes": None, "tensor_parallel_size": 8}
    one = ask(gpu="H200", **asked)
    assert ask(gpu="H200", data_parallel_size=2, **asked)["weights_gib"] < one["weights_gib"]


def test_a_bad_line_gets_an_error_and_the_next_goes_on() -> None:
    good = json.dumps(question())
    found = answers(good, "{", good, "[]", "null", "7", '"text"', "\x00", good)
    assert [set(line) == {"error"} for line in found] == [
        False, True, False, True, True, True, True, True, False,
    ]  # fmt: skip
    assert found[0] == found[2] == found[-1]


def test_blank_lines_are_passed_over() -> None:
    assert answers("", "\n", "   \t\r\n", "\ufeff\n") == []


def test_a_byte_order_mark_and_a_windows_line_end_do_no_harm() -> None:
    assert answers("\ufeff" + json.dumps(question()) + "\r\n") == [ask()]


def test_keys_that_are_not_known_are_listed_as_ignored() -> None:
    found = ask(swap_space=4, async_scheduling=True)
    assert found.pop("ignored") == ["async_scheduling", "swap_space"]
    assert found == ask()


@pytest.mark.parametrize("name", ["Gaudi 3", "MI300X", "my card"])
def test_a_gpu_that_is_not_in_the_catalogue_needs_its_memory(name: str) -> None:
    assert f"gpu '{name}' is not in the catalogue: give gpu_memory_gib" in error(gpu=name)
    assert ask(gpu=name, gpu_memory_gib=79.2)["verdict"] == "will start"


def test_memory_of_the_user_s_own_wins_over_the_catalogue() -> None:
    assert ask(gpu_memory_gib=20)["verdict"] == "refused"


@pytest.mark.parametrize("length", ["auto", -1])
def test_an_automatic_length_shortens_itself_to_what_fits(length: object) -> None:
    found = ask(gpu="L4", max_model_len=length)
    assert found["verdict"] == "will start"
    assert 0 < found["largest_max_model_len"] < 131_072
    assert found["max_concurrency"] == pytest.approx(1.0, abs=0.01)
    assert ask(gpu="L4")["verdict"] == "refused"
    assert ask(gpu="L4")["largest_max_model_len"] == found["largest_max_model_len"]


def test_an_automatic_length_is_the_model_s_where_that_fits() -> None:
    assert ask(max_model_len="auto") == ask()


def test_an_automatic_length_cannot_help_where_nothing_fits() -> None:
    assert ask(gpu="T4", max_model_len="auto")["verdict"] == "refused"


@pytest.mark.parametrize(("version", "known"), [("0.13.0", False), ("0.14.0", True)])
def test_automatic_lengths_came_with_0_14(version: str, *, known: bool) -> None:
    found = ask(max_model_len="auto", engine_version=version)
    assert ("error" in found) is not known
    if not known:
        assert found["error"] == "max_model_len auto is there from vLLM 0.14 on; give a number"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tensor_parallel_size", 0),
        ("tensor_parallel_size", -1),
        ("tensor_parallel_size", 2**70),
        ("tensor_parallel_size", 1.5),
        ("pipeline_parallel_size", "many"),
        ("max_model_len", 0),
        ("max_model_len", -2),
        ("max_model_len", "long"),
        ("gpu_memory_utilization", 0),
        ("gpu_memory_utilization", 1.01),
        ("gpu_memory_utilization", "high"),
        ("max_num_seqs", 0),
        ("block_size", 0),
        ("gpu_memory_gib", -1),
        ("gpu_memory_gib", 1e9),
        ("weight_bytes", -1),
        ("dtype", "int3"),
        ("enforce_eager", "perhaps"),
        ("config", None),
        ("config", []),
        ("gpu", ""),
        ("gpu", None),
    ],
)
def test_an_absurd_value_is_refused_by_its_key(key: str, value: object) -> None:
    assert error(**{key: value}).startswith(f"{key}: ")


@pytest.mark.parametrize("key", ["config", "gpu"])
def test_what_cannot_be_left_out_is_named(key: str) -> None:
    asked = question()
    del asked[key]
    assert answers(json.dumps(asked)) == [{"error": f"{key}: field required"}]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"engine_version": "newest"}, "engine_version is 'newest'; write it like 0.31.0"),
        ({"engine_version": "0.5.0"}, "engine_version 0.5.0 is too old; 0.6 to 0.33 are known"),
        ({"kv_cache_dtype": "int2"}, "kv_cache_dtype 'int2' cannot be sized; these can: auto"),
        ({"quantization": "magic"}, "quantization 'magic' is not known; known are awq"),
        ({"weight_bytes": 16}, "weight_bytes is 16, but a model of this shape has about"),
        ({"config": {}}, "architectures is absent or empty in config.json"),
        ({"config": {"architectures": ["Nobody"]}}, "architecture 'Nobody' is not known to any"),
    ],
)
def test_what_cannot_be_planned_is_said_in_a_sentence(changes: dict[str, Any], words: str) -> None:
    assert error(**changes).startswith(words)


@pytest.mark.parametrize("version", ["0.8.5.post1", "v0.10.2", "0.18.1rc1.dev3+g1234", "0.99.0"])
def test_versions_as_they_are_printed_are_read(version: str) -> None:
    assert set(ask(engine_version=version)) == OUTPUT


def test_a_development_build_is_later_than_its_release() -> None:
    qwen3 = {"config": config("Qwen--Qwen3-8B"), "weight_bytes": None}
    assert ask(engine_version="0.8.2", **qwen3)["verdict"] == "refused"
    assert ask(engine_version="0.8.3rc2.dev7", **qwen3)["verdict"] == "will start"


def test_nesting_without_end_is_an_error() -> None:
    deep = '{"config": ' + "[" * 100_000
    found = answers(deep, json.dumps(question()))
    assert "error" in found[0]
    assert found[1] == ask()


@pytest.mark.parametrize("model", [LLAMA_8B, DEEPSEEK_R1])
def test_an_answer_takes_under_50_ms(model: str) -> None:
    asked = {"config": config(model), "weight_bytes": None, "tensor_parallel_size": 8}
    taken: list[float] = []
    for _ in range(5):
        began = time.process_time()
        ask(**asked)
        taken.append(time.process_time() - began)
    assert min(taken) < 0.05
