"""Whatever a hub does, the answer is one sentence, a non-zero exit and the old lock (row A10)."""

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from components.core.model_lock import locked_model
from tests.unit.tools_models.conftest import Locked, one_sentence
from tests.unit.tools_models.hub import (
    FIRST,
    MODEL,
    TOKEN,
    Content,
    FakeHub,
    Weights,
    as_json,
    config,
    index,
    repository,
    serve,
)
from tools.model_lock import command as lock_model
from tools.model_lock import hub as model_hub
from tools.model_lock.access import PUBLIC_HUB, hub_from
from tools.problem import ToolError

Refused = Callable[..., str]
SHARD = "model-00001-of-00002.safetensors"


@pytest.fixture
def refused(lock: Locked, folder: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """`refused(token=..., timeout=...)`: the one sentence of a run that wrote nothing."""

    def sentence(**how: object) -> str:
        assert lock(MODEL, **how) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert TOKEN not in said.err
        assert not folder.exists()
        return one_sentence(said.err)

    return sentence


@pytest.mark.parametrize(
    ("behaviour", "token", "sentence"),
    [
        ({"gated": "manual"}, None, "is gated and HF_TOKEN is not set; accept the licence at http"),
        ({"gated": "auto"}, "hf_wrong", "is gated and HF_TOKEN was not accepted"),
        ({"gated": "auto"}, TOKEN, "the account of HF_TOKEN has no access; accept the licence at"),
        ({"status": 401}, TOKEN, "does not know the token in HF_TOKEN"),
        ({"status": 401, "headers": {"X-Error-Code": "RepoNotFound"}}, TOKEN, "has no model"),
        ({"status": 403}, TOKEN, "give HF_TOKEN the right to read"),
        ({"status": 404}, None, "has no model team/model; check the spelling of org/name, or set"),
        ({"status": 429, "headers": {"Retry-After": "30"}}, None, "run it again after 30 s"),
        ({"status": 400}, None, "answered HTTP 400"),
        ({"status": 502}, None, "answered HTTP 502 for team/model, 3 times"),
        ({"listing": b"<html>please log in</html>"}, None, "no list of its files"),
        ({"listing": b"[]"}, None, "no list of its files"),
        ({"listing": b"[" * 100_000}, None, "no list of its files"),
        ({"listing": b"\xff\xfe"}, None, "no list of its files"),
        ({"listing": as_json({"id": MODEL})}, None, "no list of its files"),
        ({"listing": as_json({"id": MODEL, "sha": "main", "siblings": []})}, None, "no list of"),
        (
            {"listing": as_json({"id": MODEL, "sha": FIRST, "siblings": [{"rfilename": "x"}]})},
            None,
            "no list of its files with sizes and hashes",
        ),
        ({"sent": {"config.json": config(hidden_size=8)}}, None, "does not fit its hash"),
        ({"sent": {"config.json": config() + b" " * 10**6}}, None, "does not fit its hash"),
        (
            {"status": 302, "headers": {"Location": "/api/models/team/model/revision/main"}},
            None,
            "cannot be reached (TooManyRedirects) for team/model",
        ),
    ],
)
def test_a_refusal_or_garbage_is_one_sentence(
    refused: Refused,
    hub: FakeHub,
    behaviour: dict[str, object],
    token: str | None,
    sentence: str,
) -> None:
    for name, value in behaviour.items():
        setattr(hub, name, value)
    assert sentence in refused(token=token)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"config__json": None}, "has neither config.json nor adapter_config.json, so it is no"),
        ({"config__json": b"not json"}, "config.json of team/model is not a JSON object"),
        ({"config__json": b"[1]"}, "config.json of team/model is not a JSON object"),
        ({"config__json": b"{}"}, "cannot be locked (config: Dictionary should have at least 1"),
        ({"config__json": Weights(10**9, "d" * 64)}, "has 1000000000 bytes and so is no config"),
        ({"model.safetensors.index__json": b'{"weight_map": '}, "is not a JSON object"),
        ({"model.safetensors.index__json": b"{}"}, "has no weight_map from tensors to files"),
        ({"model.safetensors.index__json": index(SHARD)}, "does not name model-00002-of-00002"),
        (
            {"model.safetensors.index__json": index(SHARD, "model-00002-of-00003.safetensors")},
            "names model-00002-of-00003.safetensors, which the repository does not have",
        ),
        (
            {
                "model.safetensors.index__json": index(
                    SHARD, "model-00002-of-00002.safetensors", total=401
                )
            },
            "speaks of 401 bytes of tensors, but its files hold 400",
        ),
        ({"model.safetensors.index__json": None}, f"has {SHARD} and 1 more but no model.safet"),
    ],
)
def test_a_repository_that_contradicts_itself_is_one_sentence(
    refused: Refused, hub: FakeHub, changes: dict[str, Content | None], sentence: str
) -> None:
    hub.commits[FIRST] = repository(**changes)
    assert sentence in refused()


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("pytorch_model.bin",), "no weights in safetensors at its top (only .bin)"),
        (("a-q4.gguf", "a-q8.gguf"), "(only .gguf)"),
        ((), "no weights in safetensors at its top; such files"),
        (("fp8/model.safetensors",), "(only .safetensors)"),
    ],
)
def test_a_repository_without_safetensors_says_what_it_has(
    refused: Refused, hub: FakeHub, names: tuple[str, ...], sentence: str
) -> None:
    hub.commits[FIRST] = {"config.json": config(), **dict.fromkeys(names, Weights(9, "d" * 64))}
    assert sentence in refused()


