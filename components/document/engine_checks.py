"""What a model's settings must agree on with each other and with what the engine can do."""

from collections.abc import Iterator

from components.core.architecture import Architecture
from components.core.drain import DrainChain
from components.core.engine_args import PINNED_VERSION, parsers
from components.core.model_lock import LockedModel
from components.document import chat_template, extra_args
from components.document.cache import is_shared
from components.document.parts import Parts
from components.document.sentences import nearest
from components.document.serve_line import serve_arguments, streams
from components.document.vllm_features import DraftSettings, MtpSettings
from components.document.vllm_model import VllmServerSettings


def disagreements(
    key: str,
    settings: VllmServerSettings,
    lock: LockedModel,
    architecture: Architecture,
    parts: Parts,
) -> Iterator[str]:
    """Everything that is wrong with one model's settings whatever its hardware, a sentence each."""
    yield from _parallel(key, settings, architecture)
    yield from _cache(key, settings)
    yield from _queue(key, settings)
    yield from _task(key, settings, lock)
    misplaced = tuple(_adapters(key, settings, lock, parts))
    yield from misplaced
    yield from _speculation(key, settings, architecture, parts)
    yield from _parsers(key, settings)
    yield from _pictures(key, settings, architecture)
    if settings.chat_template:
        yield from chat_template.problems(
            f"{key}.chat_template", settings.chat_template, tools=bool(settings.tool_call_parser)
        )
    unsafe = tuple(extra_args.problems(key, settings.extra_args))
    yield from unsafe
    if not unsafe and not misplaced:
        yield from _refused(key, settings, parts)


def _parallel(key: str, settings: VllmServerSettings, architecture: Architecture) -> Iterator[str]:
    gpus, nodes = settings.gpus_per_replica, settings.nodes
    product = (
        f"tensor_parallel {settings.tensor_parallel} x pipeline_parallel "
        f"{settings.pipeline_parallel}"
    )
    if nodes > 1 and settings.data_parallel > 1:
        yield (
            f"{key}.data_parallel is {settings.data_parallel} on {nodes} nodes: copies belong on "
            f"one node; raise {key}.replicas instead, the gateway shares them out"
        )
    elif gpus % nodes:
        yield (
            f"{key}.nodes is {nodes}, among which the {gpus} GPUs of {product} cannot be shared "
            "evenly: set pipeline_parallel to a multiple of nodes"
        )
    elif nodes > 1 and settings.tensor_parallel > settings.gpus_per_node:
        yield (
            f"{key}.tensor_parallel is {settings.tensor_parallel}, but each of the {nodes} nodes "
            f"has {settings.gpus_per_node} of the GPUs, and layers shared over a network wait for "
            f"it at every token: set {key}.pipeline_parallel to {nodes}"
        )
    if settings.efa_devices and nodes == 1:
        yield (
            f"{key}.efa_devices is {settings.efa_devices}, but the GPUs of one node need no "
            "network: leave it out"
        )
    elif settings.efa_devices and settings.image is None:
        yield (
            f"{key}.efa_devices is {settings.efa_devices}, but the published image has no EFA "
            f"libraries: name one that has them as {key}.image, or leave efa_devices out"
        )
    if settings.kv_offload_gib and nodes > 1:
        yield (
            f"{key}.kv_offload_gib is {settings.kv_offload_gib} on {nodes} nodes, but the engine "
            "shares host memory within one node: leave it out"
        )
    if settings.expert_parallel and architecture.experts is None:
        yield f"{key}.expert_parallel is true, but {settings.source} has no experts: leave it out"


def _cache(key: str, settings: VllmServerSettings) -> Iterator[str]:
    """What the weights' place has to give to pods on other nodes, and to weights beside them."""
    if settings.nodes > 1 and not is_shared(settings.cache):
        yield (
            f"{key}.cache.kind is {settings.cache.kind!r} on {settings.nodes} nodes, but one node "
            "at a time mounts such a volume and each pod of a group is on another: take efs, fsx, "
            "or a claim whose access_mode is ReadWriteMany"
        )
    if not streams(settings.cache):
        return
    beside = ["adapters"] if settings.adapters else []
    beside += ["speculation"] if isinstance(settings.speculation, DraftSettings) else []
    for name in beside:
        yield (
            f"{key}.cache.reader is 'streamer', by which the engine reads the model alone, not "
            f"what {key}.{name} loads beside it: set reader to mountpoint"
        )


def _queue(key: str, settings: VllmServerSettings) -> Iterator[str]:
    queued, running = settings.max_num_queued_reqs, settings.max_num_seqs
    if queued is not None and running is not None and queued < running:
        yield (
            f"{key}.max_num_queued_reqs is {queued}, which counts running requests too, but "
            f"{key}.max_num_seqs is {running}: raise it to {running} or more, so that a step can "
            "be full"
        )
    step = settings.max_num_batched_tokens
    if settings.chunked_prefill is False and step is not None and step < settings.max_model_len:
        yield (
            f"{key}.chunked_prefill is false, so that a prompt goes into one step, but "
            f"{key}.max_num_batched_tokens is {step} and max_model_len {settings.max_model_len}: "
            "raise it to that, or leave one of them out"
        )


