"""The plan fails, not the pod (row U1): what does not start is refused with the key to change."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components.core.model_lock import LOCK_FOLDER, lock_path, lock_text, locked_model
from components.document import ROOT, DocumentError, parse_document, plans, read_document
from components.document.plans import ModelPlan, plan_models
from tests.rendering import document

KEY = f"{ROOT}.models.akko-coder"
POOL = f"{ROOT}.node_pools.l4.instance_types"
QWEN_32B = {
    "source": "Qwen/Qwen3-32B",
    "revision": "9216db5781bf21249d130ec9da846c4624c16137",
}
MIXTRAL = {
    "source": "mistralai/Mixtral-8x7B-Instruct-v0.1",
    "revision": "eba92302a2861cdc0098cc54bc9f17cb2c47eb61",
}
AWQ = {
    "source": "Qwen/Qwen2.5-7B-Instruct-AWQ",
    "revision": "b25037543e9394b818fdfca67ab2a00ecc7dd641",
}


def changed(change: Mapping[str, Any], *types: str) -> dict[str, Any]:
    """The production document with another model and other machines."""
    value = document("production")
    model = value["models"]["akko-coder"]
    model |= {"cache": {**model["cache"], "size_gib": 150}, **change}
    if types:
        value["node_pools"]["l4"] |= {"instance_types": list(types), "max_gpus": 64}
    return value


def refusal(value: object) -> str:
    with pytest.raises(DocumentError) as caught:
        read_document(value)
    return str(caught.value)


def planned(change: Mapping[str, Any], *types: str) -> ModelPlan:
    return plan_models(parse_document(changed(change, *types)))["akko-coder"]


def test_the_production_model_starts_on_every_machine_of_its_pool() -> None:
    """Rows A4, A8."""
    found = planned({})
    assert [each.machine for each in found.plans] == ["g6.2xlarge", "g6.4xlarge"]
    assert (found.verdict, found.problems, found.warnings) == ("will start", (), ())
    assert found.cheapest.machine == found.deciding.machine == "g6.2xlarge"
    assert found.worst.machine == "g6.4xlarge"


def test_a_length_beyond_the_model_is_refused_with_the_engines_words_and_the_limit() -> None:
    assert refusal(changed({"max_model_len": 40_000})) == (
        f"{KEY} would not start on g6.2xlarge and g6.4xlarge of pool l4: max_model_len is 40,000, "
        'but the model was made for 32,768 tokens; vLLM would say: "User-specified max_model_len '
        "(40000) is greater than the derived max_model_len (max_position_embeddings=32768.0 or "
        f"model_max_length=None in model's config.json).\"; set {KEY}.max_model_len to 32768"
    )


def test_a_model_that_is_too_large_is_refused_and_larger_machines_are_named() -> None:
    said = refusal(changed(QWEN_32B))
    assert said.startswith(f"{KEY} would not start on g6.2xlarge and g6.4xlarge of pool l4: ")
    assert "weights take 61.0" in said
    assert 'vLLM would say: "' in said
    assert f" in {POOL} (+$" in said
    assert "\n" not in said


def test_what_is_advised_starts() -> None:
    found = planned(QWEN_32B)
    machines = [fix.value for plan in found.plans for fix in plan.fixes if fix.key == "pool"]
    assert machines
    for machine in machines:
        read_document(changed({**QWEN_32B, "memory_gib": 16, "cpu": 3}, machine))


def test_more_gpus_of_the_same_machine_are_advised_with_both_keys() -> None:
    said = refusal(changed(QWEN_32B, "g6.12xlarge"))
    advice = f"set {KEY}.tensor_parallel to 4 and tensor_parallel_over_pcie to true"
    assert advice in said
    read_document(
        changed(
            {**QWEN_32B, "tensor_parallel": 4, "tensor_parallel_over_pcie": True}, "g6.12xlarge"
        )
    )


def test_one_machine_too_small_refuses_the_pool_because_karpenter_may_choose_it() -> None:
    small = {"cpu": 3, "memory_gib": 12}
    said = refusal(changed(small, "g4dn.xlarge", "g6.2xlarge"))
    assert said.startswith(f"{KEY} would not start on g4dn.xlarge of pool l4: ")
    assert f"take g4dn.xlarge out of {POOL}" in said
    read_document(changed(small, "g6.2xlarge"))


def test_a_machine_that_has_no_room_for_the_pod_is_none_that_karpenter_may_choose() -> None:
    """6 CPU and 24 GiB do not go onto a g4dn.xlarge, which the model would not start on either."""
    assert [p.machine for p in planned({}, "g4dn.xlarge", "g6.2xlarge").plans] == ["g6.2xlarge"]


def test_heads_that_gpus_cannot_share_are_refused() -> None:
    said = refusal(
        changed({"tensor_parallel": 8, "tensor_parallel_over_pcie": True}, "g6.48xlarge")
    )
    assert "28 attention heads cannot be shared by 8 GPUs; tensor_parallel can be 1, 2, 4" in said


def test_sharing_over_pcie_has_to_be_asked_for() -> None:
    """Row B13."""
    wide = {"tensor_parallel": 4}
    assert refusal(changed(wide, "g6.12xlarge")) == (
        f"{KEY}.tensor_parallel is 4, but the GPUs of g6.12xlarge talk over PCIe, which is slower "
        f"than NVLink: set {KEY}.tensor_parallel_over_pcie to true, or name machines with NVLink "
        f"in {POOL}"
    )
    read_document(changed(wide, "p4d.24xlarge"))


def test_what_pcie_costs_is_said_in_numbers() -> None:
    wide = {"tensor_parallel": 4, "tensor_parallel_over_pcie": True}
    (said,) = planned(wide, "g6.12xlarge").warnings
    assert said.startswith(
        f"{KEY}.tensor_parallel_over_pcie: 4 GPUs of g6.12xlarge talk over PCIe: at most "
    )
    assert "% below the " in said
    assert planned(wide, "p4d.24xlarge").warnings == ()


def test_what_may_fail_late_is_a_warning_and_no_error() -> None:
    shares = (share / 100 for share in range(50, 90))
    late = next(
        share
        for share in shares
        if planned({"gpu_memory_utilization": share}).verdict == "may fail late"
    )
    (said,) = planned({"gpu_memory_utilization": late}).warnings
    assert said.startswith(f"{KEY} may fail late on g6.2xlarge and g6.4xlarge of pool l4: ")
    assert "; set inference:platform." in said
    read_document(changed({"gpu_memory_utilization": late}))


def test_quantised_weights_are_not_quantised_again() -> None:
    assert refusal(changed({**AWQ, "quantization": "fp8"})) == (
        f"{KEY}.quantization is 'fp8', but the weights of {AWQ['source']} are awq already: leave "
        "it out"
    )


def test_memory_that_dev_shm_may_take_whole_is_refused() -> None:
    """Row B2."""
    wide = {"tensor_parallel": 4, "tensor_parallel_over_pcie": True, "memory_gib": 4}
    assert f"{KEY}.memory_gib is 4, all of which /dev/shm may take (4 GiB)" in refusal(
        changed(wide, "g6.12xlarge")
    )


def test_less_memory_than_the_plan_expects_is_a_warning() -> None:
    (said,) = planned({"memory_gib": 5}).warnings
    assert said.startswith(f"{KEY}.memory_gib is 5, the plan expects 7 GiB of host memory, 1 of it")


def test_an_image_that_hides_its_version_is_planned_as_the_locked_one() -> None:
    (said,) = planned({"image": "docker.io/vllm/vllm-openai:nightly"}).warnings
    assert said.startswith(f"{KEY}.image does not say its version by a tag such as v0.31.0")
    tagged = planned({"image": "docker.io/vllm/vllm-openai:v0.32.0"})
    assert tagged.warnings == ()
    assert tagged.plans[0].load.engine_version == (0, 32, 0)


def test_a_model_without_a_lock_is_refused_with_the_command_that_makes_one() -> None:
    said = refusal(changed({"source": "nobody/nothing"}))
    assert said.startswith(f"{KEY}.source: nobody/nothing has no lock in models/")
    assert "make lock MODEL=nobody/nothing REVISION=a09a35458c70" in said


def test_an_adapter_is_no_model_and_its_base_is_named() -> None:
    revision = "7d72253525f47b1a8c3c4e1059ff88e40232dd2f"
    said = refusal(changed({"source": "mit-oasys/rlm-qwen3-30b-a3b-v0.1", "revision": revision}))
    assert said == (
        f"{KEY}.source is mit-oasys/rlm-qwen3-30b-a3b-v0.1, an adapter and no model: name the "
        "model that it was made for, Qwen/Qwen3-30B-A3B-Instruct-2507"
    )


def _locks(folder: Path, monkeypatch: pytest.MonkeyPatch, *, sign: bool, **config: object) -> None:
    """The production model's lock with another config, in a folder of its own."""
    source, revision = "Qwen/Qwen2.5-7B-Instruct", "a09a35458c702b33eeacc393d103063234e8bc28"
    fields = json.loads(lock_path(source, revision, LOCK_FOLDER).read_text(encoding="utf-8"))
    fields["config"] |= config
    text = lock_text(fields) if sign else json.dumps(fields)
    lock_path(source, revision, folder).write_text(text, encoding="utf-8")
    monkeypatch.setattr(plans, "locked_model", partial(locked_model, folder=folder))


