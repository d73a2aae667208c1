"""The committed locks of models, and what is said about one that cannot be used (SC-01)."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from components.core.adapter import Adapter
from components.core.architecture import read_architecture
from components.core.model_lock import (
    LOCK_FOLDER,
    LockedFile,
    LockedModel,
    ModelLockError,
    lock_path,
    lock_text,
    locked_model,
    locked_names,
    read_lock_file,
)
from components.core.sizing.weights import checkpoint_bytes

LOCKS = sorted(LOCK_FOLDER.iterdir())
QWEN = "Qwen/Qwen2.5-7B-Instruct"
REVISION = "a09a35458c702b33eeacc393d103063234e8bc28"
OTHER = "b" * 40
RLM = "mit-oasys/rlm-qwen3-30b-a3b-v0.1"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A folder with one lock, Qwen's."""
    path = lock_path(QWEN, REVISION, tmp_path)
    path.write_bytes(lock_path(QWEN, REVISION).read_bytes())
    return path


def _main_config(model: LockedModel) -> LockedFile:
    name = "adapter_config.json" if model.adapter else "config.json"
    return next(file for file in model.files if file.path == name)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_committed_lock_is_whole_and_where_its_name_says(path: Path) -> None:
    model = read_lock_file(path)
    assert path == lock_path(model.source, model.revision)
    assert path.read_text(encoding="utf-8") == lock_text(json.loads(path.read_text()))
    assert model.adapter or {"architectures", "model_type"} <= model.config.keys()
    assert _main_config(model).sha256


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_a_configuration_from_public_sources_is_the_published_one_to_the_byte(path: Path) -> None:
    model = read_lock_file(path)
    if model.evidence.obtained == "hub":
        return  # the tool held it against the hub's hash, and layout is not kept
    published = _main_config(model)
    text = json.dumps(model.config, indent=2)
    layouts = [candidate.encode() for candidate in (text, text + "\n")]
    rebuilt = {hashlib.sha256(layout).hexdigest(): len(layout) for layout in layouts}
    assert rebuilt.get(published.sha256 or "") == published.size


def test_every_model_of_the_production_stack_is_locked() -> None:
    stack = yaml.safe_load((LOCK_FOLDER.parent / "Pulumi.production.yaml").read_text())
    models = stack["config"]["inference:platform"]["models"].values()
    served = [model for model in models if model["engine"] == "vllm"]
    assert served
    for model in served:
        found = locked_model(model["source"], model["revision"])
        assert found.unverifiable == ()


def test_the_lock_of_qwen_has_the_published_figures() -> None:
    found = locked_model(QWEN, REVISION)
    assert found.weight_bytes == 15_231_271_888
    assert [file.size for file in found.weight_files] == [
        *(3_945_441_440, 3_864_726_352, 3_864_726_424, 3_556_377_672)
    ]
    assert (found.licence, found.gated, found.quantization) == ("apache-2.0", False, None)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_the_weights_of_every_committed_lock_fit_the_shape_of_its_model(path: Path) -> None:
    model = read_lock_file(path)
    if model.adapter is None:
        expected = checkpoint_bytes(read_architecture(model.config))
        # Qwen3-0.6B stores its head, which is its embedding, a second time: 156 of 596 M weights.
        assert 0.99 < model.weight_bytes / expected < (1.27 if "0.6B" in path.name else 1.03)


def test_a_locked_adapter_says_what_it_is_of_and_its_matrices_fit_the_model() -> None:
    found = locked_model(RLM, "7d72253525f47b1a8c3c4e1059ff88e40232dd2f")
    base = "Qwen/Qwen3-30B-A3B-Instruct-2507"
    modules = ("k_proj", "o_proj", "q_proj", "v_proj")
    assert found.adapter == Adapter(base, 32, 64.0, modules)
    model = read_architecture(locked_model(base, "0d7cf23991f47feeb3a57ecb4c9cee8ea4a17bfe").config)
    query, key = model.heads * model.head_dim, model.kv_heads * model.head_dim
    ends = 2 * (model.hidden_size + query) + 2 * (model.hidden_size + key)
    tensors = 2 * 32 * ends * len(model.layers)
    assert 0 < found.weight_bytes - tensors < 64 * 1024  # the header names 384 tensors


def test_a_model_is_no_adapter() -> None:
    assert locked_model(QWEN, REVISION).adapter is None


def test_an_adapter_that_no_engine_loads_is_no_lock(tmp_path: Path) -> None:
    fields = json.loads(lock_path(RLM, "7d72253525f4").read_text(encoding="utf-8"))
    fields["config"]["use_dora"] = True
    path = tmp_path / "adapter.json"
    path.write_text(lock_text(fields), encoding="utf-8")
    with pytest.raises(ModelLockError, match="use_dora is set, and vLLM does not load DoRA"):
        read_lock_file(path)


def test_a_lock_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        locked_model(QWEN, REVISION).weight_bytes = 1


def test_only_the_file_that_is_asked_for_is_read(lock: Path) -> None:
    lock_path("other/model", OTHER, lock.parent).write_text("broken")
    assert locked_model(QWEN, REVISION, lock.parent).source == QWEN


def test_names_are_known_without_reading(lock: Path) -> None:
    lock_path("other/model", OTHER, lock.parent).write_text("broken")
    assert locked_names(lock.parent) == ((QWEN, "a09a35458c70"), ("other/model", "b" * 12))


