"""What no storage can do is refused in a sentence that names the key to change (row C7)."""

from typing import Any

import pytest

from components.document import ROOT, DocumentError, parse_document, read_document
from components.document.plans import ModelPlan, plan_models
from components.document.storage import warnings
from tests.unit.components.caches import CACHES, S3, with_cache

KEY = f"{ROOT}.models.akko-coder"
FSX = CACHES["fsx"]
NFS = {"kind": "claim", "storage_class": "nfs", "size_gib": 50}
HUB = {"token": {"source": "existing", "secret_name": "hub-token"}}

FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no kind": (
        {"storage_class": "efs", "size_gib": 50},
        "cache is missing its key kind",
    ),
    "an unknown kind": (
        {"kind": "pvc", "size_gib": 50},
        "cache has kind 'pvc'; possible: 'ebs', 'efs', 'fsx', 'claim', 's3', 'nvme', 'image', "
        "'snapshot'",
    ),
    "a key of another kind": (
        {**CACHES["efs"], "access_mode": "ReadWriteMany"},
        "cache.access_mode is not a key of this document; Possible here: kind, storage_class, ",
    ),
    "a disk without size": ({"kind": "ebs", "storage_class": "gp3"}, "cache.size_gib is missing"),
    "a disk of another type": (
        {**CACHES["ebs"], "volume_type": "st1"},
        "cache.volume_type is 'st1': input should be 'gp3' or 'io2'",
    ),
    "a speed that no disk has": (
        {**CACHES["ebs"], "throughput_mib_per_second": 9000},
        "cache.throughput_mib_per_second is 9000: input should be less than or equal to 4000",
    ),
    "a class in capitals": (
        {**CACHES["efs"], "storage_class": "EFS"},
        "cache.storage_class is 'EFS': needed: StorageClass of the volume, lower-case letters",
    ),
    "a size that FSx does not sell": (
        {**FSX, "size_gib": 1300},
        "cache.size_gib is refused: FSx for Lustre sells 1200, 2400 and multiples of 3600 GiB, not "
        "1300: set it to 2400",
    ),
    "a larger size that FSx does not sell": (
        {**FSX, "size_gib": 7201},
        "cache.size_gib is refused: FSx for Lustre sells 1200, 2400 and multiples of 3600 GiB, not "
        "7201: set it to 10800",
    ),
    "a file system of a region": (
        {**FSX, "zone": "us-east-1"},
        "cache.zone is 'us-east-1': needed: Zone of the file system; servers",
    ),
    "a file system where the pool has no nodes": (
        {**FSX, "zone": "us-east-1b"},
        "cache.zone is 'us-east-1b', but pool l4 has nodes in us-east-1a only: add it to "
        f"{ROOT}.node_pools.l4.zones, or take a file system there",
    ),
    "a copy from where the pool has no nodes": (
        {"kind": "nvme", "shared": {**FSX, "zone": "us-east-1b"}},
        "cache.shared.zone is 'us-east-1b', but pool l4 has nodes in us-east-1a only",
    ),
    "an address for a bucket": (
        {**S3, "reader": "mountpoint", "bucket": "s3://models"},
        "cache.bucket is 's3://models': needed: Name of a general purpose bucket",
    ),
    "a prefix that climbs": (
        {**S3, "reader": "mountpoint", "prefix": "a/../b"},
        "cache.prefix is 'a/../b': needed: Folder in the bucket, without",
    ),
    "a zone for a region": (
        {**S3, "reader": "mountpoint", "region": "us-east-1a"},
        "cache.region is 'us-east-1a': needed: Region, such as us-east-1",
    ),
    "an unknown reader": (
        {**S3, "reader": "s3fs"},
        "cache.reader is 's3fs': input should be 'mountpoint' or 'streamer'",
    ),
    "a role that nobody takes": (
        {**S3, "reader": "mountpoint", "role_arn": "arn:aws:iam::123456789012:role/x"},
        "cache.role_arn is there, but with reader 'mountpoint' the CSI driver's own role reads the "
        "bucket: leave role_arn out, or set reader to streamer",
    ),
    "a role by its name": (
        {**S3, "reader": "streamer", "role_arn": "weights"},
        "cache.role_arn is 'weights': needed: IAM role of the streaming server's account",
    ),
    "a bucket that no certificate covers": (
        {**S3, "reader": "streamer", "bucket": "models.akko"},
        "cache.bucket is 'models.akko', whose dots no certificate of S3 covers",
    ),
    "a yes in quotes": (
        {**S3, "reader": "streamer", "preloaded": "yes"},
        "cache.preloaded is 'yes': input should be a valid boolean",
    ),
    "local disks filled from local disks": (
        {"kind": "nvme", "shared": {"kind": "nvme"}},
        "cache.shared has kind 'nvme'; possible: 'efs', 'fsx', 'claim'",
    ),
    "local disks filled from a disk of one node": (
        {"kind": "nvme", "shared": NFS},
        "cache.shared.access_mode is 'ReadWriteOnce', but every node copies from it: set it to ",
    ),
    "an image by its tag": (
        {"kind": "image", "reference": "registry.akko.local/models/qwen:v1"},
        "cache.reference is 'registry.akko.local/models/qwen:v1': needed: registry/repository@sha",
    ),
    "a snapshot without a name": (
        {key: value for key, value in CACHES["snapshot"].items() if key != "snapshot"},
        "cache.snapshot is missing",
    ),
    "a snapshot by its id": (
        {**CACHES["snapshot"], "snapshot": "snap_01"},
        "cache.snapshot is 'snap_01': needed: VolumeSnapshot in the stack's namespace",
    ),
}
"""What stands in a model's cache, and how the answer begins."""


