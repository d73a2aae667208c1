"""Which files of a repository are a model's weights, as vLLM would load them."""

import pytest

from tools.model_lock.files import INDEX, Selection, select
from tools.model_lock.hub import RemoteFile

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def _files(*paths: str) -> dict[str, RemoteFile]:
    return {path: RemoteFile(path, 10, "d" * 64, None) for path in paths}


def _index(*names: str) -> dict[str, object]:
    return {"weight_map": {f"t{number}": name for number, name in enumerate(names)}}


def _paths(files: tuple[RemoteFile, ...]) -> list[str]:
    return [file.path for file in files]


def _selected(*paths: str) -> Selection:
    names = [path for path in paths if path in SHARDS or path.startswith("model-0000")]
    return select("team/model", _files(*paths), _index(*names) if INDEX in paths else None)


@pytest.mark.parametrize(
    ("paths", "weights", "ignored"),
    [
        (("model.safetensors",), ["model.safetensors"], []),
        (("weights.safetensors",), ["weights.safetensors"], []),
        ((INDEX, *SHARDS), [*SHARDS], []),
        ((INDEX, *SHARDS, "model.safetensors"), [*SHARDS], ["model.safetensors"]),
        ((INDEX, *SHARDS, "consolidated.safetensors"), [*SHARDS], ["consolidated.safetensors"]),
        (
            ("model.safetensors", "consolidated.safetensors", "pytorch_model.bin"),
            ["model.safetensors"],
            ["consolidated.safetensors", "pytorch_model.bin"],
        ),
        (
            ("model.safetensors", "onnx/model.onnx", "original/model.safetensors", "Q4.GGUF"),
            ["model.safetensors"],
            ["Q4.GGUF", "onnx/model.onnx", "original/model.safetensors"],
        ),
        # gpt-oss-20b counts its three files from 0 and says that they are two.
        (
            (INDEX, *(f"model-0000{number}-of-00002.safetensors" for number in range(3))),
            [f"model-0000{number}-of-00002.safetensors" for number in range(3)],
            [],
        ),
    ],
)
def test_the_weights_are_those_of_the_index_or_the_only_ones(
    paths: tuple[str, ...], weights: list[str], ignored: list[str]
) -> None:
    selection = _selected(*paths)
    assert _paths(selection.weights) == weights
    assert _paths(selection.ignored) == ignored


def test_configuration_and_tokenizer_come_along_and_nothing_else() -> None:
    wanted = [
        "1_Pooling/config.json",
        *("added_tokens.json", "chat_template.jinja", "config.json", "merges.txt"),
        *("preprocessor_config.json", "qwen.tiktoken", "special_tokens_map.json", "tekken.json"),
        *("tokenizer.json", "tokenizer.model", "tokenizer.model.v3", "vocab.json"),
    ]
    others = [
        ".gitattributes",
        "README.md",
        "LICENSE",
        "modeling.py",
        "image.png",
        "dir/a.json",
        "1_Pooling/a.json",
    ]
    selection = _selected("model.safetensors", *wanted, *others)
    assert _paths(selection.companions) == wanted


def test_an_index_need_not_tell_its_total() -> None:
    files = _files(INDEX, *SHARDS)
    for metadata in ({}, None, {"total_size": None}, {"total_size": 20}, {"total_size": 20.0}):
        index = _index(*SHARDS) | {"metadata": metadata}
        assert len(select("team/model", files, index).weights) == 2
