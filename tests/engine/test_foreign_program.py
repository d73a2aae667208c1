"""The policy pack stops what a program renders that knows nothing of it, through the real CLI."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.engine.pulumi_cli import CHECKOUT, PACK, Ended, Engine

_PROGRAM = Path(__file__).parent / "foreign_program"
_LITERAL = "not-a-real-key-0451"
_SAFE = ("safe-vllm", "safe-litellm", "safe-service")
_HAZARDS = {
    "public-vllm": ("ax-01-backend-not-public", "publishes an engine as LoadBalancer"),
    "litellm-without-key": ("ax-02-gateway-auth-on", "without LITELLM_MASTER_KEY"),
    "litellm-with-optional-key": ("ax-02-gateway-auth-on", "lets LITELLM_MASTER_KEY"),
    "auto-length": ("ml-01-max-model-len-set", "leaves --max-model-len to the engine (auto)"),
    "untagged-image": ("sc-01-image-pinned", "by its name alone (`latest`)"),
    "key-in-env": ("ax-12-no-literal-credentials", "gives API_KEY its value in the manifest"),
    "key-in-args": ("ax-12-no-literal-credentials", "gives --api-key its value in the manifest"),
    "longer-than-its-model": ("ml-02-no-cap-escape", "overrides the rope parameters"),
    "idle-gpu": ("ml-04-tp-matches-gpus", "for 1 process of the engine"),
    "no-shm": ("ml-08-shm", "64 MiB of /dev/shm"),
    "on-ray": ("ml-10-multinode-isolated", "trusts its group"),
    "no-probes": ("rl-01-probes", "no startup probe"),
    "no-drain": ("rl-02-drain", "while requests are still routed to it"),
    "no-cache": ("rl-07-cache-volume", "download its model"),
    "squatter": ("ph-07-gpu-taint-paired", "uses no GPU"),
    "later-image": ("sc-01-image-pinned", "it must be known at preview"),
    "later-args": ("ml-01-max-model-len-set", "it must be known at preview"),
    "later-type": ("ax-01-backend-not-public", "it must be known at preview"),
}


@pytest.fixture(scope="module")
def foreign(tools: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The program in a folder of its own, so that only the CLI's options lead to the pack."""
    folder = tmp_path_factory.mktemp("foreign")
    program = folder / "program"
    shutil.copytree(_PROGRAM, program, ignore=shutil.ignore_patterns("__pycache__"))
    project = (program / "Pulumi.yaml").read_text(encoding="utf-8")
    moved = project.replace("../../../.venv", str(CHECKOUT / ".venv"))
    (program / "Pulumi.yaml").write_text(moved, encoding="utf-8")
    made = Engine.at(folder / "home", tools, program)
    made.make_stack("any")
    return made


@pytest.fixture(scope="module")
def hazards(foreign: Engine) -> Ended:
    return _preview(foreign, *_SAFE, *_HAZARDS)


def test_a_safe_foreign_program_passes_from_any_folder(foreign: Engine, anywhere: Path) -> None:
    ended = _preview(foreign, *_SAFE, cwd=anywhere)

    assert ended.code == 0, ended.output
    assert ended.violations == []
    assert "✅ inference-platform@v0.1.0" in ended.output


def test_an_unsafe_foreign_program_fails_its_preview(hazards: Ended) -> None:
    hazards.refuses("preview failed")
    assert {found.resource for found in hazards.violations} == set(_HAZARDS)
    assert {found.level for found in hazards.violations} == {"mandatory"}


@pytest.mark.parametrize("hazard", _HAZARDS)
def test_each_hazard_is_stopped_by_its_policy(hazards: Ended, hazard: str) -> None:
    """Row D6, and unknown values of gate fields."""
    policy, words = _HAZARDS[hazard]

    found = [one for one in hazards.violations if one.resource == hazard]

    assert [one.policy for one in found] == [policy]
    assert words in found[0].sentence


def test_no_message_repeats_a_literal_credential(hazards: Ended) -> None:
    """AX-12"""
    assert _LITERAL in (_PROGRAM / "__main__.py").read_text(encoding="utf-8")
    assert "key-in-env" in hazards.output
    assert _LITERAL not in hazards.output


def test_a_lower_cap_in_the_configuration_of_the_pack_takes_effect(
    foreign: Engine, tmp_path: Path
) -> None:
    """ML-01"""
    config = tmp_path / "policies.json"
    config.write_text(json.dumps({"ml-01-max-model-len-set": {"max_model_len_cap": 4095}}))

    ended = _preview(foreign, "safe-vllm", "--", f"--policy-pack-config={config}")

    ended.refuses("preview failed")
    assert [found.policy for found in ended.violations] == ["ml-01-max-model-len-set"]
    assert "1 to 4095 tokens are possible" in ended.violations[0].sentence


def _preview(foreign: Engine, *words: str, cwd: Path | None = None) -> Ended:
    """A preview of these workloads; options of the CLI stand behind `--`."""
    cut = words.index("--") if "--" in words else len(words)
    text = f"config:\n  foreign:workloads: {json.dumps(words[:cut])}\n"
    file = foreign.stack_file("any", text)
    return foreign.pulumi(
        f"--cwd={foreign.project}",
        "preview",
        "--stack=any",
        f"--config-file={file}",
        f"--policy-pack={PACK}",
        *words[cut + 1 :],
        cwd=cwd,
    )
