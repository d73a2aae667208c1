"""The rules by which vLLM reads a command line, each with an example.

The serving tests hold the same code against vLLM's own parser with random lines.
"""

from collections.abc import Mapping, Sequence

import pytest

from components.core.engine_args import Reading, effective, max_model_len, port
from components.core.launch import UNKNOWN, Word


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("4096", 4096),
        ("25.6k", 25_600),
        ("1K", 1024),
        ("2M", 2 * 2**20),
        ("2m", 2_000_000),
        ("1g", 10**9),
        ("1T", 2**40),
        (" 7 ", 7),
        ("+7", 7),
        ("131_072", 131_072),
        ("\uff14\uff10", 40),
        ("007", 7),
        ("-1", Reading.AUTO),
        ("auto", Reading.AUTO),
        ("AUTO", Reading.AUTO),
        ("0", Reading.UNPARSEABLE),
        ("-5", Reading.UNPARSEABLE),
        ("1.5K", Reading.UNPARSEABLE),
        ("1e6", Reading.UNPARSEABLE),
        ("1kb", Reading.UNPARSEABLE),
        ("9" * 400 + "k", Reading.UNPARSEABLE),
        ('"4096"', Reading.UNPARSEABLE),
        ("", Reading.UNPARSEABLE),
    ],
)
def test_lengths_are_read_as_the_engine_reads_them(text: str, tokens: int | Reading) -> None:
    assert max_model_len(effective(["m", "--max-model-len", text])) == tokens
    assert max_model_len(effective([f"--max_model_len={text}", "m"])) == tokens


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        (["m"], Reading.ABSENT),
        (["m", "--max-model-len"], Reading.UNPARSEABLE),
        (["m", "--max-model-len", "--seed", "1"], Reading.UNPARSEABLE),
        (["m", "--max-model-len=--"], Reading.UNPARSEABLE),
        (["m", "--max-model-len=1", "--max-model-len=2"], 2),
        (["m", "--max-model-len=1", "--max-model", "2"], 2),
        (["m", "--max-model-len=1", "--max", "2"], Reading.UNPARSEABLE),
        (["m", "--max-model-len=1", "--", "--max-model-len=2"], 1),
        (["m", "--served-model-name", "a", "--max-model-len=1"], 1),
        (["m", "--no-such-flag", "--max-model-len=1"], 1),
        (["m", "--api-key", "--max-model-len=1"], Reading.UNPARSEABLE),
        (["m", "--chat-template=--max-model-len=1"], Reading.ABSENT),
        (["m", "--config", "f.yaml"], Reading.UNKNOWN),
        (["m", "--config", "f.yaml", "--max-model-len=3"], 3),
        (["m", "--config=f.yaml"], Reading.ABSENT),
        (["m", "--config", "f.json", "--max-model-len=3"], Reading.UNPARSEABLE),
        (["m", "-O.level", "--max-model-len=3"], 3),
        (["m", "--max-model-len.a=1", "--max-model-len=3"], Reading.UNPARSEABLE),
        (["m", UNKNOWN], Reading.UNKNOWN),
        ([UNKNOWN, "--max-model-len=3"], Reading.UNKNOWN),
    ],
)
def test_what_counts_is_what_takes_effect(words: Sequence[Word], meaning: int | Reading) -> None:
    assert max_model_len(effective(words)) == meaning


