"""Our reading of command lines against vLLM's own parser, for the installed and the pinned version.

What the flag tables hold is made anew from the parsers; what a random line means is asked of them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core.engine_args import (
    Effective,
    Flag,
    Reading,
    ServeArguments,
    effective,
    flags,
    versions,
)
from components.core.engine_args.flags import PINNED_VERSION, TABLES
from tests.serving.command_lines import CONFIG, ENVIRONMENTS, as_json, command_lines, values
from tests.serving.parsers import Answer, RealParser, flag_table, pinned_version, real_parser

pytestmark = pytest.mark.timeout(3600)  # the first test may install vLLM

_PATIENT = settings(
    deadline=None,
    derandomize=True,
    max_examples=1500,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module", params=[True, False], ids=["pinned", "installed"])
def real(request: pytest.FixtureRequest) -> Iterator[RealParser]:
    with real_parser(pinned=request.param) as parser:
        assert parser.version == PINNED_VERSION or not request.param
        yield parser


def test_the_sources_are_those_of_the_version_that_the_images_run() -> None:
    assert pinned_version() == PINNED_VERSION


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "installed"])
def test_the_table_of_flags_is_what_the_parser_has(*, pinned: bool) -> None:
    made = flag_table(pinned=pinned)
    version = json.loads(made)["version"]
    file = TABLES / f"flags-{version}.json"
    assert version in versions()
    assert file.read_text(encoding="utf-8") == made, "vLLM's flags changed: run `make lock-flags`"


@_PATIENT
@given(data=st.data(), environment=ENVIRONMENTS)
def test_every_command_line_means_to_us_what_it_means_to_vllm(
    real: RealParser, data: st.DataObject, environment: Mapping[str, str]
) -> None:
    words, files = data.draw(command_lines(real.version))
    theirs = real.read(words, environment, files)
    ours = effective(words, environment, files.get(CONFIG), real.version)
    _compare(ours, theirs, real.version)


@_PATIENT
@given(data=st.data())
def test_a_file_that_nobody_has_seen_never_makes_us_say_a_wrong_value(
    real: RealParser, data: st.DataObject
) -> None:
    words, files = data.draw(command_lines(real.version, with_file=True))
    theirs = real.read(words, {}, files)
    if "refused" in theirs:
        return
    ours = effective(words, version=real.version)
    for name, value in _comparable(ours, real.version):
        if value is not Reading.UNKNOWN:
            assert as_json(value) == as_json(theirs["settings"].get(name)), name


@_PATIENT
@given(data=st.data())
def test_every_value_of_every_flag_is_read_as_vllm_reads_it(
    real: RealParser, data: st.DataObject
) -> None:
    table = flags(real.version)
    kind = data.draw(st.sampled_from(sorted({flag.kind for flag in table.values()})))
    names = sorted(name for name, flag in table.items() if flag.kind == kind)
    flag = table[data.draw(st.sampled_from(names))]
    value = data.draw(values(flag) | st.text(max_size=8))
    words = ["org/model", f"{flag.names[0]}={value}"]
    _compare(effective(words, version=real.version), real.read(words), real.version)


def _compare(ours: Effective, theirs: Answer, version: str) -> None:
    if "refused" in theirs:
        _compare_refusals(ours, theirs["refused"], version)
        return
    assert ours.refused is None
    for name, value in _comparable(ours, version):
        assert as_json(value) == as_json(theirs["settings"].get(name)), name
    keys = theirs["keys"]
    assert ours.api_key == keys[0] if keys else isinstance(ours.api_key, Reading)
    switches = {
        name: None if on is Reading.UNPARSEABLE else on for name, on in ours.switches.items()
    }
    assert switches == theirs["switches"]


def _comparable(ours: Effective, version: str) -> Iterator[tuple[str, object]]:
    """All settings; adapters are texts to us and objects to vLLM."""
    for name, flag in flags(version).items():
        if flag.kind != "lora_modules":
            yield name, ours.settings[name]


def _compare_refusals(ours: Effective, words: str, version: str) -> None:
    """What vLLM refuses we refuse, in its words; only the inside of configurations is left."""
    inner = [flag for flag in flags(version).values() if flag.kind in {"config", "lora_modules"}]
    titles = [f"argument {flag.title}: " for flag in inner] + ["Invalid JSON format for --lora"]
    left = words.startswith((*titles, "Invalid fields for --lora"))
    if ours.refused is None:
        assert left, words
    elif not left and not _OTHER_WORDS.match(words):
        titles = tuple(
            f"argument {flag.title}: " for flag in flags(version).values() if _json(flag)
        )
        title = next((title for title in titles if words.startswith(title)), None)
        if title is None:
            assert ours.refused == _ADDRESS.sub(r"\1", words).partition("\n\nHint: ")[0]
        else:
            assert ours.refused.startswith(title)


_OTHER_WORDS = re.compile(r"$|\w+(Error|Exception): |ambiguous option: --=")
"""Help, a traceback, and `--=x`, at which `vllm` ends before `serve` sees it."""
_ADDRESS = re.compile(r"<function (\w+) at 0x\w+>")


def _json(flag: Flag) -> bool:
    """Whether vLLM's message about a value has the words of a JSON parser in it."""
    return flag.kind in {"json", "json_or_text", "config"}


