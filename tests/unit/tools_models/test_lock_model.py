"""A model is locked from a hub that really speaks HTTP, without a byte of its weights."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.core.model_lock import digest_of, lock_path, lock_text, locked_model
from tests.unit.tools_models.conftest import TODAY, Locked, edit
from tests.unit.tools_models.hub import FIRST, MODEL, SECOND, TOKEN, FakeHub, Weights, config
from tools.model_lock.command import quantization_of

CHECKOUT = Path(__file__).parents[3]
OWN = "team--model@111111111111.json"


def test_a_model_is_locked_with_sizes_hashes_and_configuration(lock: Locked, folder: Path) -> None:
    assert lock(MODEL) == 0
    found = locked_model(MODEL, FIRST, folder)
    assert (found.licence, found.gated, found.quantization) == ("apache-2.0", False, None)
    assert found.weight_bytes == 400
    assert found.config == {"model_type": "llama", "num_hidden_layers": 2}
    assert [file.path for file in found.files] == [
        *("config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
        *("model.safetensors.index.json", "tokenizer.json"),
    ]
    assert found.unverifiable == ()
    assert all(file.sha256 or file.git_blob for file in found.files)
    assert found.evidence.obtained == "hub"
    assert (found.evidence.where, found.evidence.on) == ("127.0.0.1", TODAY)


def test_no_byte_of_a_weight_is_asked_for(lock: Locked, hub: FakeHub) -> None:
    assert lock(MODEL) == 0
    assert hub.paths[0] == "/api/models/team/model/revision/main?blobs=true"
    fetched = {path.rpartition("/")[2] for path in hub.paths[1:]}
    assert fetched == {"config.json", "model.safetensors.index.json"}
    assert not [path for path in hub.paths if path.endswith(".safetensors")]


def test_files_are_read_at_the_commit_and_not_at_the_branch(lock: Locked, hub: FakeHub) -> None:
    assert lock(MODEL) == 0
    assert all(FIRST in path for path in hub.paths[1:])


def test_a_second_run_changes_nothing(
    lock: Locked, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock(MODEL)
    before = (folder / OWN).read_bytes()
    capsys.readouterr()
    assert lock(MODEL) == 0
    said = capsys.readouterr()
    assert "nothing was written" in said.err
    assert said.out == ""
    assert (folder / OWN).read_bytes() == before


def test_a_moved_branch_is_a_change_that_shows_both_commits(
    lock: Locked, hub: FakeHub, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock(MODEL)
    hub.branches["main"] = SECOND
    capsys.readouterr()
    assert lock(MODEL) == 0
    said = capsys.readouterr()
    rows = [line.split() for line in said.out.splitlines()]
    assert rows[0] == ["WHAT", "LOCKED", "NOW"]
    assert ["revision", FIRST, SECOND] in rows
    assert ["config", "num_hidden_layers", "2", "3"] in rows
    assert [row[0] for row in rows if row[0].startswith("model-")] == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]
    assert f"was locked at {FIRST} and is now locked at {SECOND} too" in said.err
    assert locked_model(MODEL, FIRST, folder).revision == FIRST
    assert locked_model(MODEL, SECOND, folder).revision == SECOND


def test_a_branch_a_tag_and_a_commit_can_be_named(lock: Locked, hub: FakeHub, folder: Path) -> None:
    hub.branches["refs/pr/1"] = SECOND
    assert lock(MODEL, "--revision", "refs/pr/1") == 0
    assert lock(MODEL, "--revision", FIRST) == 0
    assert len(list(folder.iterdir())) == 2


def test_facts_of_others_are_confirmed_by_the_hub(
    lock: Locked, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock(MODEL)
    fields = json.loads((folder / OWN).read_text())
    fields["evidence"] = {"obtained": "public sources", "where": "papers", "on": "2026-01-01"}
    fields["files"] = [file for file in fields["files"] if file["path"] != "tokenizer.json"]
    (folder / OWN).write_text(lock_text(fields))
    capsys.readouterr()
    assert lock(MODEL) == 0
    assert "The hub says of team/model what the lock said." in capsys.readouterr().err
    assert locked_model(MODEL, FIRST, folder).evidence.obtained == "hub"


def test_wrong_facts_of_others_are_shown_and_replaced(
    lock: Locked, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock(MODEL)
    fields = json.loads((folder / OWN).read_text())
    right, fields["files"][1]["sha256"] = fields["files"][1]["sha256"], "f" * 64
    (folder / OWN).write_text(lock_text(fields))
    capsys.readouterr()
    assert lock(MODEL) == 0
    said = capsys.readouterr()
    assert "ffffffffffff" in said.out
    assert right[:12] in said.out
    assert "at the commit of the lock, and yet the above differs" in said.err
    assert locked_model(MODEL, FIRST, folder).files[1].sha256 == right


def test_a_lock_edited_by_hand_is_named_and_replaced(
    lock: Locked, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock(MODEL)
    edit(folder / OWN, licence="mine")
    assert lock(MODEL) == 0
    assert f"The lock {OWN} was edited by hand" in capsys.readouterr().err
    assert locked_model(MODEL, FIRST, folder).licence == "apache-2.0"


def test_json_has_revisions_status_and_changes(
    lock: Locked, hub: FakeHub, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.commits[FIRST]["consolidated.safetensors"] = Weights(400, "d" * 64)
    assert lock(MODEL, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report | {"changes": []} == {
        "lock": str(folder / OWN),
        "source": MODEL,
        "revision": FIRST,
        "previous_revision": None,
        "weight_bytes": 400,
        "status": "new",
        "changes": [],
        "ignored": [{"path": "consolidated.safetensors", "size": 400}],
    }
    assert {"what": "revision", "old": "-", "new": FIRST} in report["changes"]


def test_copies_and_other_formats_are_named_and_not_counted(
    lock: Locked, hub: FakeHub, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = ("consolidated.safetensors", "original/consolidated.00.pth", "model-q4.gguf")
    hub.commits[FIRST] |= {path: Weights(10**9, "d" * 64) for path in copies}
    assert lock(MODEL) == 0
    found = locked_model(MODEL, FIRST, folder)
    assert found.weight_bytes == 400
    assert set(found.ignored) == set(copies)
    assert "original/consolidated.00.pth (1.00 GB)" in capsys.readouterr().err


def test_a_renamed_model_is_followed_and_told(
    lock: Locked, hub: FakeHub, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.renamed = "team/model-2"
    assert lock(MODEL) == 0
    assert "127.0.0.1 calls team/model team/model-2 now." in capsys.readouterr().err
    assert locked_model(MODEL, FIRST, folder).source == MODEL


def test_a_licence_of_its_own_has_its_name(lock: Locked, hub: FakeHub, folder: Path) -> None:
    hub.card = {"license": "other", "license_name": "mrl"}
    assert lock(MODEL) == 0
    assert locked_model(MODEL, FIRST, folder).licence == "mrl"


def test_modelopt_s_own_file_stands_in_the_configuration_as_the_engine_reads_it(
    lock: Locked, hub: FakeHub, folder: Path
) -> None:
    hub.commits[FIRST]["hf_quant_config.json"] = b'{"quantization": {"quant_algo": "FP8"}}'
    assert lock(MODEL) == 0
    found = locked_model(MODEL, FIRST, folder)
    assert found.quantization == "modelopt"
    assert found.config["quantization_config"] == {"quantization": {"quant_algo": "FP8"}}


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({}, None),
        ({"quantization_config": {"quant_method": "AWQ"}}, "awq"),
        ({"text_config": {"quantization_config": {"quant_method": "gptq"}}}, "gptq"),
        ({"compression_config": {"quant_method": "compressed-tensors"}}, "compressed-tensors"),
        ({"quantization_config": {"bits": 4}}, "unknown"),
    ],
)
def test_the_quantisation_is_the_one_of_the_configuration(
    changes: dict[str, object], method: str | None
) -> None:
    assert quantization_of(json.loads(config(**changes))) == method


def test_a_disk_that_fills_up_leaves_the_old_lock(
    lock: Locked,
    hub: FakeHub,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    lock(MODEL)
    hub.card = {"license": "mit"}
    before = (folder / OWN).read_bytes()
    monkeypatch.setattr("tools.atomic_file.os.fsync", full)
    assert lock(MODEL) == 1
    assert "could not be written (No space left on device)" in capsys.readouterr().err
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [(OWN, before)]


def test_a_process_killed_while_it_writes_leaves_the_old_lock(
    lock: Locked, hub: FakeHub, folder: Path
) -> None:
    lock(MODEL)
    hub.card = {"license": "mit"}
    before = (folder / OWN).read_bytes()
    program = (
        "import os, signal, sys\n"
        "from tools import atomic_file\n"
        "from tools.model_lock import command as lock_model\n"
        "atomic_file.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.exit(lock_model.main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, MODEL, "--folder", str(folder)],
        cwd=CHECKOUT,
        env=os.environ | {"HF_ENDPOINT": hub.endpoint},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL
    assert (folder / OWN).read_bytes() == before
    assert locked_model(MODEL, FIRST, folder).licence == "apache-2.0"


def test_the_command_takes_hub_and_token_from_the_environment_and_never_prints_the_token(
    hub: FakeHub, folder: Path
) -> None:
    hub.gated, hub.granted = "manual", True
    command = [sys.executable, "-m", "tools.model_lock", MODEL, "--folder", str(folder)]
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=os.environ | {"HF_ENDPOINT": hub.endpoint + "/", "HF_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert {asked.authorization for asked in hub.requests} == {f"Bearer {TOKEN}"}
    assert TOKEN not in done.stdout + done.stderr
    lock = lock_path(MODEL, FIRST, folder)
    assert TOKEN not in lock.read_text()
    assert locked_model(MODEL, FIRST, folder).gated
    assert json.loads(lock.read_text())["digest"] == digest_of(json.loads(lock.read_text()))
