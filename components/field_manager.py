"""One name under which the stack's fields are owned in the API server.

The provider would give each object a random one and know it from its state alone: an object whose
creation was cut short, and which the next run takes over, would then be owned by somebody else.
"""

from collections.abc import Mapping
from typing import Any, cast

import pulumi

from components.core.conventions import PART_OF

_ANNOTATION = "pulumi.com/patchFieldManager"


def one_field_manager(
    args: pulumi.ResourceTransformArgs,
) -> pulumi.ResourceTransformResult | None:
    """A transform of every Kubernetes object of the program."""
    if not args.type_.startswith("kubernetes:"):
        return None
    metadata = _mapping(args.props.get("metadata"))
    annotations = {**_mapping(metadata.get("annotations")), _ANNOTATION: PART_OF}
    props = {**args.props, "metadata": {**metadata, "annotations": annotations}}
    return pulumi.ResourceTransformResult(props, args.opts)


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
