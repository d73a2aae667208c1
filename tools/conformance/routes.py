"""Promises about what is reachable, and about the list of models."""

import httpx

from tools.conformance.check import Check, NotOfferedError, require
from tools.conformance.target import Json, Target

ADMIN_ROUTES = ("/key/generate", "/model/new", "/team/new", "/config/update")
"""LiteLLM's routes that change keys, models, teams and configuration."""
_UNUSABLE: Json = {"models": 7, "model_name": 7, "team_id": [], "litellm_settings": 7}
"""A body that each of them refuses after it has let the key in: nothing is ever changed."""
_REFUSED = frozenset({401, 403, 404, 405})
_ABSENT = 404


def _brief(answer: httpx.Response) -> str:
    return f"{answer.status_code} {answer.text[:150]}"


def _chat(target: Target) -> None:
    answer = target.chat()
    require(answer.is_success, _brief(answer))
    said = answer.json()
    require(said["object"] == "chat.completion", f"object {said['object']!r}")
    (choice,) = said["choices"]
    require(choice["message"]["role"] == "assistant", f"role {choice['message']['role']!r}")
    require(isinstance(choice["message"]["content"], str), "no text")


def _alias(target: Target) -> None:
    found = target.chat().json()["model"]
    require(found == target.model, f"{target.model} was asked for, the answer is from {found!r}")


def _completions(target: Target) -> None:
    request = {"model": target.model, "prompt": "hello", "max_tokens": 4}
    answer = target.ask("POST", "/v1/completions", json=request)
    require(answer.is_success, _brief(answer))
    require(answer.json()["object"] == "text_completion", _brief(answer))


def _embeddings(target: Target) -> None:
    if not target.embedding_model:
        raise NotOfferedError("no model for it was named (--embedding-model)")
    request = {"model": target.embedding_model, "input": ["one", "two"]}
    answer = target.ask("POST", "/v1/embeddings", json=request)
    require(answer.is_success, _brief(answer))
    vectors = answer.json()["data"]
    require([each["index"] for each in vectors] == [0, 1], "not one vector for each text")
    require(len({len(each["embedding"]) for each in vectors}) == 1, "of several lengths")


def _unknown_path(target: Target) -> None:
    for method in ("GET", "POST"):
        answer = target.ask(method, "/v1/no-such-route", json={} if method == "POST" else None)
        require(answer.status_code == _ABSENT, f"{method} gave {_brief(answer)}")


def _admin(target: Target) -> None:
    if target.master_key:
        raise NotOfferedError("the key is the administrator's (--master-key)")
    for path in ADMIN_ROUTES:
        status = target.ask("POST", path, json=_UNUSABLE).status_code
        require(
            status in _REFUSED,
            f"POST {path} let this key in ({status}): give a tenant's key, or say --master-key",
        )


def _admin_without_key(target: Target) -> None:
    for path in ADMIN_ROUTES:
        status = target.ask("POST", path, headers={}, json=_UNUSABLE).status_code
        require(status in _REFUSED, f"POST {path} without a key gave {status}")


def _admin_in_public(target: Target) -> None:
    if not target.public:
        raise NotOfferedError("the address was not said to be the public one (--public)")
    for path in ADMIN_ROUTES:
        status = target.ask("POST", path, json=_UNUSABLE).status_code
        require(status == _ABSENT, f"POST {path} is routed ({status})")


def _list(target: Target) -> None:
    answer = target.ask("GET", "/v1/models")
    require(answer.is_success, _brief(answer))
    said = answer.json()
    require(said["object"] == "list", f"object {said['object']!r}")
    found = [entry["id"] for entry in said["data"]]
    require(len(found) == len(set(found)), f"a name stands twice: {sorted(found)}")
    require({entry["object"] for entry in said["data"]} == {"model"}, "not all are models")
    expected = target.expected.aliases or frozenset({target.model})
    missing = sorted(expected - set(found))
    require(not missing, f"missing: {', '.join(missing)}")
    further = sorted(set(found) - expected) if target.expected.aliases else []
    require(not further, f"not in the document: {', '.join(further)}")


ROUTES = (
    Check("chat", "POST /v1/chat/completions answers", _chat),
    Check("alias", "the answer's model is the alias that was asked for", _alias),
    Check("completions", "POST /v1/completions answers", _completions),
    Check("embeddings", "POST /v1/embeddings gives a vector for each text", _embeddings),
    Check("models", "GET /v1/models lists the document's names and no other", _list),
    Check("unknown-path", "what does not exist is a 404", _unknown_path),
    Check("admin-tenant", "a tenant's key is refused on administrators' routes", _admin),
    Check("admin-nobody", "administrators' routes refuse who has no key", _admin_without_key),
    Check("admin-public", "administrators' routes are not routed in public", _admin_in_public),
)
