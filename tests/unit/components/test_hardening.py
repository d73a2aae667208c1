"""Every pod of every workload, init containers included, is hardened, sized and pinned."""

import re

import pytest

from components.core.images import images
from tests.rendering import STACKS, of_kind
from tests.unit.components.caches import CACHES, rendered
from tests.unit.components.manifests import Json, Pod, environment, one, pods, stack

_QUANTITY = re.compile(r"^[1-9]\d*(Gi)?$")

VOLUMES = {"emptyDir", "persistentVolumeClaim", "configMap", "secret", "ephemeral", "image"}
TOKEN = "projected"
"""What the one pod that writes Secrets has beside."""

PODS = [
    *((name, each) for name in STACKS for each in pods(stack(name))),
    *((name, each) for name in CACHES for each in pods(rendered(name)) if "-vllm" in each.owner),
]
"""Of both stacks, and of a model on every kind of storage."""
ALL = [pytest.param(each, id=f"{name}: {each.owner}") for name, each in PODS]
CONTAINERS = [
    pytest.param(container, id=f"{name}: {each.owner}: {container['name']}")
    for name, each in PODS
    for container in each.containers
]


def test_the_pods_of_both_stacks_are_all_looked_at() -> None:
    """A pod that a new workload makes has to appear here too."""
    assert {
        name: [re.sub("-[0-9a-f]{8}$", "", each.owner) for each in pods(stack(name))]
        for name in STACKS
    } == {
        "dev": [
            "Deployment akko-akko-litellm",
            "Deployment akko-akko-litellm-database",
            "Deployment akko-akko-litellm-redis",
            "Deployment akko-akko-ollama",
            "Job akko-akko-litellm-state",
            "Job akko-akko-ollama-preload",
            "Job akko-akko-litellm-migration",
        ],
        "production": [
            "Deployment akko-akko-litellm",
            "Deployment akko-akko-vllm",
            "Job akko-akko-litellm-state",
            "Job akko-akko-vllm-collect",
            "Job akko-akko-vllm-preload",
            "Job akko-akko-litellm-migration",
        ],
    }
    # Ollama's preload: server, two pulls, check; both engines check their models first, vLLM its
    # GPUs before, and the gateway and its migration the salt key, the gateway its engines' keys.
    containers = [c for name, each in PODS if name in STACKS for c in each.containers]
    assert len(containers) == (2 + 1 + 1 + 2 + 1 + 4 + 2) + (3 + 3 + 1 + 1 + 1 + 2)


@pytest.mark.parametrize("each", ALL)
def test_a_pod_has_no_token_no_service_links_and_no_share_in_its_node(each: Pod) -> None:
    assert each.spec["automountServiceAccountToken"] is False
    assert each.spec["enableServiceLinks"] is False
    for shared in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        assert shared not in each.spec


@pytest.mark.parametrize("each", ALL)
def test_a_pod_runs_as_a_user_other_than_root_under_the_runtimes_seccomp_profile(each: Pod) -> None:
    security = each.spec["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] >= 1000
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert security["fsGroup"] == security["runAsGroup"]
    assert security["fsGroupChangePolicy"] == "OnRootMismatch"


@pytest.mark.parametrize("each", ALL)
def test_a_pod_mounts_only_volumes_that_the_restricted_level_knows_and_each_has_a_limit(
    each: Pod,
) -> None:
    for volume in each.spec["volumes"]:
        (source,) = volume.keys() - {"name"}
        assert source in VOLUMES or (source == TOKEN and "-state-" in each.owner)
        if source == "emptyDir":
            assert _QUANTITY.match(volume["emptyDir"]["sizeLimit"])


@pytest.mark.parametrize("each", ALL)
def test_every_mount_has_its_volume_and_every_volume_is_mounted(each: Pod) -> None:
    mounted = {mount["name"] for each in each.containers for mount in each["volumeMounts"]}
    claimed = {"models"} if each.owner.startswith("StatefulSet") else set[str]()
    assert mounted == {volume["name"] for volume in each.spec["volumes"]} | claimed


@pytest.mark.parametrize("each", ALL)
def test_memory_backed_volumes_fit_into_the_memory_limit(each: Pod) -> None:
    in_memory = {
        volume["name"]: _gib(volume["emptyDir"]["sizeLimit"])
        for volume in each.spec["volumes"]
        if volume.get("emptyDir", {}).get("medium") == "Memory"
    }
    for container in each.containers:
        shared = sum(in_memory.get(mount["name"], 0) for mount in container["volumeMounts"])
        assert shared <= _gib(container["resources"]["limits"]["memory"]) / 4


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_container_gains_no_privilege_and_writes_to_no_image(container: Json) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not any("hostPort" in port for port in container.get("ports", []))


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_container_asks_for_what_it_may_use(container: Json) -> None:
    """Memory and GPUs are the same in request and limit; a CPU limit would throttle."""
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert requests["cpu"].isdigit()
    assert "cpu" not in limits
    assert limits["memory"].endswith("Gi")
    assert {key: value for key, value in requests.items() if key != "cpu"} == limits


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_container_runs_an_image_of_the_lock_by_its_digest(container: Json) -> None:
    assert re.search(r":[^@/]+@sha256:[0-9a-f]{64}$", container["image"])
    assert container["image"] in {each.reference for each in images().values()}
    assert "imagePullPolicy" not in container


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_container_holds_no_credential_in_the_clear(container: Json) -> None:
    for name, value in environment(container).items():
        if re.search(r"KEY|TOKEN|SECRET|PASSWORD", name):
            assert value is None


@pytest.mark.parametrize("name", STACKS)
def test_the_home_of_every_container_is_writable(name: str) -> None:
    for each in pods(stack(name)):
        for container in each.containers:
            home = environment(container)["HOME"]
            (mount,) = [m for m in container["volumeMounts"] if m["mountPath"] == home]
            assert "readOnly" not in mount


@pytest.mark.parametrize("name", STACKS)
def test_the_namespace_admits_restricted_pods_only(name: str) -> None:
    labels = one(stack(name), "Namespace", "akko")["metadata"]["labels"]
    for mode in ("enforce", "warn", "audit"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


@pytest.mark.parametrize("name", STACKS)
def test_a_server_runs_under_an_account_of_its_own_without_token(name: str) -> None:
    for deployment in of_kind(stack(name), "Deployment"):
        account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
        assert account == deployment["metadata"]["name"]
        assert one(stack(name), "ServiceAccount", account)["automountServiceAccountToken"] is False


def _gib(quantity: str) -> int:
    return int(quantity.removesuffix("Gi"))
