"""The platform's namespace: hardened by Pod Security admission, closed by default.

Owns the namespace and the policies that hold for every pod in it. Each workload opens what it needs
for itself (see `network`).
"""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from components.core.conventions import ENVIRONMENT, PART_OF, Environment
from components.network import dns_egress, network_policy, policy_spec


class PlatformNamespace(pulumi.ComponentResource):
    """A namespace in which nothing privileged starts and nothing talks unless a policy says so."""

    namespace_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        environment: Environment,
        labels: Mapping[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:network:PlatformNamespace", name, None, opts)
        namespace = k8s.core.v1.Namespace(
            name,
            metadata={"name": name, "labels": {**labels, **namespace_labels(environment)}},
            opts=pulumi.ResourceOptions(parent=self),
        )
        inside = pulumi.ResourceOptions(parent=self, depends_on=[namespace])
        for role, spec in (
            ("default-deny", policy_spec({})),
            ("dns", policy_spec({}, egress_rules=[dns_egress()])),
        ):
            network_policy(f"{name}-{role}", name, spec, inside)
        self.namespace_name = namespace.metadata.name
        self.register_outputs({"namespace_name": self.namespace_name})


def namespace_labels(environment: Environment) -> dict[str, str]:
    """The tier, and Pod Security "restricted": refused, warned about and audited."""
    return {
        ENVIRONMENT: environment,
        "app.kubernetes.io/part-of": PART_OF,
        **{
            f"pod-security.kubernetes.io/{mode}": "restricted"
            for mode in ("enforce", "warn", "audit")
        },
    }
