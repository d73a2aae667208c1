"""vLLM's command line: what we write is what we read, and a wrong setting is named as one."""

import re
import string
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.engine_args import (
    PINNED_VERSION,
    ServeArguments,
    ServeEnvironment,
    Setting,
    effective,
    flags,
    parsers,
    versions,
)
from components.core.engine_args.flags import REMOVED, UnknownVersionError
from components.core.images import image

NAMES = st.text(string.ascii_letters + string.digits + "-./_:", min_size=1, max_size=30).filter(
    lambda name: not name.startswith("-") and name != "None"
)
EXTRAS = st.lists(
    st.sampled_from(
        [
            *(("--no-enable-prefix-caching",), ("--seed", "3"), ("--load-format=dummy",)),
            *(("-O", "3"), ("--hf-overrides", '{"a": [1]}'), ("--compilation-config.mode", "3")),
        ]
    ),
    max_size=4,
    unique=True,
).map(lambda groups: tuple(word for group in groups for word in group))
SETTINGS: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {
        "served_model_name": st.lists(NAMES, min_size=1, max_size=3).map(tuple),
        "max_model_len": st.integers(1, 2**24),
        "port": st.integers(1024, 65535),
    },
    optional={
        "gpu_memory_utilization": st.floats(0.01, 1.0),
        "shutdown_timeout": st.integers(0, 3600),
        "tensor_parallel_size": st.integers(1, 16),
        "pipeline_parallel_size": st.integers(1, 8),
        "max_num_seqs": st.integers(1, 4096),
        "max_num_queued_reqs": st.integers(1, 4096),
        "kv_cache_dtype": st.sampled_from(["auto", "fp8"]),
        "quantization": st.sampled_from(["fp8", "awq"]),
        "dtype": st.sampled_from(["auto", "bfloat16"]),
        "block_size": st.sampled_from([16, 64]),
        "enforce_eager": st.booleans(),
        "enable_chunked_prefill": st.booleans(),
        "enable_lora": st.booleans(),
        "max_lora_rank": st.sampled_from([8, 16, 64]),
        "lora_modules": st.lists(st.tuples(NAMES, NAMES).map("=".join), min_size=1, max_size=3).map(
            tuple
        ),
        "speculative_config": st.fixed_dictionaries(
            {"method": st.just("ngram"), "num_speculative_tokens": st.integers(1, 8)}
        ),
        "limit_mm_per_prompt": st.fixed_dictionaries({"image": st.integers(0, 9)}),
    },
)
ARGUMENTS = st.builds(ServeArguments, model=NAMES, settings=SETTINGS, extra_args=EXTRAS)


@given(ARGUMENTS)
def test_the_engine_reads_what_was_asked_for(arguments: ServeArguments) -> None:
    line = effective(arguments.render())
    assert line.refused is None
    assert line.settings["model"] == arguments.model
    assert set(arguments.settings) <= line.given
    for name, asked in arguments.settings.items():
        assert line.settings[name] == (list(asked) if isinstance(asked, tuple) else asked)


def test_the_environment_writes_below_home_only_and_asks_nobody() -> None:
    """A10: offline; every folder that the engine's libraries write to lies on a writable volume."""
    values = ServeEnvironment("/home/vllm", startup_seconds=700, keep_alive_seconds=120).render()
    assert values["VLLM_ENGINE_READY_TIMEOUT_S"] == "700"
    assert values["HF_HUB_OFFLINE"] == values["TRANSFORMERS_OFFLINE"] == "1"
    paths = {value for value in values.values() if value.startswith("/")}
    assert all(path.startswith("/home/vllm") for path in paths)


def test_rendered_arguments_look_like_this() -> None:
    """Rows A2 and A4: the model, its alias, 4096 tokens, 0.9 of the GPU, port 8000."""
    arguments = ServeArguments(
        "Qwen/Qwen2.5-7B-Instruct",
        {
            "served_model_name": ("akko-coder", "Qwen/Qwen2.5-7B-Instruct"),
            "max_model_len": 4096,
            "gpu_memory_utilization": 0.9,
            "enforce_eager": False,
            "speculative_config": {"method": "ngram", "num_speculative_tokens": 3},
            "port": 8000,
        },
        ("--seed=1",),
    )
    assert " ".join(arguments.render()) == (
        "Qwen/Qwen2.5-7B-Instruct --served-model-name akko-coder Qwen/Qwen2.5-7B-Instruct"
        " --max-model-len=4096 --gpu-memory-utilization=0.9 --no-enforce-eager"
        ' --speculative-config={"method":"ngram","num_speculative_tokens":3} --port=8000 --seed=1'
    )