def test_a_model_without_a_lock_is_told_the_command_and_what_is_locked(lock: Path) -> None:
    with pytest.raises(ModelLockError) as refused:
        locked_model("team/model", OTHER, lock.parent)
    assert str(refused.value) == (
        f"team/model has no lock in {lock.parent.name}/, so nothing is known of its size and "
        f"shape (locked: {QWEN}); run `make lock MODEL=team/model REVISION={OTHER}`."
    )


def test_a_folder_without_locks_is_no_reason_to_crash(tmp_path: Path) -> None:
    with pytest.raises(ModelLockError, match=r"\(locked: no model\)"):
        locked_model(QWEN, REVISION, tmp_path / "none")


def test_a_revision_without_a_lock_is_told_the_one_that_has_one(lock: Path) -> None:
    with pytest.raises(ModelLockError) as refused:
        locked_model(QWEN, OTHER, lock.parent)
    assert str(refused.value) == (
        f"{QWEN} is locked at a09a35458c70, not at the revision {OTHER}; run `make lock "
        f"MODEL={QWEN} REVISION={OTHER}`, or name the revision that is locked."
    )


def test_a_lock_under_another_name_is_found_out(lock: Path) -> None:
    copied = lock_path("team/model", REVISION, lock.parent)
    copied.write_bytes(lock.read_bytes())
    with pytest.raises(ModelLockError, match=f"is of {QWEN} at {REVISION}, not of team/model"):
        locked_model("team/model", REVISION, lock.parent)


@pytest.mark.parametrize(
    ("find", "replace"),
    [
        ('"num_hidden_layers": 28', '"num_hidden_layers": 27'),
        ('"rope_theta": 1000000.0', '"rope_theta": 1000000'),
        ('"apache-2.0"', '"mit"'),
        ('"sha256": "a1333e62', '"sha256": "b1333e62'),
        ('"sha256": "a1333e6293854747c481288ea83b348226af178dd565c49b6f9495ba1966aba7"', None),
        ('"gated": false', '"gated": true'),
        ('"on": "2026', '"on": "2027'),
        ('"digest": "sha256:', '"digest": "sha256:f'),
    ],
)
def test_an_edit_by_hand_is_found(lock: Path, find: str, replace: str | None) -> None:
    text = lock.read_text(encoding="utf-8")
    assert find in text
    edited = text.replace(find, replace or '"sha256": null', 1)
    if find.startswith('"digest"'):  # still 64 digits
        edited = edited[: edited.rindex('"') - 1] + edited[edited.rindex('"') :]
    lock.write_text(edited, encoding="utf-8")
    with pytest.raises(ModelLockError) as refused:
        locked_model(QWEN, REVISION, lock.parent)
    assert str(refused.value) == (
        f"The lock {lock.name} was edited by hand, its digest does not fit; restore it with git, "
        f"or run `make lock MODEL={QWEN} REVISION={REVISION}`."
    )


@pytest.mark.parametrize(
    ("find", "replace", "sentence"),
    [
        ('"licence": "apache-2.0",', "", "is wrong at licence: Field required"),
        ('"config": {', '"shape": {', "is wrong at config: Field required"),
        ('"weight_bytes": 15231271888', '"weight_bytes": 1', "the weight files sum up to 152312"),
        ('"weight_bytes": 15231271888', '"weight_bytes": -1', "at weight_bytes: Input should be"),
        ('"size": 663', '"size": -663', "is wrong at files.0.size"),
        ('"path": "config.json"', '"path": "../config.json"', "is wrong at files.0.path"),
        ('"path": "config.json"', '"path": "merges.txt"', "the file merges.txt stands there tw"),
        ('"gated": false', '"gated": "perhaps"', "is wrong at gated"),
        ('"revision": "a09a', '"revision": "main', "is wrong at revision"),
        ('"source": "Qwen/', '"source": "', "is wrong at source"),
        ('"ignored": []', '"ignored": [], "extra": 1', "at extra: Extra inputs"),
        ('"files": [', '"files": ', "is not JSON"),
        ("{", "[" * 100_000, "is not JSON"),
        ("{", "[{", "is not JSON"),
    ],
)
def test_a_damaged_lock_is_one_sentence(lock: Path, find: str, replace: str, sentence: str) -> None:
    text = lock.read_text(encoding="utf-8")
    assert find in text
    lock.write_text(text.replace(find, replace, 1), encoding="utf-8")
    with pytest.raises(ModelLockError) as refused:
        locked_model(QWEN, REVISION, lock.parent)
    assert sentence in str(refused.value)
    assert lock.name in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"[]", b"null", b'"text"'])
def test_what_is_no_lock_at_all_is_one_sentence(lock: Path, content: bytes) -> None:
    lock.write_bytes(content)
    with pytest.raises(ModelLockError) as refused:
        locked_model(QWEN, REVISION, lock.parent)
    assert len(str(refused.value).splitlines()) == 1


def test_a_weight_without_a_hash_is_allowed_and_told(lock: Path) -> None:
    fields = json.loads(lock.read_text())
    fields["files"][3]["sha256"] = None
    lock.write_text(lock_text(fields))
    assert locked_model(QWEN, REVISION, lock.parent).unverifiable == (
        "model-00001-of-00004.safetensors",
    )
