"""A bucket as a volume of the CSI driver, and as what the engine streams from (row C7)."""

import pytest

from tests.rendering import document, of_kind, render
from tests.unit.components.caches import (
    CACHES,
    claims,
    jobs,
    rendered,
    server,
    volume,
    with_cache,
)
from tests.unit.components.manifests import environment, one


def test_a_bucket_is_read_through_one_volume_and_written_through_another() -> None:
    """No rename and no links on Mountpoint, so that files are made whole in a staging folder."""
    found = rendered("mountpoint")
    volumes = {
        item["metadata"]["name"]: item["spec"] for item in of_kind(found, "PersistentVolume")
    }
    served = volume(server(found), "models")["persistentVolumeClaim"]["claimName"]
    (fetch,) = jobs(found, "preload")
    written = volume(fetch, "models")["persistentVolumeClaim"]["claimName"]
    assert volumes.keys() == {f"akko-{served}", f"akko-{written}"}
    for claim, mode in ((served, "ReadOnlyMany"), (written, "ReadWriteMany")):
        spec = volumes[f"akko-{claim}"]
        assert spec["claimRef"] == {"namespace": "akko", "name": claim}
        assert spec["accessModes"] == claims(found)[claim]["accessModes"] == [mode]
        assert spec["storageClassName"] == claims(found)[claim]["storageClassName"] == ""
        assert claims(found)[claim]["volumeName"] == f"akko-{claim}"
        assert spec["csi"] == {
            "driver": "s3.csi.aws.com",
            "volumeHandle": f"akko-{claim}",
            "volumeAttributes": {"bucketName": "models", "authenticationSource": "driver"},
        }
        options = spec["mountOptions"]
        assert {"uid=2000", "gid=0", "region us-east-1"} < set(options)
        assert "prefix llm/v1/akko-akko-vllm/" in options
        assert ("read-only" in options) is (claim == served)
        assert ("allow-delete" in options) is (claim == written)
    assert volume(fetch, "staging") == {"emptyDir": {"sizeLimit": "16Gi"}}
    assert fetch.spec["containers"][0]["resources"]["limits"]["ephemeral-storage"] == "22Gi"


def test_another_bucket_is_another_volume_since_a_volume_cannot_change() -> None:
    before = claims(rendered("mountpoint"))
    after = claims(render(with_cache({**CACHES["mountpoint"], "bucket": "others"})))
    assert not before.keys() & after.keys()


def test_a_streaming_engine_reads_from_the_bucket_under_an_identity_of_its_own() -> None:
    found = rendered("streamer")
    pod = server(found)
    (engine,) = pod.spec["containers"]
    revision = document("production")["models"]["akko-coder"]["revision"]
    assert engine["args"][0] == (
        f"s3://models/llm/v1/akko-akko-vllm/Qwen/Qwen2.5-7B-Instruct/{revision}"
    )
    assert "--load-format=runai_streamer" in engine["args"]
    assert environment(engine)["AWS_REGION"] == "us-east-1"
    assert [each["name"] for each in pod.spec["initContainers"]] == ["preflight"]
    own = {v["name"] for v in pod.spec["volumes"] if not v["name"].startswith("engine-keys")}
    assert own == {"home", "tmp", "shm", "preflight"}
    egress = one(found, "NetworkPolicy", "akko-akko-vllm")["spec"]["egress"]
    assert [rule["ports"][0]["port"] for rule in egress] == [443, 80]
    assert egress[1]["to"] == [{"ipBlock": {"cidr": "169.254.170.23/32"}}]


def test_a_role_of_the_document_stands_on_the_servers_account_and_needs_no_agent() -> None:
    role = "arn:aws:iam::123456789012:role/weights"
    found = render(with_cache({**CACHES["streamer"], "role_arn": role}))
    account = one(found, "ServiceAccount", "akko-akko-vllm")
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] == role
    egress = one(found, "NetworkPolicy", "akko-akko-vllm")["spec"]["egress"]
    assert [rule["ports"][0]["port"] for rule in egress] == [443]


@pytest.mark.parametrize("reader", ["mountpoint", "streamer"])
def test_a_bucket_that_somebody_else_fills_has_no_writer(reader: str) -> None:
    found = render(with_cache({**CACHES[reader], "preloaded": True}))
    assert jobs(found, "preload") == jobs(found, "collect") == ()
    options = [spec["spec"]["mountOptions"] for spec in of_kind(found, "PersistentVolume")]
    assert [("read-only" in each) for each in options] == [True] * (reader == "mountpoint")
