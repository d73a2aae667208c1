"""vLLM's own parser, server checks and `create_engine_config` judge ways to run published models.

The configurations are those of the model locks; the GPUs are pretended, so that what a GPU accepts
is accepted here (engines/vllm/pretend_gpu.py). What only happens on the GPU itself is not judged:
memory, kernels, whether its type of number is one that it can compute.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.serving.config_judge import H100, L40S, ConfigJudge, Judgement
from tests.serving.real_engine import Gpu

pytestmark = pytest.mark.timeout(1800)  # the first test may install vLLM

_MODEL = "/models/org/model/revision"
_OTHER = "/models/org/other/revision"
_LINE = (
    *(_MODEL, "--served-model-name", "alias", "org/model", "--max-model-len=4096"),
    *("--gpu-memory-utilization=0.9", "--port=8000", "--shutdown-timeout=300"),
)
_LOCKS = Path(__file__).parents[2] / "models"

QWEN, AWQ = "Qwen--Qwen2.5-7B-Instruct@*", "Qwen--Qwen2.5-7B-Instruct-AWQ@*"
QWEN3, LLAMA = "Qwen--Qwen3-8B@*", "meta-llama--Llama-3.3-70B-Instruct@*"


def _published(pattern: str, **changes: object) -> dict[str, Any]:
    """The config.json of a locked model."""
    (lock,) = _LOCKS.glob(f"{pattern}.json")
    config: dict[str, Any] = json.loads(lock.read_text(encoding="utf-8"))["config"]
    return config | changes


@dataclass(frozen=True)
class Case:
    """A way to run a model.

    Attributes:
        model: Its lock.
        arguments: What is added to the line.
        says: What the configuration comes to, in part.
        gpu: On which.
        other: config.json of a second model.
    """

    model: str
    arguments: tuple[str, ...] = ()
    says: Mapping[str, Any] = field(default_factory=dict[str, Any])
    gpu: Gpu = L40S
    other: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Mistake:
    """A way to run a model that the engine refuses.

    Attributes:
        case: It.
        words: The engine's, in part.
        by: Which part of it refuses.
    """

    case: Case
    words: str
    by: str = "engine"


def _speculative(**settings: object) -> str:
    return f"--speculative-config={json.dumps(settings, separators=(',', ':'))}"


_SCORER = {
    "architectures": ["Qwen3ForSequenceClassification"],
    "classifier_from_token": ["no", "yes"],
    "is_original_qwen3_reranker": True,
}
_HEAD = {"architectures": ["LlamaForCausalLMEagle3"], "num_hidden_layers": 1}
GOOD = {
    "one GPU": Case(QWEN, (), {"architecture": "Qwen2ForCausalLM", "prefix_caching": True}),
    "C1: AWQ on two L40S": Case(
        AWQ, ("--tensor-parallel-size=2",), {"quantization": "auto_awq", "tensor_parallel": 2}
    ),
    "B1: 70B on four GPUs": Case(
        LLAMA, ("--tensor-parallel-size=4",), {"tensor_parallel": 4}, H100
    ),
    "B18: stages": Case(
        LLAMA,
        ("--tensor-parallel-size=4", "--pipeline-parallel-size=2"),
        {"tensor_parallel": 4, "pipeline_parallel": 2},
        H100,
    ),
    "B18: two nodes": Case(
        LLAMA,
        (
            *("--tensor-parallel-size=8", "--pipeline-parallel-size=2", "--nnodes=2"),
            *("--node-rank=0", "--master-addr=10.0.0.1"),
        ),
        {"tensor_parallel": 8, "pipeline_parallel": 2},
        H100,
    ),
    "copies behind one server": Case(QWEN, ("--data-parallel-size=2",), {"data_parallel": 2}),
    "FP8 weights and cache": Case(
        QWEN,
        ("--quantization=fp8", "--kv-cache-dtype=fp8"),
        {"quantization": "fp8", "kv_cache_dtype": "fp8"},
    ),
    "LoRA": Case(
        QWEN,
        (
            *("--enable-lora", "--max-lora-rank=8", "--max-loras=2"),
            f'--lora-modules={{"name":"adapter","path":"{_OTHER}"}}',
        ),
        {"max_lora_rank": 8},
    ),
    "embeddings": Case(QWEN3, ("--runner=pooling", "--convert=embed"), {"runner": "pooling"}),
    "a reranker": Case(
        QWEN3,
        ("--runner=pooling", f"--hf-overrides={json.dumps(_SCORER)}"),
        {"runner": "pooling", "architecture": "Qwen3ForSequenceClassification"},
    ),
    "speculation by n-grams": Case(
        QWEN,
        (_speculative(method="ngram", num_speculative_tokens=4, prompt_lookup_max=4),),
        {"speculation": "ngram"},
    ),
    "speculation by a draft model": Case(
        QWEN,
        (_speculative(method="draft_model", model=_OTHER, num_speculative_tokens=4),),
        {"speculation": "draft_model"},
        other=_published(QWEN, num_hidden_layers=4),
    ),
    "speculation by EAGLE-3": Case(
        LLAMA,
        (
            "--tensor-parallel-size=4",
            _speculative(method="eagle3", model=_OTHER, num_speculative_tokens=3),
        ),
        {"speculation": "eagle3"},
        H100,
        other=_published(LLAMA, **_HEAD),
    ),
    "C4: no prefix caching": Case(QWEN, ("--no-enable-prefix-caching",), {"prefix_caching": False}),
    "KV offload": Case(QWEN, ("--kv-offloading-size=8",), {"kv_connector": "OffloadingConnector"}),
    "C12: no chunked prefill": Case(
        QWEN, ("--no-enable-chunked-prefill",), {"chunked_prefill": False}
    ),
    "B19: queue limits and priorities": Case(
        QWEN,
        (
            *("--max-num-queued-reqs=300", "--max-num-queued-tokens=80000"),
            "--scheduling-policy=priority",
        ),
        {"scheduling": "priority"},
    ),
    "C13: parsers of reasoning and tool calls": Case(
        QWEN3,
        ("--reasoning-parser=qwen3", "--enable-auto-tool-choice", "--tool-call-parser=hermes"),
        {"runner": "generate"},
    ),
}
BAD = {
    "a misspelt flag": Mistake(
        Case(QWEN, ("--max-modell-len=1",)), "unrecognized arguments: --max-modell-len", "parser"
    ),
    "a removed flag": Mistake(
        Case(QWEN, ("--swap-space=4",)), "unrecognized arguments: --swap-space=4", "parser"
    ),
    "memory above the whole GPU": Mistake(
        Case(QWEN, ("--gpu-memory-utilization=1.5",)), "less than or equal to 1"
    ),
    "an unknown quantization": Mistake(
        Case(QWEN, ("--quantization=none-such",)), "Unknown quantization method"
    ),
    "a rank that no kernel has": Mistake(
        Case(QWEN, ("--enable-lora", "--max-lora-rank=7")), "invalid choice: 7", "parser"
    ),
    "no adapter at once": Mistake(
        Case(QWEN, ("--enable-lora", "--max-loras=0")), "greater than or equal to 1"
    ),
    "an unknown tool parser": Mistake(
        Case(QWEN, ("--enable-auto-tool-choice", "--tool-call-parser=hermess")),
        "invalid tool call parser: hermess",
        "server",
    ),
    "tool choice without a parser": Mistake(
        Case(QWEN, ("--enable-auto-tool-choice",)), "requires --tool-call-parser", "server"
    ),
    "an unknown reasoning parser": Mistake(
        Case(QWEN, ("--reasoning-parser=qwen33",)), "Reasoning parser 'qwen33' not found"
    ),
    "a chat template that is not there": Mistake(
        Case(QWEN, ("--chat-template=/models/none.jinja",)), "none.jinja", "server"
    ),
    "GPUs that do not divide the heads": Mistake(
        Case(QWEN, ("--tensor-parallel-size=3",)), "must be divisible by tensor parallel size (3)"
    ),
    "AWQ on a GPU that is too old": Mistake(
        Case(AWQ, gpu=Gpu("Tesla V100", 16_945_512_448, (7, 0))), "Minimum capability: 75"
    ),
    "speculation that the model does not have": Mistake(
        Case(QWEN, (_speculative(method="mtp", num_speculative_tokens=1),)),
        "Unsupported speculative method: 'mtp'",
    ),
    "steps shorter than the longest prompt": Mistake(
        Case(QWEN, ("--no-enable-chunked-prefill", "--max-num-batched-tokens=100")),
        "max_num_batched_tokens (100) is smaller than max_model_len (4096)",
    ),
    "more context than the model has": Mistake(
        Case(QWEN, ("--max-model-len=400000",)), "greater than the derived max_model_len"
    ),
}


def _judged(judge: ConfigJudge, case: Case) -> Judgement:
    folders = {_MODEL: {"config.json": json.dumps(_published(case.model))}}
    if case.other:
        folders[_OTHER] = {"config.json": json.dumps(case.other)}
    return judge.judge((*_LINE, *case.arguments), folders, case.gpu)


@pytest.mark.parametrize("name", GOOD)
def test_a_way_to_run_a_model_is_accepted(name: str, judge: ConfigJudge) -> None:
    """Rows B1, B18, B19, C1, C4, C12, C13: with what each of them is about in effect."""
    case = GOOD[name]
    said = _judged(judge, case)
    assert said.refused is None
    assert said.accepted == {**said.accepted, **case.says}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_refused_before_a_weight_is_read(name: str, judge: ConfigJudge) -> None:
    """Row D6: and the lines accepted above would not be if this were all said yes to."""
    mistake = BAD[name]
    said = _judged(judge, mistake.case)
    assert mistake.words in (said.refused or "accepted")
    assert said.by == mistake.by


def test_one_case_leaves_nothing_behind_for_the_next(judge: ConfigJudge) -> None:
    """The engine writes into its parser's defaults, such as the parser of reasoning."""
    assert _judged(judge, BAD["an unknown reasoning parser"].case).refused
    assert _judged(judge, GOOD["one GPU"]).refused is None