def test_a_lock_that_was_edited_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _locks(tmp_path, monkeypatch, sign=False, num_hidden_layers=2)
    assert "was edited by hand, its digest does not fit" in refusal(changed({}))


@pytest.mark.parametrize(("field", "value"), [("hidden_size", 10**9), ("num_hidden_layers", 0)])
def test_absurd_values_in_a_lock_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, value: int
) -> None:
    _locks(tmp_path, monkeypatch, sign=True, **{field: value})
    said = refusal(changed({}))
    assert said.startswith(f"{KEY}.source is Qwen/Qwen2.5-7B-Instruct: {field} is ")
    assert "\n" not in said


def test_an_unknown_architecture_is_refused_with_the_key_that_overrides_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _locks(tmp_path, monkeypatch, sign=True, architectures=["NewForCausalLM"])
    said = refusal(changed({}))
    assert said.startswith(
        f"{KEY}.source is Qwen/Qwen2.5-7B-Instruct: architecture 'NewForCausalLM'"
    )
    assert said.endswith(f"; set {KEY}.architecture to that one")


def test_an_override_is_planned_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _locks(tmp_path, monkeypatch, sign=True, architectures=["NewForCausalLM"])
    override = {"architecture": "Qwen2ForCausalLM"}
    read_document(changed(override))
    (said,) = planned(override).warnings
    assert said == (
        f"{KEY}.architecture: Qwen/Qwen2.5-7B-Instruct is a NewForCausalLM, which is not known; "
        "it is planned and served as Qwen2ForCausalLM, so verdict and figures are a guess"
    )


def test_an_override_to_something_unknown_is_refused_with_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _locks(tmp_path, monkeypatch, sign=True, architectures=["NewForCausalLM"])
    said = refusal(changed({"architecture": "Qwen2ForCausalML"}))
    assert said.startswith(
        f"{KEY}.architecture is 'Qwen2ForCausalML', which no engine has; did you mean Qwen2For"
    )


def test_a_known_architecture_is_not_overridden() -> None:
    assert refusal(changed({"architecture": "LlamaForCausalLM"})) == (
        f"{KEY}.architecture is 'LlamaForCausalLM', but the model's own, Qwen2ForCausalLM, is "
        "known: leave it out"
    )


def test_a_large_model_on_four_gpus_of_one_node_is_planned() -> None:
    """Row B1."""
    found = planned({**MIXTRAL, "tensor_parallel": 4}, "p4de.24xlarge")
    assert found.verdict == "will start"
    assert found.host is not None
    assert found.host.shm_gib == 4
