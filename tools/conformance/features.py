"""What a deployment may offer beyond the contract; to do without is told, and is no fault."""

import json

from tools.conformance.check import Check, require
from tools.conformance.target import Target

_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def _takes(target: Target, **fields: object) -> dict[str, object]:
    answer = target.chat(**fields)
    require(answer.is_success, f"{answer.status_code} {answer.text[:150]}")
    choice: dict[str, object] = answer.json()["choices"][0]
    return choice


def _tools(target: Target) -> None:
    asked = [{"role": "user", "content": "What is the weather in Oslo?"}]
    answer = target.chat(messages=asked, tools=[_TOOL], tool_choice="required", max_tokens=100)
    require(answer.is_success, f"{answer.status_code} {answer.text[:150]}")
    calls = answer.json()["choices"][0]["message"].get("tool_calls")
    require(bool(calls), "a call was required, and none came")
    require(calls[0]["function"]["name"] == "get_weather", "another function was called")
    json.loads(calls[0]["function"]["arguments"])


def _several(target: Target) -> None:
    answer = target.chat(n=2, temperature=1)
    require(answer.is_success, f"{answer.status_code} {answer.text[:150]}")
    count = len(answer.json()["choices"])
    require(count == 2, f"{count} choices")  # noqa: PLR2004 - as asked above


def _logprobs(target: Target) -> None:
    found = _takes(target, logprobs=True, top_logprobs=2).get("logprobs")
    require(bool(found), "the answer has none")


def _fingerprint(target: Target) -> None:
    require(bool(target.chat().json().get("system_fingerprint")), "the answer has none")


def _penalties(target: Target) -> None:
    _takes(target, presence_penalty=0.5, frequency_penalty=0.5)


def _bias(target: Target) -> None:
    _takes(target, logit_bias={"5": 1})


def _json_object(target: Target) -> None:
    asked = [{"role": "user", "content": "An empty JSON object."}]
    answer = target.chat(messages=asked, response_format={"type": "json_object"}, max_tokens=50)
    require(answer.is_success, f"{answer.status_code} {answer.text[:150]}")
    said = answer.json()["choices"][0]["message"]["content"].lstrip()
    require(said.startswith("{"), f"the answer begins with {said[:20]!r}")


FEATURES = (
    Check("tools", "a function can be called (`tools`)", _tools, feature=True),
    Check("choices", "several answers at once (`n`)", _several, feature=True),
    Check("logprobs", "probabilities of tokens (`logprobs`)", _logprobs, feature=True),
    Check("fingerprint", "`system_fingerprint` says who answered", _fingerprint, feature=True),
    Check("penalties", "`presence_penalty`, `frequency_penalty`", _penalties, feature=True),
    Check("bias", "`logit_bias`", _bias, feature=True),
    Check("json", "JSON as the form of an answer (`response_format`)", _json_object, feature=True),
)
