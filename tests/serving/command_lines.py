"""Random command lines of `vllm serve`, made from the table of its flags, good and bad ones."""

import json

import yaml
from hypothesis import strategies as st

from components.core.engine_args.flags import Flag, flags

Line = tuple[list[str], dict[str, str]]
"""Words, and the files that they name."""

CONFIG = "settings.yaml"

_TEXTS = ("", "None", "a", "a-b", "A_B", "a b", "x=y", "auto", "fp8", "{", "-", "a,b", "é", "a.b")
_NUMBERS = (
    *("0", "1", "-1", "-5", "+7", "007", "1_000", "4096", " 12 ", "1.5", "-1.5", ".5", "1e3"),
    *(
        "25.6k",
        "1K",
        "1.5K",
        "2M",
        "2m",
        "1g",
        "1T",
        "1kb",
        "0x10",
        "\uff14\uff10",
        "²",
        "nan",
        "inf",
        "1k ",
    ),
    *("9" * 400 + "k", "9" * 400 + ".0k", "auto", "AUTO", " auto", "None", ""),
)
_JSON = (
    *(
        "{}",
        '{"a": 1}',
        '{"a": {"b": [1, "x"]}}',
        "[]",
        '["*"]',
        "null",
        "3",
        '"t"',
        "{a}",
        "{",
        "",
    ),
    *(
        "None",
        '{"mode": 3}',
        '{"size": 80k}',
        '{"a": "1k"}',
        ' {"a": NaN} ',
        '{"a": 1.5K}',
        "{}\x1f",
    ),
)
_STRAY = (
    *("m", "org/model", "--", "-", "-1", "-1.5", "--=x", "-O", "-O3", "-O=2", "-O.a", "1", ""),
    *("--no-such-flag", "--no-such=1", "--task=embed", "--model", "--model=q", "-tp2", "-tp=2"),
    *(
        "-q",
        "-qfp8",
        "-t",
        "-dp",
        "--m",
        "--max",
        "a b",
        "--max-model-len x",
        "--help",
        "-h",
        "-hx",
    ),
    *("--help=all", "--omni", "--version", "-v", "--swap-space=4", "--no-trust-remote-code=1"),
)
_CONFIG_VALUES = st.one_of(
    st.booleans(),
    st.sampled_from([None, 0, 1, 4096, 0.5, "25.6k", "1K", "auto", "", "a b", "-1", "--port"]),
    st.lists(st.sampled_from(["a", "--seed", 1, True]), max_size=2),
    st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from([1, "x", True]), max_size=2),
)


@st.composite
def command_lines(draw: st.DrawFn, version: str, *, with_file: bool = False) -> Line:
    """Lines that draw on a few flags each, so that these meet themselves, and each other.

    Args:
        draw: Given by Hypothesis.
        version: The engine's, one that has a table.
        with_file: Whether each line names a file, instead of a few only.
    """
    table = flags(version)
    names = st.sampled_from(sorted(table)) | st.sampled_from(sorted(_IMPORTANT))
    chosen = [table[name] for name in draw(st.lists(names, min_size=1, max_size=3))]
    words = draw(_line(chosen))
    if not with_file and draw(st.integers(0, 4)) > 0:
        return words, {}
    at = draw(st.integers(0, len(words)))
    named = ["--config", CONFIG]
    forms = [named] if with_file else [*[named] * 6, [f"--config={CONFIG}"], ["--config"]]
    words[at:at] = draw(st.sampled_from(forms))
    return words, {CONFIG: draw(_config(chosen))}


_IMPORTANT = frozenset(
    {"max_model_len", "gpu_memory_utilization", "tensor_parallel_size", "pipeline_parallel_size"}
    | {"data_parallel_size", "max_num_seqs", "max_num_batched_tokens", "kv_cache_dtype", "dtype"}
    | {"trust_remote_code", "api_key", "quantization", "block_size", "enforce_eager", "model"}
    | {"served_model_name", "middleware", "hf_overrides", "compilation_config", "port", "hf_token"}
)