def _refusal(value: object) -> str:
    with pytest.raises(DocumentError) as caught:
        read_document(value)
    return str(caught.value)


def _planned(cache: dict[str, Any], **pool: object) -> ModelPlan:
    value = with_cache(cache)
    value["node_pools"]["l4"] |= pool
    return plan_models(parse_document(value))["akko-coder"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_cache_is_one_sentence_that_names_its_key(fault: str) -> None:
    cache, sentence = FAULTS[fault]
    value = with_cache(cache)
    value["node_pools"]["l4"]["zones"] = ["us-east-1a"]
    said = _refusal(value)
    assert said.startswith(f"{KEY}.{sentence}")
    assert "\n" not in said


def test_ollama_on_what_only_vllm_reads_is_refused() -> None:
    value = with_cache(CACHES["efs"])
    value["ollama"] = {"service_name": "o", "cache": CACHES["mountpoint"]}
    assert _refusal(value).startswith(
        f"{ROOT}.ollama.cache has kind 's3'; possible: 'efs', 'fsx', 'claim'"
    )


def test_a_zone_that_is_a_region_is_refused_at_the_pool() -> None:
    value = with_cache(CACHES["efs"])
    value["node_pools"]["l4"]["zones"] = ["us-east-1"]
    assert _refusal(value).startswith(f"{ROOT}.node_pools.l4.zones.0 is 'us-east-1': ")


def test_one_models_folder_inside_anothers_is_refused() -> None:
    value = with_cache({**S3, "reader": "mountpoint", "prefix": "llm"})
    inner = {**S3, "reader": "mountpoint", "prefix": "llm/akko-akko-vllm/more"}
    second = {**value["models"]["akko-coder"], "service_name": "second", "cache": inner}
    value["models"]["second"] = second
    assert _refusal(value) == (
        f"{ROOT}.models.second.cache.prefix leads to models/llm/akko-akko-vllm/more/second/, which "
        f"lies in models/llm/akko-akko-vllm/ of {KEY}.cache.prefix, where that model's Job removes "
        "what is not its own: choose another prefix"
    )
    value["models"]["second"]["cache"] = {**inner, "prefix": "llm"}
    read_document(value)


@pytest.mark.parametrize("kind", ["ebs", "fsx", "snapshot", "nvme"])
def test_replicas_are_possible_where_each_can_have_the_weights(kind: str) -> None:
    read_document(with_cache(CACHES[kind], replicas=2))


def test_machines_without_room_on_local_disks_are_refused() -> None:
    value = with_cache(CACHES["nvme"])
    machine = {"gpu": "l4", "gpu_count": 1, "vcpu": 8, "memory_gib": 32}
    value["hardware"] = {"instance_types": {"bare": machine, "little": {**machine, "nvme_gb": 75}}}
    value["node_pools"]["l4"]["instance_types"] = ["g6.2xlarge", "bare", "little"]
    assert _refusal(value) == (
        f"{KEY}.cache.kind is 'nvme', but of local NVMe for its 15 GiB bare has 0 GiB and little "
        f"has 9 GiB to spare: take other machines in {ROOT}.node_pools.l4.instance_types, or "
        f"{KEY}.cache.shared as the cache itself"
    )
    value["hardware"]["instance_types"]["little"]["nvme_gb"] = 125
    value["node_pools"]["l4"]["instance_types"] = ["g6.2xlarge", "little"]
    read_document(value)


@pytest.mark.parametrize("nvme", [-1, "250"])
def test_local_disks_of_a_machine_are_a_number(nvme: object) -> None:
    value = with_cache(CACHES["efs"])
    machine = {"gpu": "l4", "gpu_count": 1, "vcpu": 8, "memory_gib": 32, "nvme_gb": nvme}
    value["hardware"] = {"instance_types": {"box": machine}}
    assert _refusal(value).startswith(f"{ROOT}.hardware.instance_types.box.nvme_gb is {nvme!r}: ")


@pytest.mark.parametrize(
    ("cache", "key"),
    [
        ({**CACHES["ebs"], "size_gib": 14}, "cache.size_gib"),
        ({**CACHES["snapshot"], "size_gib": 14}, "cache.size_gib"),
        ({"kind": "nvme", "shared": {**CACHES["efs"], "size_gib": 14}}, "cache.shared.size_gib"),
    ],
)
def test_a_volume_that_is_too_small_is_refused_at_its_key(cache: dict[str, Any], key: str) -> None:
    assert _refusal(with_cache(cache)).startswith(f"{KEY}.{key} is 14, but the files of Qwen/")


def test_a_volume_without_room_for_the_next_revision_is_a_warning() -> None:
    (said,) = _planned({**CACHES["ebs"], "size_gib": 29}).warnings
    assert said == (
        f"{KEY}.cache.size_gib is 29, which holds one revision of Qwen/Qwen2.5-7B-Instruct: the "
        "next one is preloaded beside it and needs 30"
    )
    assert _planned({**CACHES["ebs"], "size_gib": 30}).warnings == ()


def test_the_way_out_of_a_streaming_server_is_a_warning() -> None:
    (said,) = warnings(parse_document(with_cache(CACHES["streamer"])))
    assert said.startswith(f"{KEY}.cache.reader is 'streamer': its servers reach HTTPS servers ")
    assert warnings(parse_document(with_cache(CACHES["mountpoint"]))) == ()


@pytest.mark.parametrize(
    ("cache", "expected"),
    [
        ("ebs", 125),
        ("efs", 325),
        ("fsx", 325),
        ("claim", 325),
        ("streamer", 2919),
        ("mountpoint", 325),
        ("nvme", 1240),
        ("image", 325),
        ("snapshot", 325),
    ],
)
def test_the_start_up_estimate_follows_from_the_kind(cache: str, expected: int) -> None:
    plan = _planned(CACHES[cache]).deciding
    (weights,) = [phase for phase in plan.phases if phase.name == "weights"]
    mib = 15231233024 / 2**20
    assert round(mib / weights.seconds.expected) == expected
    copies = [phase for phase in plan.phases if phase.name == "copy"]
    assert [round(mib / each.seconds.expected) for each in copies] == [1500] * (cache == "nvme")


def test_the_speed_that_a_disk_was_bought_with_counts() -> None:
    plan = _planned({**CACHES["ebs"], "throughput_mib_per_second": 250}).deciding
    (weights,) = [phase for phase in plan.phases if phase.name == "weights"]
    assert round(15231233024 / 2**20 / weights.seconds.expected) == 250
