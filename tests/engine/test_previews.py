"""Both stacks as they are, previewed under the policy pack without a cluster."""

import subprocess

import pytest

from tests.engine.pulumi_cli import CHECKOUT, Engine

_NO_CLUSTER = (
    "warning: no kubeconfig was found: this preview compares with the last deployment only, and "
    "the API server has not judged anything"
)
_BOTH = {
    "inference:platform:Platform {stack}",
    "inference:gateway:LiteLlmGateway gateway",
    "kubernetes:core/v1:Namespace akko",
    "kubernetes:networking.k8s.io/v1:NetworkPolicy akko-default-deny",
    "kubernetes:networking.k8s.io/v1:NetworkPolicy akko-dns",
    "kubernetes:networking.k8s.io/v1:NetworkPolicy akko-akko-litellm",
    "kubernetes:apps/v1:Deployment akko-akko-litellm",
    "kubernetes:core/v1:Service akko-akko-litellm",
    "kubernetes:core/v1:ServiceAccount akko-akko-litellm",
    "kubernetes:core/v1:ConfigMap gateway-config",
    "inference:gateway:GatewayMigration gateway-migration",
    "kubernetes:batch/v1:Job gateway-migration",
    "inference:gateway:GatewayState gateway-state",
    "kubernetes:batch/v1:CronJob akko-akko-litellm-drift",
    "kubernetes:rbac.authorization.k8s.io/v1:Role akko-akko-litellm-state",
    "kubernetes:core/v1:Secret akko-app-gateway-key",
}
_EXPECTED = {
    "dev": {
        "inference:serving:OllamaServer ollama",
        "kubernetes:apps/v1:Deployment akko-akko-ollama",
        "kubernetes:core/v1:Service akko-akko-ollama",
        "kubernetes:core/v1:PersistentVolumeClaim ollama-cache",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy akko-akko-ollama",
        "kubernetes:core/v1:Secret gateway-akko-litellm-key",
        "kubernetes:core/v1:Secret gateway-migration-salt",
        "inference:gateway:GatewayDatabase gateway-database",
        "kubernetes:core/v1:Secret gateway-database-password",
        "kubernetes:core/v1:PersistentVolumeClaim gateway-database-data",
        "kubernetes:apps/v1:Deployment akko-akko-litellm-database",
        "inference:gateway:GatewayCounters gateway-counters",
        "kubernetes:core/v1:Secret gateway-counters-password",
        "kubernetes:apps/v1:Deployment akko-akko-litellm-redis",
    },
    "production": {
        "inference:serving:VllmServer akko-coder",
        "kubernetes:apps/v1:Deployment akko-akko-vllm",
        "kubernetes:core/v1:Service akko-akko-vllm",
        "kubernetes:core/v1:PersistentVolumeClaim akko-coder-cache",
        "inference:storage:ModelCache akko-coder-cache",
        "inference:storage:OldRevisions akko-coder-old-revisions",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy akko-akko-vllm",
        "kubernetes:policy/v1:PodDisruptionBudget akko-akko-litellm",
        "kubernetes:karpenter.sh/v1:NodePool l4",
        "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute gateway-route",
    },
}
_ABSENT = {
    "dev": ("VllmServer", "NodePool", "HTTPRoute"),
    # Production's own Secrets come from its secret store; that of an account is made empty.
    "production": (
        *("OllamaServer", ":Secret gateway-", "KWOK"),
        *("GatewayDatabase", "GatewayCounters"),
    ),
}


@pytest.mark.parametrize("stack", ["dev", "production"])
def test_a_preview_under_the_pack_lists_the_stack_twice_alike_and_leaves_the_checkout_clean(
    engine: Engine, stack: str
) -> None:
    """Rows A1, A3, A5 and A6: the stack's servers, gateway, volumes and pool."""
    text = (CHECKOUT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    before = _changed_files()

    first, second = (
        engine.on_file("preview", stack, text, "--policy-pack=policies") for _ in range(2)
    )

    assert first.code == 0, first.output
    assert first.violations == []
    assert "✅ inference-platform@v0.1.0" in first.output
    wanted = {line.format(stack=stack) for line in _BOTH | _EXPECTED[stack]}
    assert wanted <= set(first.created)
    assert not [line for line in first.created for word in _ABSENT[stack] if word in line]
    assert f"+ {len(first.created)} to create" in first.output
    assert _NO_CLUSTER in first.output
    assert (second.code, second.created) == (0, first.created)
    assert _changed_files() == before


def _changed_files() -> str:
    """What git sees as changed or new."""
    done = subprocess.run(
        ["git", "status", "--porcelain"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    return done.stdout
