"""From a rule to a policy of the SDK: one conversion, one sentence for each breach.

Each rule stays a policy of its own, so that its level can be set alone. The SDK decodes a resource
again for every policy, about 0.1 ms for an ordinary object.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
)

from policies.objects import Resource
from policies.tree import Node, tree

Parameters = Mapping[str, Any]
"""Values of a rule's parameters; those that the policy configuration leaves out have defaults."""


@dataclass(frozen=True)
class Breach:
    """One breach of a rule.

    Attributes:
        node: What has to change.
        asked: What the resource asks for, a verb first; never holds a value that may be secret.
        possible: What is possible instead.
        leaf: Key below the workload's key in the stack document, empty when it has none.
    """

    node: Node
    asked: str
    possible: str
    leaf: str = ""

    def sentence(self, resource: Resource) -> str:
        """What was asked, what is possible, which key to change."""
        key = resource.document_key(self.node)
        change = (
            f"{key}.{self.leaf}".removesuffix(".") + " in the stack document"
            if key
            else self.node.path
        )
        return f"{resource.name} {self.asked} ({self.node.path}); {self.possible}; change {change}."


@dataclass(frozen=True)
class Rule:
    """A rule of the catalogue.

    Attributes:
        name: Its id and the fact that must hold, for instance `sc-01-image-pinned`.
        severity: How much harm a breach does.
        description: The fact in one sentence.
        remediation: What to do about a breach, in one sentence.
        check: Yields the breaches of one resource; never raises.
        parameters: JSON Schema of each parameter, with its default.
        level: What a breach does unless the pack's configuration says otherwise.
    """

    name: str
    severity: Severity
    description: str
    remediation: str
    check: Callable[[Resource, Parameters], Iterator[Breach]]
    parameters: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict[str, Mapping[str, Any]]
    )
    level: EnforcementLevel = EnforcementLevel.MANDATORY

    def configured(self, config: Mapping[str, Any]) -> Parameters:
        """Parameters as configured, with defaults for the others."""
        defaults = {name: schema["default"] for name, schema in self.parameters.items()}
        return {**defaults, **config}


def resource_policy(rule: Rule) -> ResourceValidationPolicy:
    """A policy that reports each breach of a rule, mandatory unless the rule is advice."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = Resource(args.name, args.resource_type, tree(args.props))
        for breach in rule.check(resource, rule.configured(args.get_config())):
            report(breach.sentence(resource), None)

    return ResourceValidationPolicy(
        name=rule.name,
        description=rule.description,
        validate=validate,
        enforcement_level=rule.level,
        severity=rule.severity,
        remediation_steps=rule.remediation,
        config_schema=PolicyConfigSchema(
            properties={name: dict(schema) for name, schema in rule.parameters.items()}
        ),
    )