def _with(extra: tuple[str, ...] = (), model: str = "m", **changes: Setting) -> ServeArguments:
    usual: dict[str, Setting] = {
        "served_model_name": ("m",),
        "max_model_len": 1,
        "tensor_parallel_size": 1,
        "enforce_eager": True,
        "gpu_memory_utilization": 0.9,
        "port": 8000,
        "shutdown_timeout": 1,
    }
    return ServeArguments(model, {**usual, **changes}, extra)


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        (("--max-model-len=9",), "repeat --max-model-len"),
        (("--max_model", "9"), "repeat --max-model-len"),
        (("--seed", "1", "--port=1"), "repeat --port"),
        (("--shutdown-timeout=0",), "repeat --shutdown-timeout"),
        (("-tp", "2"), "repeat --tensor-parallel-size"),
        (("--no-enforce-eager",), "repeat --enforce-eager"),
        (("--device-memory-utilization=1",), "repeat --gpu-memory-utilization"),
        (("--config", "f.yaml"), "'--config'"),
        (("--config=f.yaml",), "'--config=f.yaml'"),
        (("--seed=1", "--"), "'--'"),
        (("--seed=$(SEED)",), "literal value"),
        (("model",), "begin with a flag"),
        (("--swap-space=4",), "unrecognized arguments: --swap-space=4 (vLLM removed it in 0.18"),
        (("--rope_scaling.a=4",), "use --hf-overrides"),
        (("--enable-prefix-cachingg",), "did you mean --enable-prefix-caching?"),
        (("--xyzzy-unlike-all=1",), "unrecognized arguments: --xyzzy-unlike-all=1"),
        (("--max-num-q=3",), "could match --max-num-queued-reqs, --max-num-queued-tokens"),
        (("--load-format",), "argument --load-format: expected one argument"),
        (("--seed=x",), "argument --seed: invalid int value: 'x'"),
        (("--seed=1", "other-model"), "unrecognized arguments: other-model"),
        (("--help",), "It prints its help and ends."),
    ],
)
def test_extra_arguments_are_known_to_the_engine_and_contradict_no_setting(
    extra: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        _with(extra)


@pytest.mark.parametrize("name", ["", "-m", "a$(B)", "None"])
def test_a_name_that_the_command_line_cannot_carry_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a model or served name"):
        _with(model=name)
    with pytest.raises(ValueError, match="cannot be a model or served name"):
        _with(served_model_name=("m", name))


def test_a_setting_that_the_parser_refuses_is_refused_with_its_words() -> None:
    with pytest.raises(ValueError, match="argument --dtype: invalid choice: 'int4'"):
        _with(dtype="int4")


def test_a_setting_that_the_engine_does_not_have_cannot_be_rendered() -> None:
    with pytest.raises(ValueError, match=f"vLLM {PINNED_VERSION} has no setting swap_space"):
        _with(swap_space=4)


@pytest.mark.parametrize("version", versions())
def test_every_version_s_table_names_its_parsers(version: str) -> None:
    assert "hermes" in parsers("tool_call_parser", version)
    assert "qwen3" in parsers("reasoning_parser", version)


def test_the_table_is_that_of_the_image_that_is_deployed() -> None:
    assert f":v{PINNED_VERSION}@" in image("vllm")
    assert PINNED_VERSION in versions()


def test_a_version_without_a_table_is_named_with_those_that_have_one() -> None:
    with pytest.raises(UnknownVersionError, match=r"flags of vLLM 0\.1\.0, only of 0\.31\.0"):
        flags("0.1.0")


@pytest.mark.parametrize("version", versions())
def test_removed_flags_are_gone_and_what_replaces_them_is_there(version: str) -> None:
    names = {name for flag in flags(version).values() for name in (*flag.names, *flag.negations)}
    assert not names & REMOVED.keys()
    named = {word.rstrip(";,") for text in REMOVED.values() for word in text.split()}
    assert {word for word in named if word.startswith("--")} <= names


def test_starting_the_module_is_cheap_and_brings_no_yaml() -> None:
    script = (
        "import argparse, dataclasses, json, pathlib, re, shlex, sys, time\n"
        "start = time.process_time()\n"
        "import components.core.engine_args\n"
        "print((time.process_time() - start) * 1000, 'yaml' in sys.modules)"
    )
    runs = [subprocess.check_output([sys.executable, "-c", script], text=True) for _ in range(3)]
    assert {run.split()[1] for run in runs} == {"False"}
    assert min(float(run.split()[0]) for run in runs) < 30
