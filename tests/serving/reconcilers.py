"""The reconciler of the gateway's state as its pod runs it, before replicas of the real LiteLLM."""

import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from components.core.request_fields import REQUEST_FIELDS
from components.gateway_config import RULES
from components.gateway_state import state_files
from tests.serving.kubernetes_secrets import SecretStore, secret_store
from tests.serving.processes import Server, clean_environment
from tests.serving.replicas import replicas
from tests.serving.states import State
from tests.unit.components.tenants import tenant_gateway

_HOOKS = Path(__file__).parents[2] / "components" / "programs" / "gateway"
_SECONDS = 120
_MASTER = "LITELLM_MASTER_KEY"


class Completions(BaseHTTPRequestHandler):
    """An engine that answers every chat at once with one word."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = {"role": "assistant", "content": "yes"}
        answer = {
            "id": f"chatcmpl-{uuid.uuid4()}",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8},
        }
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's name)
        """Say nothing."""


@dataclass
class Reconciler:
    """The program, the replicas that it is for, and everything that was ever said.

    Attributes:
        replicas: Of the gateway.
        store: The Secrets.
        folder: Folder for the program and the wanted states.
        master_key: Of the gateway.
        said: Every line of every run.
    """

    replicas: Sequence[Server]
    store: SecretStore
    folder: Path
    master_key: str
    said: list[str] = field(default_factory=list[str])

    def start(
        self, teams: Mapping[str, Any], *options: str, **more: object
    ) -> subprocess.Popen[str]:
        """One run; the Secrets of accounts are there, as a deployment makes them."""
        files, state = state_files(tenant_gateway({})), wanted_json(teams, **more)
        programs = self.folder / "components" / "programs"
        programs.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            if name.endswith(".py"):
                (programs / name).write_text(text, encoding="utf-8")
        path = self.folder / "state.json"
        path.write_text(json.dumps(state), encoding="utf-8")
        self.store.make(*(each["secret"] for team in state["teams"] for each in team["accounts"]))
        environment = {
            _MASTER: self.master_key,
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self.store.port),
        }
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "components.programs.gateway_state", str(path)),
                f"--base-url={self.replicas[0].url}",
                f"--service-account={self.store.account}",
                *options,
            ],
            cwd=self.folder,
            env=clean_environment(self.folder, environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """Exit code and output of a run."""
        with process:
            said, _ = process.communicate(timeout=_SECONDS)
        self.said.append(said)
        return process.returncode, said

    def applying(
        self, teams: Mapping[str, Any], *, killed_after_seconds: float | None = None
    ) -> tuple[float, int]:
        """A run that may be killed while it makes its changes, so long after its plan is there.

        Returns:
            Seconds from plan to end, and the exit code.
        """
        process = self.start(teams)
        assert process.stdout is not None
        self.said.append(process.stdout.readline())
        begun = time.monotonic()
        if killed_after_seconds is not None:
            time.sleep(killed_after_seconds)
            process.kill()
        code, _ = self.end(process)
        return time.monotonic() - begun, code

    def run(self, teams: Mapping[str, Any], *options: str, **more: object) -> tuple[int, str]:
        """One run to its end."""
        return self.end(self.start(teams, *options, **more))

    def admin(self, path: str, body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        """What a person does by hand in the admin API."""
        return self._send(0, path, self.master_key, body).raise_for_status().json()

    def keys(self, team: str) -> list[Mapping[str, Any]]:
        """Keys of a team as LiteLLM has them."""
        return self.admin(f"/key/list?return_full_object=true&size=100&team_id={team}")["keys"]

    def chat(self, key: str, *, replica: int = 0, model: str = "chat", **more: object) -> int:
        """Status of a request with a key; `more` are further fields of its body."""
        body = {"model": model, "messages": [{"role": "user", "content": "yes?"}], **more}
        return self._send(replica, "/v1/chat/completions", key, body).status_code

    def chats(self, key: str) -> list[int]:
        """Status of a request with a key on each replica."""
        return [self.chat(key, replica=number) for number in range(len(self.replicas))]

    def tagged(self, key: str, tag: str) -> tuple[int, str]:
        """Status and text of a request with a tag in its header."""
        body = {"model": "chat", "messages": [{"role": "user", "content": "yes?"}]}
        done = self._send(0, "/v1/chat/completions", key, body, {"x-litellm-tags": tag})
        return done.status_code, done.text

    def status(self, path: str, key: str) -> int:
        """Status of another route with a key."""
        return self._send(0, path, key, None).status_code

    def _send(
        self,
        replica: int,
        path: str,
        key: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        with httpx.Client(trust_env=False, timeout=60) as client:
            return client.request(
                "GET" if body is None else "POST",
                self.replicas[replica].url + path,
                headers={"Authorization": f"Bearer {key}", **(headers or {})},
                json=body,
            )


@contextmanager
def reconciling(folder: Path, state: State) -> Generator[Reconciler]:
    """Two replicas on one state, before an engine that always answers.

    Args:
        folder: Empty folder for their files.
        state: What the replicas share.
    """
    for name in ("replicas", "account", "program"):
        (folder / name).mkdir()
    with _engine() as engine, secret_store(folder / "account") as store:
        limits = {"request_bytes": 10**6, "output_tokens": 1000, "choices": 1}
        tags = ["cheap", "complex_reasoning"]
        rules: dict[str, Any] = {**limits, "routing_tags": tags, "truncating_models": []}
        rules |= {"fields": sorted(REQUEST_FIELDS), "tasks": {}}
        hooks = {
            f"{RULES}.json": json.dumps(rules),
            f"{RULES}.py": (_HOOKS / f"{RULES}.py").read_text(encoding="utf-8"),
        }
        with replicas(2, state, _config(engine), folder / "replicas", hooks=hooks) as servers:
            yield Reconciler(servers, store, folder / "program", state.master_key)


@contextmanager
def _engine() -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Completions)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _config(engine: str) -> dict[str, Any]:
    return {
        "model_list": [
            {
                "model_name": name,
                "litellm_params": {
                    "model": "hosted_vllm/one",
                    "api_base": engine,
                    "api_key": "none",
                    "input_cost_per_token": 1e-6,
                    "output_cost_per_token": 1e-6,
                },
            }
            for name in ("chat", "other")
        ],
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
        "litellm_settings": {
            "cache": True,
            "cache_params": {"type": "redis", "supported_call_types": []},
            "callbacks": [f"{RULES}.{RULES}"],
        },
    }


def wanted_json(teams: Mapping[str, Any], **more: object) -> dict[str, Any]:
    """The wanted state with some teams.

    Args:
        teams: By name, as `team` makes them.
        more: Further keys of the wanted state.
    """
    rest = json.loads(state_files(tenant_gateway({}))["state.json"])
    return {**rest, **more, "teams": _listed(teams)}


def team(**values: object) -> dict[str, Any]:
    """A team that may use the model `chat`."""
    accounts, tags = values.pop("accounts", {}), values.pop("tags", [])
    return {"settings": {**_FREE, **values}, "accounts": accounts, "tags": tags}


def account(generation: int = 1, overlap_seconds: float = 3600, **values: object) -> dict[str, Any]:
    """An account of such a team."""
    return {
        "generation": generation,
        "overlap_hours": overlap_seconds / 3600,
        "settings": {**_FREE, "max_parallel_requests": None, **values},
    }


def _listed(teams: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "tags": value["tags"],
            "settings": value["settings"],
            "accounts": [
                {"name": each, "secret": f"{name}-{each}", **settings}
                for each, settings in value["accounts"].items()
            ],
        }
        for name, value in teams.items()
    ]


_FREE = {
    "models": ["chat"],
    "max_budget": None,
    "budget_duration": None,
    "rpm_limit": None,
    "tpm_limit": None,
}
