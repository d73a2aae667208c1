"""A part of a manifest under the names of Kubernetes' API, for custom resources.

The SDK renames the typed resources' keys itself; what a custom resource holds goes as it is.
"""

from typing import Any, cast

_MAPS = frozenset(
    {"matchLabels", "nodeSelector", "limits", "requests", "labels", "annotations"}
    | {"volumeAttributes", "sizeLimit"}
)
"""Keys whose values are maps of the user's own names."""


def api_names(value: Any) -> Any:  # noqa: ANN401 - any part of a manifest
    """The same value with `pod_affinity` as `podAffinity`; maps of free names stay as they are."""
    if isinstance(value, list):
        return [api_names(each) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    named = ((_api_name(key), each) for key, each in cast("dict[str, Any]", value).items())
    return {name: each if name in _MAPS else api_names(each) for name, each in named}


def _api_name(name: str) -> str:
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)