def test_a_commit_that_does_not_exist_is_an_error(
    lock: Locked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock(MODEL, "--revision", "f" * 40) == 1
    said = one_sentence(capsys.readouterr().err)
    assert f"team/model has no revision {'f' * 40}" in said


def test_a_hub_that_answers_for_another_commit_is_not_trusted(
    lock: Locked, hub: FakeHub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.branches["e" * 40] = FIRST
    assert lock(MODEL, "--revision", "e" * 40) == 1
    assert "do not trust it" in one_sentence(capsys.readouterr().err)


@pytest.mark.parametrize("model", ["", "model", "../../etc/passwd", "a/b/c", "team/a--b", "a b/c"])
def test_what_is_no_id_is_one_sentence(
    lock: Locked, hub: FakeHub, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock(model) == 1
    assert "is no id of a model; write MODEL=org/name" in one_sentence(capsys.readouterr().err)
    assert hub.requests == []


def test_a_failure_that_passes_is_not_a_failure(lock: Locked, hub: FakeHub) -> None:
    hub.failures = 2
    assert lock(MODEL) == 0


@pytest.mark.parametrize("slowness", ["delay_seconds", "drip_seconds"])
def test_a_silent_or_dripping_hub_times_out(refused: Refused, hub: FakeHub, slowness: str) -> None:
    setattr(hub, slowness, 0.4 if slowness == "delay_seconds" else 0.01)  # a byte is in time
    said = refused(timeout=0.2)
    assert "within 0.2 s for team/model, 3 times" in said


def test_a_hub_that_is_gone_is_one_sentence(refused: Refused, hub: FakeHub) -> None:
    with serve(FakeHub()) as gone:
        hub.endpoint = gone.endpoint
    assert "cannot be reached (ConnectError)" in refused()


def test_offline_mode_is_named(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE forbids" in refused()


def test_the_old_lock_survives_a_failure(lock: Locked, hub: FakeHub, folder: Path) -> None:
    assert lock(MODEL) == 0
    hub.status = 502
    assert lock(MODEL) == 1
    assert locked_model(MODEL, FIRST, folder).revision == FIRST


def test_a_redirect_to_another_host_is_followed_without_the_token(
    lock: Locked, hub: FakeHub
) -> None:
    with serve(FakeHub(dict(hub.commits))) as other:
        hub.elsewhere = other.endpoint.replace("127.0.0.1", "localhost")
        assert lock(MODEL, token=TOKEN) == 0
        assert other.requests
        assert {asked.authorization for asked in other.requests} == {None}
    assert {asked.authorization for asked in hub.requests} == {f"Bearer {TOKEN}"}


def test_a_token_of_the_machine_is_not_used(
    lock: Locked, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)  # `Hub` says what to use, and the fixture's has none
    assert lock(MODEL) == 0
    assert {asked.authorization for asked in hub.requests} == {None}


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"HF_ENDPOINT": "hub.example.com"}, "is not the address of a hub"),
        ({"HF_ENDPOINT": "https://user:secret@hub.example.com"}, "without user and password"),
        ({"HF_ENDPOINT": "https://[broken"}, "is not the address of a hub"),
        ({"HF_TOKEN": "hf_a\nb"}, "HF_TOKEN holds characters that no token has"),
        ({"HF_ENDPOINT": "http://hub.example.com", "HF_TOKEN": TOKEN}, "unencrypted to hub.exa"),
    ],
)
def test_a_wrong_environment_is_one_sentence_without_its_secrets(
    environment: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ToolError) as refused:
        hub_from(environment)
    assert sentence in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_environment_names_hub_and_token() -> None:
    assert hub_from({}).endpoint == PUBLIC_HUB
    mirror = hub_from({"HF_ENDPOINT": "https://hub.example.com/", "HF_TOKEN": f"{TOKEN}\n"})
    assert (mirror.endpoint, mirror.token) == ("https://hub.example.com", TOKEN)
    assert TOKEN not in repr(mirror)


def test_an_interrupt_is_said_and_numbered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(lock_model, "run", interrupted)
    assert lock_model.main() == 130
    assert capsys.readouterr().err == "Interrupted; the locks are as they were.\n"


def test_the_library_does_not_report_home() -> None:
    assert model_hub.constants.HF_HUB_DISABLE_TELEMETRY
