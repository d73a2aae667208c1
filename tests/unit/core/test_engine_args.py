"""vLLM's command line: what we write is what we read, and a wrong setting is named as one."""

import re
import string
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.engine_args import (
    PINNED_VERSION,
    ServeArguments,
    ServeEnvironment,
    effective,
    flags,
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
ARGUMENTS = st.builds(
    ServeArguments,
    model=NAMES,
    served_model_names=st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    max_model_len=st.integers(1, 2**24),
    gpu_memory_utilization=st.floats(0.01, 1.0),
    port=st.integers(1024, 65535),
    shutdown_timeout_seconds=st.integers(0, 3600),
    tensor_parallel_size=st.integers(1, 16),
    pipeline_parallel_size=st.none() | st.integers(1, 8),
    data_parallel_size=st.none() | st.integers(1, 8),
    max_num_seqs=st.none() | st.integers(1, 4096),
    max_num_batched_tokens=st.none() | st.integers(1, 2**20),
    kv_cache_dtype=st.none() | st.sampled_from(["auto", "fp8"]),
    quantization=st.none() | st.sampled_from(["fp8", "awq"]),
    dtype=st.none() | st.sampled_from(["auto", "bfloat16"]),
    block_size=st.none() | st.sampled_from([16, 64]),
    enforce_eager=st.none() | st.booleans(),
    extra_args=EXTRAS,
)
ENVIRONMENTS = st.builds(
    ServeEnvironment,
    home=st.just("/home/vllm"),
    startup_seconds=st.integers(1, 10**5),
    keep_alive_seconds=st.integers(1, 10**4),
)


@given(ARGUMENTS)
def test_reading_back_gives_what_was_rendered(arguments: ServeArguments) -> None:
    rendered = arguments.render()
    assert ServeArguments.parse(rendered) == arguments
    line = effective(rendered)
    assert line.refused is None
    assert line.settings["max_model_len"] == arguments.max_model_len
    assert line.settings["port"] == arguments.port


@given(ENVIRONMENTS)
def test_the_environment_is_read_back_too(environment: ServeEnvironment) -> None:
    assert ServeEnvironment.parse(environment.render() | {"OTHER": "x"}) == environment


def test_rendered_arguments_look_like_this() -> None:
    """Rows A2 and A4: the model, its alias, 4096 tokens, 0.9 of the GPU, port 8000."""
    arguments = ServeArguments(
        model="Qwen/Qwen2.5-7B-Instruct",
        served_model_names=("akko-coder", "Qwen/Qwen2.5-7B-Instruct"),
        max_model_len=4096,
        gpu_memory_utilization=0.9,
        tensor_parallel_size=2,
        max_num_seqs=64,
        kv_cache_dtype="fp8",
        enforce_eager=False,
        port=8000,
        shutdown_timeout_seconds=60,
        extra_args=("--seed=1",),
    )
    assert " ".join(arguments.render()) == (
        "Qwen/Qwen2.5-7B-Instruct --served-model-name akko-coder Qwen/Qwen2.5-7B-Instruct"
        " --max-model-len=4096 --gpu-memory-utilization=0.9 --tensor-parallel-size=2"
        " --max-num-seqs=64 --kv-cache-dtype=fp8 --no-enforce-eager"
        " --port=8000 --shutdown-timeout=60 --seed=1"
    )


def _with(**changes: object) -> ServeArguments:
    values: dict[str, object] = {
        "model": "m",
        "served_model_names": ("m",),
        "max_model_len": 1,
        "gpu_memory_utilization": 0.9,
        "port": 8000,
        "shutdown_timeout_seconds": 1,
    }
    return ServeArguments(**{**values, **changes})  # pyright: ignore[reportArgumentType] - by name


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        (("--max-model-len=9",), "change max_model_len instead"),
        (("--max_model", "9"), "change max_model_len instead"),
        (("--seed", "1", "--port=1"), "change port instead"),
        (("--shutdown-timeout=0",), "change shutdown_timeout_seconds instead"),
        (("-tp", "2"), "change tensor_parallel_size instead"),
        (("--no-enforce-eager",), "change enforce_eager instead"),
        (("--device-memory-utilization=1",), "change gpu_memory_utilization instead"),
        (("--config", "f.yaml"), "'--config'"),
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
        _with(extra_args=extra)


@pytest.mark.parametrize("name", ["", "-m", "a$(B)", "None"])
def test_a_name_that_the_command_line_cannot_carry_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a model or served name"):
        _with(model=name)
    with pytest.raises(ValueError, match="cannot be a model or served name"):
        _with(served_model_names=("m", name))
    with pytest.raises(ValueError, match="name at least one model"):
        _with(served_model_names=())


def test_a_setting_that_the_parser_refuses_is_refused_with_its_words() -> None:
    with pytest.raises(ValueError, match="argument --dtype: invalid choice: 'int4'"):
        _with(dtype="int4")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["m", "--served-model-name", "m"], "--max-model-len is missing"),
        (["m", "--no-such"], "--served-model-name is missing"),
        (["m", "--max-model-len=x"], "invalid human_readable_int_or_auto value"),
        (
            [
                *("m", "--served-model-name=m", "--max-model-len=1", "--port=1"),
                *("--gpu-memory-utilization=1", "--shutdown-timeout=1"),
            ],
            "they are in another form",
        ),
    ],
)
def test_foreign_arguments_are_not_taken_for_rendered_ones(args: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ServeArguments.parse(args)


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