@pytest.mark.parametrize(
    ("words", "environment", "key"),
    [
        (["m"], {}, Reading.ABSENT),
        (["m", "--api-key", "k"], {}, "k"),
        (["m", "--api-key", "", "k"], {}, "k"),
        (["m", "--api-key="], {"VLLM_API_KEY": "k"}, Reading.EMPTY),
        (["m", "--api-key", "None"], {"VLLM_API_KEY": "k"}, Reading.EMPTY),
        (["m", "--api-key=--"], {"VLLM_API_KEY": "k"}, "k"),
        (["m", "--api-key", ""], {"VLLM_API_KEY": UNKNOWN}, Reading.EMPTY),
        (["m"], {"VLLM_API_KEY": "k"}, "k"),
        (["m"], {"VLLM_API_KEY": ""}, Reading.EMPTY),
        (["m"], {"VLLM_API_KEY": "None"}, "None"),
        (["m"], {"VLLM_API_KEY": UNKNOWN}, Reading.UNKNOWN),
        (["m", "--config", "f.yaml"], {"VLLM_API_KEY": "k"}, Reading.UNKNOWN),
        (["m", "--api-key-file", "k"], {}, Reading.ABSENT),
        (["m", "--", "--api-key", "k"], {}, Reading.ABSENT),
        (["m", "--chat-template", "--api-key=k"], {}, Reading.UNPARSEABLE),
        ([UNKNOWN], {}, Reading.UNKNOWN),
    ],
)
def test_an_empty_key_on_the_command_line_beats_a_good_one_in_the_environment(
    words: Sequence[Word], environment: dict[str, Word], key: str | Reading
) -> None:
    assert effective(words, environment).api_key == key


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ("m", {"model": "m", "tensor_parallel_size": 1, "trust_remote_code": False}),
        ("m -tp 4 -pp=2", {"tensor_parallel_size": 4, "pipeline_parallel_size": 2}),
        ("m -n2 -dp3", {"nnodes": 2, "data_parallel_size": 1}),
        ("m -q fp8", {"quantization": "fp8"}),
        ("m --trust-remote", {"trust_remote_code": True}),
        ("m --trust-remote --no-trust-remote", {"trust_remote_code": False}),
        ("--seed 1 m", {"model": "m"}),
        ("--seed 1 --model m", {"model": "m"}),
        ("m --model=other", {"model": "other", "seed": 0}),
        (
            "m --hf_overrides.a_b.c 1k --hf-overrides.d+ x,y",
            {"hf_overrides": {"a_b": {"c": 1000}, "d": ["x", "y"]}},
        ),
        ('m --hf-overrides.a=1 --hf-overrides {"b":2}', {"hf_overrides": {"a": 1}}),
        ("m --hf-overrides.d+ x --hf-overrides.d+ y", {"hf_overrides": {"d": ["x", "y"]}}),
        ("m --hf-overrides.a.b 1 --hf-overrides.a.c 2", {"hf_overrides": {"a": {"b": 1, "c": 2}}}),
        ("m --max-num-batched-tokens 8K", {"max_num_batched_tokens": 8192}),
        ("m --kv-cache-memory-bytes 2g", {"kv_cache_memory_bytes": 2 * 10**9}),
        ("m --middleware a --middleware b", {"middleware": ["a", "b"]}),
        ("m --hf-token --seed 2", {"hf_token": True, "seed": 2}),
        ("m --revision None", {"revision": None}),
        ("m -O3", {"optimization_level": "3"}),
        ("m --moe-backend DEEP-GEMM", {"moe_backend": "deep_gemm"}),
        ('m --compilation-config {"size":1k}', {"compilation_config": {"size": 1000}}),
        ("m --device-ids 0,GPU-x", {"device_ids": [0, "GPU-x"]}),
    ],
)
def test_settings_have_the_values_that_the_line_gives_them(
    words: str, settings: Mapping[str, object]
) -> None:
    line = effective(words.split())
    assert {name: line.settings[name] for name in settings} == settings


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ("m --swap-space=4 --seed 1", "unrecognized arguments: --swap-space=4"),
        ("m second", "unrecognized arguments: second"),
        ("m --max-model-len x --seed y", "argument --max-model-len: invalid human_readable_int"),
        ("m --max-num-batched-tokens 1.5K", "Decimals are not allowed with binary suffixes like K"),
        (
            "m --grpc-port 1.5",
            "argument --grpc-port: Value 1.5 cannot be converted to <class 'int'>",
        ),
        ("m -tp x", "argument --tensor-parallel-size/-tp: invalid int value: 'x'"),
        (
            "m --kv-cache-dtype int3",
            "argument --kv-cache-dtype: invalid choice: 'int3' (choose from",
        ),
        ("m --dtype", "argument --dtype: expected one argument"),
        ("m --seed x --dtype", "argument --seed: invalid int value: 'x'"),
        ("m --enforce-eager=1", "ignored explicit argument '1'"),
        ("m --max-num-s 1", "--max-num-s could match --max-num-scheduled-tokens, --max-num-seqs"),
        ("m --compilation-config 3", "argument --compilation-config/-cc: invalid JSON value: '3'"),
        ("m --hf-overrides {a}", "argument --hf-overrides: invalid JSON value: '{a}'"),
        ("m --hf-overrides.a", "list index out of range"),
        ("m --model", "list index out of range"),
        ("--served-model-name a", "`model` should be provided as the first positional argument"),
        ("m --config", "No config file specified!"),
        ("m --config a.yaml --config b.yaml", "More than one config file specified!"),
        ("m --config a.json", "Config file must be of a yaml/yml type. json supplied"),
        ("m --omni", "requires a valid instance of vllm-omni"),
        ("m --help", "It prints its help and ends."),
    ],
)
def test_what_the_engine_refuses_is_refused_in_its_words(words: str, refused: str) -> None:
    assert refused in (effective(words.split(), version="0.32.0").refused or "accepted")


def test_a_value_that_is_refused_leaves_the_others_readable() -> None:
    """A newer engine may accept what the table of ours does not."""
    line = effective(["m", "--kv-cache-dtype=int3", "--max-model-len=7", "--new-flag", "x"])
    assert line.settings["kv_cache_dtype"] is Reading.UNPARSEABLE
    assert line.settings["max_model_len"] == 7
    assert line.given == {"kv_cache_dtype", "max_model_len"}


