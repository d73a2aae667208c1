"""From a rule to a policy of the SDK: one conversion, one sentence for each breach.

Each rule stays a policy of its own, so that its level can be set alone. The SDK decodes a resource
again for every policy, about 0.1 ms for an ordinary object; what we make of it is made once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)

from policies.reading.objects import Resource
from policies.reading.tree import Node, tree

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
class _Described:
    """What every rule of the catalogue says about itself.

    Attributes:
        name: Its id and the fact that must hold, for instance `sc-01-image-pinned`.
        severity: How much harm a breach does.
        description: The fact in one sentence.
        remediation: What to do about a breach, in one sentence.
        parameters: JSON Schema of each parameter, with its default.
        level: What a breach does unless the pack's configuration says otherwise.
    """

    name: str
    severity: Severity
    description: str
    remediation: str
    parameters: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict[str, Mapping[str, Any]]
    )
    level: EnforcementLevel = EnforcementLevel.MANDATORY

    def configured(self, config: Mapping[str, Any]) -> Parameters:
        """Parameters as configured, with defaults for the others."""
        defaults = {name: schema["default"] for name, schema in self.parameters.items()}
        return {**defaults, **config}


@dataclass(frozen=True, kw_only=True)
class Rule(_Described):
    """A rule that one resource alone keeps or breaks.

    Attributes:
        check: Yields the breaches of one resource; never raises.
    """

    check: Callable[[Resource, Parameters], Iterator[Breach]]


@dataclass(frozen=True, kw_only=True)
class StackRule(_Described):
    """A rule about resources that have to go together.

    Attributes:
        check: Yields the breaches of a stack, each with its resource; never raises.
    """

    check: Callable[[Sequence[Resource], Parameters], Iterator[tuple[Resource, Breach]]]


class _Reader:
    """Converts a resource once for all policies, although each is handed a copy of its own."""

    def __init__(self) -> None:
        self._latest: tuple[str, Resource] | None = None

    def resource(self, args: ResourceValidationArgs) -> Resource:
        """The same object as before when the same resource comes again."""
        root = tree(args.props)
        text = f"{args.urn} {args.resource_type} {root.value!r}"  # a repr tells 1 from true
        latest = self._latest
        if latest is None or latest[0] != text:
            latest = (text, Resource(args.name, args.resource_type, root, args.urn))
            self._latest = latest
        return latest[1]


_READER = _Reader()


def policy(rule: Rule | StackRule) -> ResourceValidationPolicy | StackValidationPolicy:
    """A policy that reports each breach of a rule, mandatory unless the rule is advice."""
    return resource_policy(rule) if isinstance(rule, Rule) else stack_policy(rule)


def resource_policy(rule: Rule) -> ResourceValidationPolicy:
    """The policy of a rule about single resources, which stops a change before it is made."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = _READER.resource(args)
        for breach in rule.check(resource, rule.configured(args.get_config())):
            report(breach.sentence(resource), None)

    return ResourceValidationPolicy(validate=validate, **_texts(rule))


def stack_policy(rule: StackRule) -> StackValidationPolicy:
    """The policy of a rule about the whole stack, which stops a change in preview only."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        resources = [
            Resource(one.name, one.resource_type, tree(one.props), one.urn)
            for one in args.resources
            if one.resource_type.startswith("kubernetes:")
        ]
        for resource, breach in rule.check(resources, rule.configured(args.get_config())):
            report(breach.sentence(resource), resource.urn)

    return StackValidationPolicy(validate=validate, **_texts(rule))


def _texts(rule: _Described) -> dict[str, Any]:
    return {
        "name": rule.name,
        "description": rule.description,
        "enforcement_level": rule.level,
        "severity": rule.severity,
        "remediation_steps": rule.remediation,
        "config_schema": PolicyConfigSchema(
            properties={name: dict(schema) for name, schema in rule.parameters.items()}
        ),
    }