NAMES = st.text("abcXYZ019-._/:", min_size=1, max_size=20).filter(lambda name: name[0] != "-")
SETTINGS: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {
        "served_model_name": st.lists(NAMES, min_size=1, max_size=3).map(tuple),
        "max_model_len": st.integers(1, 2**24),
        "gpu_memory_utilization": st.floats(0.01, 1.0),
        "port": st.integers(1024, 65535),
        "shutdown_timeout": st.integers(0, 3600),
    },
    optional={
        "tensor_parallel_size": st.integers(1, 16),
        "pipeline_parallel_size": st.integers(1, 8),
        "data_parallel_size": st.integers(1, 8),
        "nnodes": st.integers(1, 4),
        "max_num_seqs": st.integers(1, 4096),
        "max_num_batched_tokens": st.integers(1, 2**20),
        "max_num_queued_reqs": st.integers(1, 4096),
        "max_num_queued_tokens": st.integers(1, 2**20),
        "kv_cache_dtype": st.sampled_from(["auto", "fp8", "fp8_e4m3"]),
        "kv_offloading_size": st.integers(1, 512),
        "quantization": st.sampled_from(["fp8", "awq"]),
        "dtype": st.sampled_from(["auto", "bfloat16", "half"]),
        "block_size": st.sampled_from([16, 32, 64]),
        "enforce_eager": st.booleans(),
        "enable_chunked_prefill": st.booleans(),
        "enable_prefix_caching": st.booleans(),
        "enable_expert_parallel": st.booleans(),
        "language_model_only": st.booleans(),
        "enable_lora": st.booleans(),
        "max_loras": st.integers(1, 9),
        "max_lora_rank": st.sampled_from([8, 16, 64]),
        "runner": st.just("pooling"),
        "scheduling_policy": st.just("priority"),
        "tool_call_parser": st.just("hermes"),
        "enable_auto_tool_choice": st.just(value=True),
        "reasoning_parser": st.just("qwen3"),
        "limit_mm_per_prompt": st.fixed_dictionaries({"image": st.integers(1, 9)}),
        "allowed_media_domains": st.just(("nobody.invalid",)),
        "speculative_config": st.fixed_dictionaries(
            {"method": st.just("ngram"), "num_speculative_tokens": st.integers(1, 8)}
        ),
    },
)
ARGUMENTS = st.builds(
    ServeArguments,
    model=NAMES,
    settings=SETTINGS,
    extra_args=st.sampled_from([(), ("--seed=1",), ("-O", "3"), ("--hf-overrides.a", "b")]),
)


@_PATIENT
@given(arguments=ARGUMENTS)
def test_vllm_reads_what_we_render(real: RealParser, arguments: ServeArguments) -> None:
    read = real.read(arguments.render())["settings"]
    assert read["model"] == arguments.model
    for name, flag in flags(real.version).items():
        asked: object = arguments.settings.get(name, flag.default)
        if isinstance(asked, tuple):
            asked = list(cast("tuple[str, ...]", asked))
        if name not in _ELSEWHERE:
            assert read.get(name) == asked


_ELSEWHERE = frozenset(
    {"model", "lora_modules", "limit_mm_per_prompt"}  # the engine keeps these in forms of its own
    | {"seed", "optimization_level", "hf_overrides"}  # extra flags
)
