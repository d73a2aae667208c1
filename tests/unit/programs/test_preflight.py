"""What the preflight says of recorded faults and of machines that are, or are not, as planned."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from components.programs import preflight
from components.programs.preflight import Facts, Fault, Gpu, Plan, judge, read_facts, summary

PROGRAMS = Path(preflight.__file__).parent
FAULTS = {path.stem: path for path in sorted(Path(__file__).with_name("faults").glob("*.json"))}
PLAN = Plan(
    gpus=2,
    gpu="l4",
    memory_mib=22559,
    gpu_memory_utilization=0.9,
    compute_capability=(8, 9),
    shm_gib=2,
    peer_access=True,
)
WELL = Gpu("NVIDIA L4", 22559, (8, 9), 22100)
MET = Facts(
    devices=("/dev/nvidia0", "/dev/nvidia1"),
    driver="580.95.05",
    shm_mib=2048,
    torch="2.13.0+cu130",
    cuda="13.0",
    gpus=(WELL, WELL),
)


def recorded(name: str) -> dict[str, Any]:
    return json.loads(FAULTS[name].read_text(encoding="utf-8"))


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROGRAMS / "preflight.py", *arguments],
        env=variables or None,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("name", FAULTS)
def test_a11_a_recorded_fault_gives_its_line_and_its_code(name: str, tmp_path: Path) -> None:
    """A11: as it was met in public, on an engine's machine or in its words."""
    fault = recorded(name)
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(fault["plan"]), encoding="utf-8")
    done = run(plan, "--facts", FAULTS[name])
    assert (done.returncode, done.stdout.splitlines()) == (fault["code"], fault["lines"])


def test_every_fault_has_been_recorded_and_says_where() -> None:
    faults = [recorded(name) for name in FAULTS]
    assert {fault["code"] for fault in faults} == {fault.code for fault in Fault}
    sources = [fault["source"] for fault in faults if not fault["source"].startswith("https://")]
    assert len(sources) == 2, "one was recorded here, one is made of two others"


def test_a_code_says_which_fault_it_is() -> None:
    """1 is Python's own, 2 a mistake in the question, 126 and more are the shell's and signals'."""
    codes = [fault.code for fault in Fault]
    assert len(set(codes)) == len(codes)
    assert all(2 < code < 126 for code in codes)


@st.composite
def met_plans(draw: st.DrawFn) -> tuple[Facts, Plan]:
    """A plan, and a machine that has all of it or more."""
    share = draw(st.floats(0.1, 0.98))
    total, capability = draw(st.integers(1000, 300_000)), draw(st.sampled_from([(7, 5), (9, 0)]))
    count, shm_gib = draw(st.integers(1, 8)), draw(st.integers(0, 16))
    plan = Plan(
        gpus=count,
        gpu=draw(st.sampled_from([None, "l4", "a100", "h100"])),
        memory_mib=total - draw(st.integers(0, 900)),
        gpu_memory_utilization=share,
        compute_capability=draw(st.sampled_from([None, (7, 5), capability])),
        shm_gib=shm_gib,
        peer_access=draw(st.booleans()),
    )
    name = f"NVIDIA {(plan.gpu or 'B200').upper()}-SXM4 80GB"
    free = draw(st.integers(int(total * share) + 1, total))
    facts = Facts(
        devices=tuple(f"/dev/nvidia{index}" for index in range(count)),
        driver="580.95.05",
        shm_mib=shm_gib * 1024 + draw(st.integers(0, 64)),
        gpus=(Gpu(name, total, capability, free),) * (count + draw(st.integers(0, 1))),
    )
    return facts, plan


@given(met_plans())
def test_a_machine_that_meets_its_plan_has_no_fault(met: tuple[Facts, Plan]) -> None:
    facts, plan = met
    assert judge(facts, plan) == []
    assert "\n" not in summary(facts)


def last(facts: Facts, **less: Any) -> Facts:  # noqa: ANN401 - any field
    return replace(facts, gpus=(*facts.gpus[:-1], replace(facts.gpus[-1], **less)))


def too_few(facts: Facts, plan: Plan) -> Facts:
    count = plan.gpus - 1
    return replace(facts, gpus=facts.gpus[:count], devices=facts.devices[:count])


LOWERED: dict[Fault, Callable[[Facts, Plan], Facts]] = {
    Fault.FEWER: too_few,
    Fault.LOST: lambda facts, plan: replace(facts, gpus=facts.gpus[: plan.gpus - 1]),
    Fault.OTHER: lambda facts, _: last(facts, name="NVIDIA T1000"),
    Fault.CAPABILITY: lambda facts, _: last(facts, compute_capability=(7, 0)),
    Fault.SMALL: lambda facts, plan: last(
        facts, total_mib=plan.memory_mib - 1, free_mib=plan.memory_mib - 1
    ),
    Fault.HELD: lambda facts, plan: last(
        facts, free_mib=int(facts.gpus[-1].total_mib * plan.gpu_memory_utilization) - 1
    ),
    Fault.BROKEN: lambda facts, _: last(facts, error="CUDA error: an illegal memory access"),
    Fault.SHM: lambda facts, plan: replace(facts, shm_mib=plan.shm_gib * 1024 - 1),
    Fault.PEER: lambda facts, _: replace(facts, no_peer=((0, 1),)),
}
ASKED: dict[Fault, Callable[[Plan], object]] = {
    Fault.OTHER: lambda plan: plan.gpu,
    Fault.CAPABILITY: lambda plan: plan.compute_capability,
    Fault.SHM: lambda plan: plan.shm_gib,
    Fault.PEER: lambda plan: plan.peer_access,
}
"""What has to be planned, so that less of it is a fault."""


