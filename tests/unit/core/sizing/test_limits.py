"""What the engine refuses whatever the memory, in its own words."""

from typing import Unpack

import pytest

from components.core.architecture import read_architecture
from components.core.sizing.defaults import resolve
from components.core.sizing.limits import refusals
from components.core.sizing.refusal import Refusal
from components.core.sizing.request import BETWEEN_RELEASES, Load
from tests.unit.core.sizing.published import (
    GEMMA4_26B,
    LLAMA_8B,
    QWEN3_8B,
    QWEN_7B,
    Settings,
    architecture,
    device,
    settings,
)


def first(model: str, gpu: str = "h100", **load: Unpack[Settings]) -> Refusal | None:
    chosen = settings(model, gpu, **load)
    found = refusals(architecture(model), device(gpu), Load(**load), chosen)
    return next(iter(found), None)


def refused(model: str, gpu: str = "h100", **load: Unpack[Settings]) -> Refusal:
    found = first(model, gpu, **load)
    assert found is not None, load
    assert found.reason.count(". ") == 0, "one sentence"
    return found


def test_a_plain_load_is_not_refused() -> None:
    assert first(LLAMA_8B) is None


@pytest.mark.parametrize("gpus", [3, 8, 16])
def test_heads_that_gpus_cannot_share(gpus: int) -> None:
    """All versions: 28 heads of Qwen2.5-7B."""
    found = refused(QWEN_7B, tensor_parallel_size=gpus)
    assert found.error == (
        f"Total number of attention heads (28) must be divisible by tensor parallel size ({gpus})."
    )
    assert "tensor_parallel_size can be 1, 2, 4, 7" in found.reason


def test_key_and_value_heads_that_are_neither_shared_nor_copied() -> None:
    """14 GPUs for the 4 heads of Qwen2.5-7B, whose 28 attention heads 14 divides."""
    assert "4 key and value heads" in refused(QWEN_7B, tensor_parallel_size=14).reason


def test_a_vocabulary_that_gpus_cannot_share() -> None:
    """152064 words are a multiple of 64 and of 7 not."""
    found = refused(QWEN_7B, tensor_parallel_size=7)
    assert 152_064 % 7
    assert "one number must divide the other" in found.reason  # 4 heads by 7 come first
    model = architecture(LLAMA_8B, num_attention_heads=36, num_key_value_heads=36, head_dim=128)
    load = Load(tensor_parallel_size=36)
    texts = [r.error for r in refusals(model, device("h100"), load, settings(LLAMA_8B))]
    assert texts == ["AssertionError: 128256 is not divisible by 36"]


def test_more_stages_than_layers() -> None:
    assert "pipeline_parallel_size is 33, but the model has 32" in (
        refused(LLAMA_8B, pipeline_parallel_size=33).reason
    )


@pytest.mark.parametrize(
    ("version", "most"),
    [((0, 13, 0), "131072"), ((0, 14, 0), "131072.0"), ((0, 33, 0), "131072.0")],
)
def test_a_length_above_the_model_s(version: tuple[int, int, int], most: str) -> None:
    found = refused(LLAMA_8B, engine_version=version, max_model_len=131_073)
    assert found.error.startswith(
        "User-specified max_model_len (131073) is greater than the derived max_model_len "
        f"(max_position_embeddings={most} or model_max_length=None in model's config.json)."
    )
    assert first(LLAMA_8B, engine_version=version, max_model_len=131_072) is None


def test_fewer_tokens_than_sequences() -> None:
    found = refused(LLAMA_8B, max_num_seqs=512, max_num_batched_tokens=256)
    assert found.error == (
        "max_num_batched_tokens (256) must be greater than or equal to max_num_seqs (512)."
    )
    assert first(LLAMA_8B, max_num_seqs=256, max_num_batched_tokens=256) is None


