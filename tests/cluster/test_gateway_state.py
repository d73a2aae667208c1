"""A real API server judges the objects behind the gateway's teams and keys, and their rights."""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.programs.gateway_state import COMING, KEY
from components.programs.gateway_wanted import StateError
from components.programs.kubernetes_secrets import Secrets
from tests.cluster.conftest import Kubectl
from tests.rendering import of_kind
from tests.unit.components.tenants import NAME, own, tenants
from tools.control_plane import ControlPlane
from tools.control_plane.layout import Layout
from tools.control_plane.waiting import wait_until

pytestmark = pytest.mark.timeout(240)

KINDS = (
    *("ConfigMap", "Secret", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy"),
    *("Job", "CronJob"),
)
SPACE = "akko"
ACCOUNT = f"system:serviceaccount:{SPACE}:{NAME}-state"


@pytest.fixture(scope="module")
def applied(kubectl: Kubectl) -> Iterator[str]:
    """Every object of the gateway's state, in the stack's namespace; what kubectl said."""
    (namespace,) = of_kind(tenants(), "Namespace")
    kubectl.apply(json.dumps(namespace))
    listed = [item for kind in KINDS for item in own(tenants(), kind)]
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": listed})
    done = kubectl.run("apply", "--validate=strict", "-f-", stdin=manifest)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(listed) == 9
    yield done.stderr
    kubectl("delete", "namespace", SPACE, "--timeout=50s")


@pytest.fixture
def account(kubectl: Kubectl, control_plane: ControlPlane, applied: str, tmp_path: Path) -> Path:
    """What the kubelet mounts into the reconciler's pod."""
    assert applied == ""
    shutil.copy(Layout.of(control_plane.home).ca, tmp_path / "ca.crt")
    (tmp_path / "namespace").write_text(SPACE, encoding="utf-8")
    token = kubectl("create", "token", f"{NAME}-state", f"-n{SPACE}")
    (tmp_path / "token").write_text(token, encoding="utf-8")
    return tmp_path


def test_the_api_server_takes_every_object_without_a_warning(applied: str) -> None:
    """Row C2; Pod Security "restricted" names what it would refuse."""
    assert applied == ""


def test_a_pod_of_the_job_is_admitted_and_scheduled(kubectl: Kubectl, applied: str) -> None:
    assert applied == ""
    (job,) = own(tenants(), "Job")
    selector = f"job-name={job['metadata']['name']}"
    found: list[Any] = []

    def seen() -> bool:
        found[:] = kubectl.get("pods", f"-n{SPACE}", "-l", selector)["items"]
        return bool(found) and "nodeName" in found[0]["spec"]

    assert wait_until(seen, seconds=60)
    kubectl.wait(
        f"job/{job['metadata']['name']}", "condition=Complete", seconds=60, namespace=SPACE
    )


@pytest.mark.parametrize(
    ("verb", "what", "possible"),
    [
        ("get", "secret/akko-batch-key", True),
        ("patch", "secret/akko-app-key", True),
        ("update", "secret/akko-batch-key", False),
        ("delete", "secret/akko-batch-key", False),
        ("get", "secret/akko-litellm-key", False),
        ("patch", "secret/akko-litellm-key", False),
        ("get", "secrets", False),
        ("list", "secrets", False),
        ("watch", "secrets", False),
        ("create", "secrets", False),
        ("get", "configmaps", False),
        ("get", "pods", False),
        ("create", "pods", False),
        ("create", "serviceaccounts/token", False),
        ("patch", "roles", False),
    ],
)
def test_the_account_can_do_what_it_needs_and_nothing_else(
    kubectl: Kubectl, applied: str, verb: str, what: str, *, possible: bool
) -> None:
    """Real RBAC is asked, in the stack's namespace and in another one."""
    assert applied == ""
    asked = ("auth", "can-i", verb, what, f"--as={ACCOUNT}")
    assert (kubectl.run(*asked, f"-n{SPACE}").stdout.strip() == "yes") is possible
    assert kubectl.run(*asked, "-nkube-system").stdout.strip() == "no"


def test_every_other_account_of_the_namespace_can_do_nothing_with_these_secrets(
    kubectl: Kubectl, applied: str
) -> None:
    assert applied == ""
    for other in ("default", "akko-akko-litellm"):
        asked = ("auth", "can-i", "get", "secret/akko-batch-key", f"-n{SPACE}")
        done = kubectl.run(*asked, f"--as=system:serviceaccount:{SPACE}:{other}")
        assert done.stdout.strip() == "no"


def test_the_program_writes_a_key_with_the_pods_token_and_deploying_again_keeps_it(
    kubectl: Kubectl, control_plane: ControlPlane, account: Path
) -> None:
    store = Secrets(account, control_plane.server)
    empty = store.read("akko-batch-key")
    assert empty.data == {}
    coming = store.write(empty, {COMING: "sk-new"})
    with pytest.raises(StateError, match="somebody else has written it meanwhile"):
        store.write(empty, {COMING: "sk-of-another-run"})
    assert store.write(coming, {KEY: "sk-new", COMING: None}).data == {KEY: "sk-new"}

    (made,) = [s for s in own(tenants(), "Secret") if s["metadata"]["name"] == "akko-batch-key"]
    kubectl("apply", "--server-side", "--field-manager=pulumi", "-f-", stdin=json.dumps(made))
    kept = kubectl.get("secret", "akko-batch-key", f"-n{SPACE}")["data"]
    assert {name: base64.b64decode(value).decode() for name, value in kept.items()} == {
        KEY: "sk-new"
    }


@pytest.mark.parametrize("name", ["akko-litellm-key", "no-such-secret"])
def test_a_secret_that_is_not_an_accounts_is_refused_in_one_sentence(
    control_plane: ControlPlane, account: Path, name: str
) -> None:
    with pytest.raises(StateError) as caught:
        Secrets(account, control_plane.server).read(name)
    assert str(caught.value) == (
        f"Secret {name}: this pod's account may not read or write it, see its Role"
    )
