"""vLLM's command line: what we write is what we read, and we read as the engine's parser does."""

import argparse
import re
import string
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.engine_args import (
    Reading,
    ServeArguments,
    ServeLine,
    api_key,
    max_model_len,
    port,
    serve_line,
)
from components.core.launch import UNKNOWN, Word

NAMES = st.text(string.ascii_letters + string.digits + "-./_:", min_size=1, max_size=30).filter(
    lambda name: not name.startswith("-")
)
EXTRAS = st.lists(
    st.sampled_from(
        [
            *(("--enforce-eager",), ("--seed", "3"), ("--dtype=bfloat16",), ("-O", "3")),
            *(("--hf-overrides", '{"a": [1]}'), ("--compilation-config.level", "3")),
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
    extra_args=EXTRAS,
)


@given(ARGUMENTS)
def test_reading_back_gives_what_was_rendered(arguments: ServeArguments) -> None:
    rendered = arguments.render()
    assert ServeArguments.parse(rendered) == arguments
    line = serve_line(rendered)
    assert max_model_len(line) == arguments.max_model_len
    assert port(line) == arguments.port


def test_rendered_arguments_look_like_this() -> None:
    """Rows A2 and A4: the model, its alias, 4096 tokens, 0.9 of the GPU, port 8000."""
    arguments = ServeArguments(
        model="Qwen/Qwen2.5-7B-Instruct",
        served_model_names=("akko-coder", "Qwen/Qwen2.5-7B-Instruct"),
        max_model_len=4096,
        gpu_memory_utilization=0.9,
        tensor_parallel_size=2,
        port=8000,
        shutdown_timeout_seconds=60,
        extra_args=("--seed=1",),
    )
    assert " ".join(arguments.render()) == (
        "Qwen/Qwen2.5-7B-Instruct --served-model-name akko-coder Qwen/Qwen2.5-7B-Instruct"
        " --max-model-len=4096 --gpu-memory-utilization=0.9 --tensor-parallel-size=2"
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
        (("--config", "f.yaml"), "'--config'"),
        (("--seed=1", "--"), "'--'"),
        (("--seed=$(SEED)",), "literal value"),
        (("model",), "begin with a flag"),
    ],
)
def test_extra_arguments_cannot_contradict_the_settings(
    extra: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        _with(extra_args=extra)


@pytest.mark.parametrize("name", ["", "-m", "a$(B)"])
def test_a_name_that_the_command_line_cannot_carry_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a model or served name"):
        _with(model=name)
    with pytest.raises(ValueError, match="cannot be a model or served name"):
        _with(served_model_names=("m", name))
    with pytest.raises(ValueError, match="name at least one model"):
        _with(served_model_names=())


def test_foreign_arguments_are_not_taken_for_rendered_ones() -> None:
    with pytest.raises(ValueError, match="missing"):
        ServeArguments.parse(["m", "--served-model-name", "m"])


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
        ('"4096"', Reading.UNPARSEABLE),
        ("", Reading.UNPARSEABLE),
    ],
)
def test_lengths_are_read_as_the_engine_reads_them(text: str, tokens: int | Reading) -> None:
    assert max_model_len(serve_line(["m", "--max-model-len", text])) == tokens
    assert max_model_len(serve_line([f"--max_model_len={text}", "m"])) == tokens


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        (["m"], Reading.ABSENT),
        (["m", "--max-model-len"], Reading.UNPARSEABLE),
        (["m", "--max-model-len", "--seed", "1"], Reading.UNPARSEABLE),
        (["m", "--max-model-len=1", "--max-model-len=2"], 2),
        (["m", "--max-model-len=1", "--max-model", "2"], 2),
        (["m", "--max-model-len=1", "--", "--max-model-len=2"], 1),
        (["m", "--config", "f.yaml"], Reading.UNKNOWN),
        (["m", "--config", "f.yaml", "--max-model-len=3"], 3),
        (["m", "--config=f.yaml"], Reading.ABSENT),
        (["m", "-O.level", "--max-model-len=3"], Reading.ABSENT),
        (["m", "--max-model-len.a=1", "--max-model-len=3"], Reading.UNPARSEABLE),
        (["m", UNKNOWN], Reading.UNKNOWN),
        ([UNKNOWN, "--max-model-len=3"], Reading.UNKNOWN),
    ],
)
def test_what_counts_is_what_takes_effect(words: Sequence[Word], meaning: int | Reading) -> None:
    assert max_model_len(serve_line(words)) == meaning


@pytest.mark.parametrize(
    ("words", "environment", "key"),
    [
        (["m"], {}, Reading.ABSENT),
        (["m", "--api-key", "k"], {}, "k"),
        (["m", "--api-key="], {"VLLM_API_KEY": "k"}, Reading.EMPTY),
        (["m", "--api-key", ""], {"VLLM_API_KEY": UNKNOWN}, Reading.EMPTY),
        (["m"], {"VLLM_API_KEY": "k"}, "k"),
        (["m"], {"VLLM_API_KEY": ""}, Reading.EMPTY),
        (["m"], {"VLLM_API_KEY": UNKNOWN}, Reading.UNKNOWN),
        (["m", "--api-key-file", "k"], {}, Reading.ABSENT),
        (["m", "--", "--api-key", "k"], {}, Reading.ABSENT),
        (["m", "--api-key", "--seed"], {"VLLM_API_KEY": "k"}, "k"),
        ([UNKNOWN], {}, Reading.UNKNOWN),
    ],
)
def test_an_empty_key_on_the_command_line_beats_a_good_one_in_the_environment(
    words: Sequence[Word], environment: dict[str, Word], key: str | Reading
) -> None:
    assert api_key(serve_line(words), environment) == key


def test_the_model_may_be_a_flag_or_stand_behind_flags() -> None:
    for words in (["m", "--seed=1"], ["--seed=1", "m"], ["--seed=1", "--model", "m"]):
        line = serve_line(words)
        assert isinstance(line, ServeLine)
        assert line.positionals == ("m",)


FLAGS = ("--max-model-len", "--max-num-seqs", "--port", "--seed", "--dtype")
WORDS = st.sampled_from(
    [*FLAGS, "--max-model", "--max_model_len", "--max-model_len", "--por", "--", "4096", "-1", "7"]
    + [f"{flag}={value}" for flag in (*FLAGS, "--max_model", "--max-model-le") for value in "12"]
)


@given(st.lists(WORDS, max_size=7))
@settings(max_examples=500)
def test_no_command_line_means_more_to_argparse_than_to_us(words: list[str]) -> None:
    """Python's own argparse, given vLLM's renaming of underscores, is the reference."""
    reference = argparse.ArgumentParser(exit_on_error=False, add_help=False)
    for flag in FLAGS:
        reference.add_argument(flag)
    dashed = [
        re.sub("_", "-", word.partition("=")[0]) + "".join(word.partition("=")[1:])
        for word in words
    ]
    try:
        seen = reference.parse_known_args(dashed)[0]
    except (argparse.ArgumentError, SystemExit):
        return  # the engine would exit: nothing to protect from
    expected: object = Reading.ABSENT
    if seen.max_model_len is not None:
        number = int(seen.max_model_len)
        expected = Reading.AUTO if number == -1 else number
    ours = max_model_len(serve_line(words))
    # Bare dashes are where we may refuse what argparse accepts, never the other way round.
    assert ours == expected or ("--" in words and not isinstance(ours, int))