@pytest.mark.parametrize(
    ("version", "tokens", "says"),
    [
        ((0, 20, 0), 2048, True),
        ((0, 21, 0), 2048, True),
        ((0, 20, 0), 2496, False),
        ((0, 22, 0), 2048, False),
    ],
)
def test_gemma_4_reads_a_picture_whole_in_0_20_and_0_21(
    version: tuple[int, int, int], tokens: int, *, says: bool
) -> None:
    """From 0.22 on the default is raised by itself for a model with a prefix of pictures."""
    found = first(GEMMA4_26B, "l40s", engine_version=version, max_num_batched_tokens=tokens)
    assert (found is not None) is says
    if found is not None:
        assert "max_tokens_per_mm_item (2496) is larger than max_num_batched_tokens (2048)" in (
            found.error
        )


def test_gemma_4_for_text_alone_needs_no_room_for_pictures() -> None:
    found = first(
        GEMMA4_26B,
        engine_version=(0, 20, 0),
        max_num_batched_tokens=2048,
        language_model_only=True,
    )
    assert found is None


@pytest.mark.parametrize("version", [(0, 7, 3), (0, 8, 2)])
def test_an_architecture_that_the_version_does_not_know(version: tuple[int, int, int]) -> None:
    """0.8.2 has no Qwen3, 0.8.5 has."""
    found = refused(QWEN3_8B, engine_version=version)
    assert found.error == ("Model architectures ['Qwen3ForCausalLM'] are not supported for now.")


@pytest.mark.parametrize(("version", "says"), [((0, 23, 0), False), ((0, 24, 0), True)])
def test_a_class_that_a_version_removed(version: tuple[int, int, int], *, says: bool) -> None:
    """`_PREVIOUSLY_SUPPORTED_MODELS` of vLLM; transformers has no class for a `qwen` either."""
    shape = {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
    named = {"architectures": ["QWenLMHeadModel"], "model_type": "qwen", "vocab_size": 151_936}
    model = read_architecture(named | shape)
    load = Load(engine_version=version)
    found = list(refusals(model, device("h100"), load, resolve(model, device("h100"), load)))
    assert [refusal.error for refusal in found] == (
        ["Model architecture QWenLMHeadModel was supported in vLLM until"] if says else []
    )


def test_what_the_scheduler_refuses_comes_before_heads() -> None:
    """vLLM makes the scheduler's configuration before it looks at parallelism."""
    found = refused(LLAMA_8B, tensor_parallel_size=3, max_num_batched_tokens=8, max_num_seqs=9)
    assert "max_num_batched_tokens (8)" in found.error


def test_a_development_build_may_know_more_than_its_release() -> None:
    load: Settings = {"engine_version": (0, 8, BETWEEN_RELEASES)}
    assert first(QWEN3_8B, **load) is None


@pytest.mark.parametrize(("version", "says"), [((0, 8, 5), False), ((0, 9, 1), True)])
def test_a_utilisation_too_near_to_one_is_refused_since_0_9(
    version: tuple[int, int, int], *, says: bool
) -> None:
    """A CUDA context is gone before the engine looks: free < total x utilisation."""
    found = first(LLAMA_8B, engine_version=version, gpu_memory_utilization=0.999)
    assert (found is not None) is says
    if found is not None:
        assert found.error.startswith("Free memory on device cuda:0 (")
        assert "less than desired GPU memory utilization" in found.error


@pytest.mark.parametrize("gpu", ["t4", "l4", "l40s", "h100", "b200"])
def test_the_advice_for_a_utilisation_too_high_is_not_refused_itself(gpu: str) -> None:
    dtype = "float16" if gpu == "t4" else "auto"
    found = refused(LLAMA_8B, gpu, gpu_memory_utilization=1.0, dtype=dtype)
    share = float(found.reason.split("lower it to ")[1].split()[0])
    assert 0.9 < share < 1
    assert first(LLAMA_8B, gpu, gpu_memory_utilization=share, dtype=dtype) is None