def values(flag: Flag) -> st.SearchStrategy[str]:
    """Words to stand behind a flag: some that it takes, some that it refuses."""
    chosen = [str(choice) for choice in flag.choices or ()]
    if flag.kind in {"json", "json_or_text", "config"}:
        return st.sampled_from(_JSON) | st.sampled_from(_TEXTS)
    if flag.kind in {"text", "identifier", "lora_modules", "switch"}:
        usual = st.sampled_from([*chosen, *(text.upper() for text in chosen), *_TEXTS])
        return usual | st.sampled_from(chosen) if chosen else usual
    plain = st.sampled_from(chosen) if chosen else st.integers(1, 10**6).map(str)
    return plain | plain | st.sampled_from(_NUMBERS)


@st.composite
def _name(draw: st.DrawFn, flag: Flag) -> str:
    """A spelling: one of the names, in full or its beginning, with some dashes as underscores."""
    name = draw(st.sampled_from([*flag.names, *flag.names, *flag.negations]))
    if draw(st.integers(0, 9)) == 0:
        name = name[: draw(st.integers(min(3, len(name)), len(name)))]
    if name.startswith("--") and draw(st.integers(0, 3)) == 0:
        marks = draw(st.lists(st.sampled_from("-_"), min_size=len(name), max_size=len(name)))
        swapped = "".join(
            mark if old == "-" else old for old, mark in zip(name[2:], marks, strict=False)
        )
        name = f"--{swapped}"
    return name


@st.composite
def _words(draw: st.DrawFn, flag: Flag) -> list[str]:
    """One occurrence of a flag with what may stand behind it."""
    name = draw(_name(flag))
    dotted = flag.kind in {"json", "json_or_text", "config"}
    form = draw(st.integers(0 if dotted else 1, 9 if dotted else 19))
    keys = draw(st.sampled_from([".a", ".a.b", ".a_b", ".a+", ".b+", "."]))
    if form == 0:
        return [f"{name}{keys}", draw(values(flag))]
    if form == 1:
        return [f"{name}{keys}={draw(values(flag))}"]
    if flag.takes == "nothing" and form != 2:
        return [name]
    if form == 3:
        return [name]
    if form % 2:
        return [f"{name}={draw(values(flag))}"]
    most = 3 if flag.takes == "many" else 1
    return [name, *draw(st.lists(values(flag), min_size=1, max_size=most))]


@st.composite
def _config(draw: st.DrawFn, chosen: list[Flag]) -> str:
    """A file for `--config`."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(["", "- a", "a: [", "1: true", "1: false", "d: 2001-99-99"]))
    keys = [name.lstrip("-") for flag in chosen for name in (*flag.names, *flag.negations)]
    names = st.sampled_from([*keys, *(key.replace("-", "_") for key in keys), "model", "a.b", ""])
    content = draw(st.dictionaries(names, _CONFIG_VALUES, max_size=4))
    return yaml.safe_dump(content, sort_keys=False)


@st.composite
def _line(draw: st.DrawFn, chosen: list[Flag]) -> list[str]:
    """The words of a line: occurrences of the chosen flags, mostly a model, at times a stray."""
    parts = [
        draw(_words(chosen[draw(st.integers(0, len(chosen) - 1))]))
        for _ in range(draw(st.integers(0, 5)))
    ]
    words = [word for part in parts for word in part]
    if draw(st.integers(0, 5)) > 0:
        words.insert(0, "org/model")
    if draw(st.integers(0, 4)) == 0:
        words.insert(draw(st.integers(0, len(words))), draw(st.sampled_from(_STRAY)))
    return words


ENVIRONMENTS = st.fixed_dictionaries(
    {},
    optional={
        "VLLM_API_KEY": st.sampled_from(["", "k", "None", " "]),
        **dict.fromkeys(
            ("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "VLLM_ALLOW_RUNTIME_LORA_UPDATING"),
            st.sampled_from(["0", "1", "true", " TRUE ", "yes", ""]),
        ),
        **dict.fromkeys(
            ("VLLM_SERVER_DEV_MODE", "VLLM_USE_FLASHINFER_SAMPLER"),
            st.sampled_from(["0", "1", " 2 ", "true", ""]),
        ),
    },
)


def as_json(value: object) -> str:
    """A value in a form in which 1, 1.0 and true differ, and NaN is itself."""
    return json.dumps(value, sort_keys=True)
