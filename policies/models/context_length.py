"""How long a context may be, and what lifts that limit (policies ML-01 and ML-02)."""

from collections.abc import Iterator, Mapping
from typing import cast

from pulumi_policy import Severity

from components.core.engine_args import MAX_MODEL_LEN_CAP, Reading, max_model_len
from policies.adapter import Breach, Parameters, Rule
from policies.reading.engines import Opaque
from policies.reading.objects import Resource
from policies.reading.servers import Server, readable, servers

_LENGTH = "max_model_len"
_SWITCH = "VLLM_ALLOW_LONG_MAX_MODEL_LEN"
_OVERRIDES = "hf_overrides"
_CONTEXT = frozenset(
    {"max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "model_max_length"}
    | {"max_target_positions", "max_sequence_length", "max_seq_length", "seq_len"}
    | {"original_max_position_embeddings", "partial_rotary_factor"}
)
"""Keys of a config.json, at any depth, that vLLM derives the longest context from
(`transformers_utils/model_arch_config_convertor.py` of 0.31), besides those that begin with
`rope_`."""


def _check_length(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    cap = int(parameters["max_model_len_cap"])
    for server in servers(resource):
        yield from _length_breach(server, cap)


def _length_breach(server: Server, cap: int) -> Iterator[Breach]:
    possible = f"1 to {cap} tokens are possible"
    title, node = server.container.title, server.line_node
    if isinstance(server.launch, Opaque):
        asked = f"hides the context length of {title} from the preview: {server.launch.why}"
        yield Breach(node, asked, f"arguments of `vllm serve` with {possible}", _LENGTH)
        return
    length = max_model_len(server.full_line)
    if isinstance(length, Reading):
        yield Breach(node, f"{_WRONG[length]} in {title}", possible, _LENGTH)
    elif length > cap:
        asked = f"asks for a context of {length} tokens in {title}"
        yield Breach(node, asked, f"{possible} (parameter max_model_len_cap)", _LENGTH)


_WRONG = {
    Reading.ABSENT: "sets no --max-model-len",
    Reading.EMPTY: "sets --max-model-len to nothing",
    Reading.AUTO: "leaves --max-model-len to the engine (auto)",
    Reading.UNPARSEABLE: "sets --max-model-len to something that the engine cannot read",
    Reading.UNKNOWN: "decides --max-model-len only later, it must be known at preview,",
}

MAX_MODEL_LEN_SET = Rule(
    name="ml-01-max-model-len-set",
    severity=Severity.HIGH,
    description="Every vLLM server says how long a context may be, and stays under the cap.",
    remediation="Set max_model_len of the model in the stack document to a number under the cap.",
    check=_check_length,
    parameters={
        "max_model_len_cap": {
            "type": "integer",
            "minimum": 1,
            "default": MAX_MODEL_LEN_CAP,
            "description": "Longest context in tokens that a model may be given.",
        }
    },
)


def _check_escape(resource: Resource, parameters: Parameters) -> Iterator[Breach]:
    del parameters
    for server in servers(resource):
        if not isinstance(server.launch, Opaque):
            yield from _switch_breaches(server)
    for server in readable(resource):
        yield from _override_breaches(server)


def _switch_breaches(server: Server) -> Iterator[Breach]:
    """The variable with which vLLM takes a longer context than the model has."""
    node, title = server.variable(_SWITCH), server.container.title
    possible = f"only {_SWITCH}=0, or none, is possible"
    on = server.full_line.switches[_SWITCH]
    if on is True:
        asked = f"lets {title} go beyond what its model can read ({_SWITCH})"
        yield Breach(node, asked, possible, _LENGTH)
    elif on is Reading.UNKNOWN or not server.container.variables_known:
        asked = f"hides from the preview whether {title} sets {_SWITCH}"
        yield Breach(node, asked, possible, _LENGTH)
    elif _SWITCH not in server.environment and _has_more(server):
        asked = f"takes variables of {title} from objects that a preview cannot see"
        more = f"{_SWITCH}=0 beside them is possible, which wins over theirs"
        yield Breach(server.container.node.at("envFrom"), asked, more, _LENGTH)


def _has_more(server: Server) -> bool:
    others = server.container.node.at("envFrom")
    return others.unknown or any(True for _ in others.elements())


def _override_breaches(server: Server) -> Iterator[Breach]:
    """What --hf-overrides say about the context, in place of the model's own configuration."""
    overrides = server.setting(_OVERRIDES)
    node, title = server.line_node, server.container.title
    if overrides is Reading.UNKNOWN or isinstance(overrides, str):
        asked = f"hides from the preview what --hf-overrides change in {title}"
        yield Breach(node, asked, "a JSON object is possible", _LENGTH)
    elif key := _context_key(overrides):
        asked = f"overrides {key} of the model in {title}, which lengthens its context"
        yield Breach(node, asked, "the context that the model was made for is possible", _LENGTH)


def _context_key(overrides: object) -> str:
    """The first key about the context, at any depth; empty without one."""
    waiting = [overrides]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            for key, below in cast("Mapping[str, object]", value).items():
                if key in _CONTEXT or key.startswith("rope_"):
                    return key if key in _CONTEXT else "the rope parameters"
                waiting.append(below)
    return ""


NO_CAP_ESCAPE = Rule(
    name="ml-02-no-cap-escape",
    severity=Severity.HIGH,
    description="No vLLM server is told that its model reads longer contexts than it was made for.",
    remediation="Leave the model's context as it is, and set max_model_len below it.",
    check=_check_escape,
)