@given(met_plans(), st.sampled_from(list(LOWERED)))
def test_one_fact_below_the_plan_gives_its_fault_and_no_other(
    met: tuple[Facts, Plan], fault: Fault
) -> None:
    facts, plan = met
    assume(fault not in ASKED or ASKED[fault](plan))
    found = judge(LOWERED[fault](facts, plan), plan)
    assert [finding.fault for finding in found] == [fault]


def lowered(gpu: Gpu) -> Facts:
    return replace(MET, gpus=(WELL, gpu))


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        (replace(MET, shm_mib=2047), Fault.SHM),
        (replace(MET, no_peer=((0, 1),)), Fault.PEER),
        (replace(MET, gpus=(WELL,)), Fault.LOST),
        (replace(MET, gpus=(WELL,), devices=("/dev/nvidia0",)), Fault.FEWER),
        (replace(MET, gpus=(WELL,), cuda_visible_devices="0"), Fault.FEWER),
        (lowered(replace(WELL, name="NVIDIA L40S")), Fault.OTHER),
        (lowered(replace(WELL, compute_capability=(8, 6))), Fault.CAPABILITY),
        (lowered(replace(WELL, total_mib=22558)), Fault.SMALL),
        (lowered(replace(WELL, free_mib=20303)), Fault.HELD),
        (lowered(replace(WELL, error="CUDA error: unknown error")), Fault.BROKEN),
        (lowered(replace(WELL, error="CUDA out of memory. Tried 2 MiB")), Fault.HELD),
        (replace(MET, step="start CUDA", error="something"), Fault.CUDA),
        (replace(MET, step="use the GPUs"), Fault.HANG),
    ],
    ids=str,
)
def test_a_fact_just_below_the_plan_gives_its_fault(facts: Facts, fault: Fault) -> None:
    assert judge(MET, PLAN) == []
    assert [finding.fault for finding in judge(facts, PLAN)] == [fault]


def test_memory_that_the_engine_would_find_free_is_enough() -> None:
    """The engine compares the same two figures: `request_memory` of vLLM 0.31."""
    exact = replace(WELL, total_mib=30000, free_mib=27000)
    assert judge(lowered(exact), PLAN) == []
    (held,) = judge(lowered(replace(exact, free_mib=26999)), PLAN)
    assert held.found == "26999 of 30000 MiB (GPU 1)"


def test_gpus_with_the_same_fault_share_a_line() -> None:
    small = replace(WELL, total_mib=9984, free_mib=9900)
    (finding,) = judge(replace(MET, gpus=(small, small)), PLAN)
    assert finding.line("https://ops.example/runbooks") == (
        "preflight: less GPU memory: planned 22559 MiB, found 9984 of NVIDIA L4 (GPU 0, 1); give "
        "the pod whole GPUs of that size, no MIG slice; runbook "
        "https://ops.example/runbooks/wrong-gpu.md"
    )


def test_void_is_no_fault_where_gpus_come_another_way() -> None:
    """Device plugins that inject by CDI, and DRA, set NVIDIA_VISIBLE_DEVICES to void themselves."""
    assert judge(replace(MET, nvidia_visible_devices="void"), PLAN) == []


@pytest.mark.parametrize("content", ["{}", "[]", "{", '{"gpus": 1, "gpsu": 2}'])
def test_a_plan_that_cannot_be_read_is_a_mistake_of_the_question(
    content: str, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(content, encoding="utf-8")
    done = run(plan)
    assert done.returncode == 2
    assert "plan or facts cannot be read: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_call_without_a_plan_is_a_mistake_and_not_a_success() -> None:
    done = run()
    assert done.returncode == 2
    assert "say what was planned" in done.stderr


def test_a_fact_that_is_not_known_is_refused() -> None:
    with pytest.raises(TypeError, match="temperature"):
        read_facts({"temperature": 80})


@pytest.mark.parametrize("program", sorted(PROGRAMS.glob("*.py")), ids=lambda path: path.name)
def test_a_program_needs_nothing_but_python(program: Path) -> None:
    """In the container there is no platform; torch is loaded by name where the image has it."""
    for node in ast.walk(ast.parse(program.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_a_runbook_is_named_as_a_file_of_its_own() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", fault.runbook) for fault in Fault)
