"""A model on each kind of storage, previewed by the real CLI under the policy pack."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.engine.pulumi_cli import Engine, document_of

_S3 = {"kind": "s3", "bucket": "models", "prefix": "llm", "region": "us-east-1"}
_EFS = {"kind": "efs", "storage_class": "efs", "size_gib": 50}
_CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
_VOLUME = "kubernetes:core/v1:PersistentVolume"
_FETCH = "kubernetes:batch/v1:Job akko-akko-vllm-preload-"
_COLLECT = "kubernetes:batch/v1:Job akko-akko-vllm-collect-"

_KINDS: Mapping[str, tuple[dict[str, Any], Mapping[str, int]]] = {
    "ebs": (
        {"kind": "ebs", "storage_class": "gp3", "size_gib": 50},
        {"StatefulSet akko-akko-vllm": 1, f"{_CLAIM} ": 2, _FETCH: 2, _COLLECT: 2},
    ),
    "fsx": (
        {"kind": "fsx", "storage_class": "fsx", "size_gib": 1200, "zone": "us-east-1a"},
        {"Deployment akko-akko-vllm": 1, f"{_CLAIM} ": 1, _FETCH: 1, _COLLECT: 1},
    ),
    "claim": (
        {**_EFS, "kind": "claim", "access_mode": "ReadWriteMany"},
        {"Deployment akko-akko-vllm": 1, f"{_CLAIM} ": 1, _FETCH: 1, _COLLECT: 1},
    ),
    "mountpoint": (
        {**_S3, "reader": "mountpoint"},
        {f"{_VOLUME} ": 2, f"{_CLAIM} ": 2, _FETCH: 1, _COLLECT: 0},
    ),
    "streamer": (
        {**_S3, "reader": "streamer"},
        {f"{_VOLUME} ": 1, f"{_CLAIM} ": 1, _FETCH: 1, _COLLECT: 0},
    ),
    "nvme": (
        {"kind": "nvme", "shared": _EFS},
        {f"{_VOLUME} ": 0, f"{_CLAIM} ": 1, _FETCH: 1, _COLLECT: 1},
    ),
    "image": (
        {"kind": "image", "reference": f"registry.akko.local/models/qwen@sha256:{'0' * 64}"},
        {f"{_CLAIM} ": 0, _FETCH: 0, _COLLECT: 0},
    ),
    "snapshot": (
        {"kind": "snapshot", "snapshot": "qwen", "storage_class": "gp3", "size_gib": 50},
        {f"{_CLAIM} ": 0, _FETCH: 0, _COLLECT: 0},
    ),
}
"""A choice and how many objects of which kind and name it makes; EFS is the production stack's."""


@pytest.mark.parametrize("kind", _KINDS)
def test_a_model_on_any_storage_previews_without_a_violation(engine: Engine, kind: str) -> None:
    """Row C7."""
    cache, objects = _KINDS[kind]
    production = document_of("production")
    production["models"]["akko-coder"] |= {"cache": cache, "replicas": 2}

    ended = engine.on_document("preview", "production", production, "--policy-pack=policies")

    assert ended.code == 0, ended.output
    assert ended.violations == []
    counted = {part: sum(part in line for line in ended.created) for part in objects}
    assert counted == objects


def test_storage_that_cannot_work_ends_the_preview_in_one_sentence(engine: Engine) -> None:
    production = document_of("production")
    claim = {"kind": "claim", "storage_class": "gp3", "size_gib": 50}
    production["models"]["akko-coder"] |= {"cache": claim, "replicas": 2}

    ended = engine.on_document("preview", "production", production)

    ended.refuses(
        "inference:platform.models.akko-coder.replicas is 2, but only one node can mount its "
        "cache: set inference:platform.models.akko-coder.cache.access_mode to ReadWriteMany, with "
        "a storage class that offers it, or inference:platform.models.akko-coder.cache.kind to "
        "ebs, which gives each replica a volume"
    )