CONFIG_FILES = [
    ("m --config f.yaml", "max-model-len: 25.6k\ntrust_remote_code: true", 25_600, True),
    ("m --config f.yaml --max-model-len 7", "max-model-len: 9", 7, False),
    ("m --max-model-len 7 --config f.yaml", "max-model-len: 9", 7, False),
    ("--config f.yaml", "model: m\nmax_model_len: 9", 9, False),
    ("m --trust-remote-code --config f.yaml", "trust-remote-code: false", Reading.ABSENT, True),
    ("m --config f.yaml", "enable-prefix-caching: false\nmiddleware: []", Reading.ABSENT, False),
    ("m --config=f.yaml", "max-model-len: 9", Reading.ABSENT, False),
    ("m --config f.yaml", "served-model-name: [a, b]\nmax-model-len: 9", 9, False),
]


@pytest.mark.parametrize(("words", "file", "tokens", "trust"), CONFIG_FILES)
def test_a_config_file_stands_before_the_line_and_its_false_says_nothing(
    words: str, file: str, tokens: int | Reading, *, trust: bool
) -> None:
    line = effective(words.split(), config_file=file)
    assert (line.refused, line.settings["model"]) == (None, "m")
    assert (max_model_len(line), line.settings["trust_remote_code"]) == (tokens, trust)
    assert line.settings["enable_prefix_caching"] is None


def test_objects_and_lists_of_a_config_file_are_values_of_one_flag() -> None:
    file = "hf-overrides: {a: {b: 1}}\nserved-model-name: [a, 1]"
    line = effective(["m", "--config", "f.yml"], config_file=file)
    assert line.settings["hf_overrides"] == {"a": {"b": 1}}
    assert line.settings["served_model_name"] == ["a", "1"]


@pytest.mark.parametrize(
    ("file", "refused"),
    [
        ("", "not a mapping"),
        ("a: [", "not YAML"),
        ("d: 2001-99-99", "not YAML"),
        ("1: x", "has the key 1"),
        ("hf-overrides: {a: 2001-01-01}", "not JSON serializable"),
        ("no-such: 1", "unrecognized arguments: --no-such 1"),
        ("max-model-len: null", "invalid human_readable_int_or_auto value: 'None'"),
    ],
)
def test_a_config_file_that_the_engine_cannot_use_is_refused(file: str, refused: str) -> None:
    assert refused in (effective(["m", "--config", "f.yaml"], config_file=file).refused or "")


def test_a_line_without_a_model_needs_one_in_its_file() -> None:
    line = effective(["--config", "f.yaml"], config_file="port: 1")
    assert "No model specified!" in (line.refused or "")


def test_of_an_unseen_file_only_what_it_cannot_change_is_known() -> None:
    line = effective(
        ["m", "--config", "f.yaml", "--port=1", "--middleware", "a", "--hf-overrides", "{}"]
    )
    assert line.settings["model"] == "m"
    assert line.settings["port"] == 1
    for name in ("middleware", "hf_overrides", "trust_remote_code", "tensor_parallel_size"):
        assert line.settings[name] is Reading.UNKNOWN
    assert effective(["--config", "f.yaml", "m"]).settings["model"] is Reading.UNKNOWN


def test_unsafe_switches_of_the_environment_are_read_as_the_engine_reads_them() -> None:
    environment: dict[str, Word] = {
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN": " True ",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "yes",
        "VLLM_SERVER_DEV_MODE": "2",
        "VLLM_ALLOW_INSECURE_SERIALIZATION": "true",
    }
    assert effective(["m"], environment).switches == {
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN": True,
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": False,
        "VLLM_SERVER_DEV_MODE": True,
        "VLLM_ALLOW_INSECURE_SERIALIZATION": Reading.UNPARSEABLE,
        "VLLM_USE_FLASHINFER_SAMPLER": True,
    }
    unknown = effective(["m"], dict.fromkeys(environment, UNKNOWN)).switches
    assert {unknown[name] for name in environment} == {Reading.UNKNOWN}


def test_the_port_of_the_server_is_the_engines_own_where_the_line_has_none() -> None:
    assert port(effective(["m"])) == 8000
    assert port(effective(["m", "--port", "81"])) == 81
    assert port(effective(["m", "--port", "x"])) is Reading.UNPARSEABLE
    assert port(effective(["m", UNKNOWN])) is Reading.UNKNOWN


def test_defaults_are_those_of_the_version_that_is_asked_for() -> None:
    assert effective(["m"], version="0.31.0").settings["allowed_origins"] == ["*"]
    assert effective(["m"], version="0.32.0").settings["allowed_origins"] == []