_SCORES = ("rerank", "classify")
_FOR_ANSWERS = ("adapters", "speculation", "reasoning_parser", "tool_call_parser", "chat_template")


def _task(key: str, settings: VllmServerSettings, lock: LockedModel) -> Iterator[str]:
    """What a model can be asked for, and what only makes sense for one that writes."""
    own = settings.architecture or str(next(iter(lock.config.get("architectures") or ()), ""))
    if own.endswith("ForSequenceClassification") and settings.task not in _SCORES:
        yield (
            f"{key}.task is {settings.task!r}, but {settings.source} is a {own}, which scores "
            f"texts: set it to {' or '.join(_SCORES)}"
        )
    if settings.task == "generate":
        return
    for name in _FOR_ANSWERS:
        if getattr(settings, name):
            yield (
                f"{key}.{name} is for models that write answers, but {key}.task is "
                f"{settings.task!r}: leave one of them out"
            )


def _adapters(
    key: str, settings: VllmServerSettings, lock: LockedModel, parts: Parts
) -> Iterator[str]:
    if settings.max_loras and settings.max_loras > len(settings.adapters):
        yield (
            f"{key}.max_loras is {settings.max_loras}, but there are {len(settings.adapters)} "
            f"adapters: lower it, or leave it out"
        )
    for name, part in parts.adapters.items():
        where = f"{key}.adapters.{name}.source is {part.source}"
        if part.adapter is None:
            yield f"{where}, which is no LoRA adapter: a model of its own belongs below models"
        elif part.adapter.base != lock.source:
            yield (
                f"{where}, an adapter of {part.adapter.base}, but {key}.source is {lock.source}: "
                "take an adapter of that model"
            )


def _speculation(
    key: str, settings: VllmServerSettings, architecture: Architecture, parts: Parts
) -> Iterator[str]:
    asked = settings.speculation
    where = f"{key}.speculation"
    if isinstance(asked, MtpSettings) and architecture.draft_layers == 0:
        yield (
            f"{where}.method is 'mtp', but {settings.source} has no prediction layers of its own: "
            "possible are ngram, and draft_model or eagle3 with a source"
        )
    if isinstance(asked, DraftSettings) and parts.draft is not None:
        yield from _draft(key, settings, asked, parts.draft, architecture.vocab_size)


def _draft(
    key: str,
    settings: VllmServerSettings,
    asked: DraftSettings,
    draft: LockedModel,
    vocabulary: int,
) -> Iterator[str]:
    where = f"{key}.speculation"
    if draft.adapter is not None:
        yield f"{where}.source is {asked.source}, a LoRA adapter: it belongs below {key}.adapters"
    elif asked.method == "eagle3" and not _is_head(draft):
        yield (
            f"{where}.source is {asked.source}, which is no EAGLE-3 head: set {where}.method to "
            "draft_model, or name a head that was trained for the model"
        )
    elif asked.method == "draft_model" and draft.config.get("vocab_size") != vocabulary:
        yield (
            f"{where}.source is {asked.source}, whose vocabulary of "
            f"{draft.config.get('vocab_size')} tokens is not the {vocabulary} of "
            f"{settings.source}: a draft shares its tokenizer"
        )
    if asked.method == "draft_model" and settings.pipeline_parallel > 1:
        yield (
            f"{where}.method is 'draft_model', which the engine runs on one pipeline stage "
            f"only: set {key}.pipeline_parallel to 1, or leave speculation out"
        )


def _is_head(draft: LockedModel) -> bool:
    """Heads are called so, or have a vocabulary of their own for what they guess."""
    return "Eagle3" in str(draft.config.get("architectures")) or "draft_vocab_size" in draft.config


def _parsers(key: str, settings: VllmServerSettings) -> Iterator[str]:
    """The engine's command line takes any name here, and its server then ends at its start."""
    asked = {
        "reasoning_parser": settings.reasoning_parser,
        "tool_call_parser": settings.tool_call_parser,
    }
    for name, parser in asked.items():
        known = parsers(name)
        if parser and parser not in known:
            yield (
                f"{key}.{name} is {parser!r}, which vLLM {PINNED_VERSION} does not have; "
                f"{nearest(parser, known)}"
            )


def _pictures(key: str, settings: VllmServerSettings, architecture: Architecture) -> Iterator[str]:
    if settings.images_per_prompt is not None and architecture.vision is None:
        yield (
            f"{key}.images_per_prompt is {settings.images_per_prompt}, but {settings.source} reads "
            "no pictures: leave it out"
        )


def _refused(key: str, settings: VllmServerSettings, parts: Parts) -> Iterator[str]:
    try:
        serve_arguments("alias", settings, parts, DrainChain(1))
    except ValueError as error:
        yield f"{key}: {error}"
