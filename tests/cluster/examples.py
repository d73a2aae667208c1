"""Stack files of `examples/` as stacks of a project's copy, and several of them as one document."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.core.model_lock import lock_text
from tests.cluster.stacks import CHECKOUT

Document = dict[str, Any]

_KEY = "inference:platform"


def example(name: str) -> Document:
    """The document of `examples/<name>.yaml`."""
    text = (CHECKOUT / "examples" / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["config"][_KEY]


def together(*names: str) -> Document:
    """All models and pools of some examples in the document of the first.

    Pools are called after their example; a model whose alias is taken gets a number.
    """
    pools: Document = {}
    models: Document = {}
    for name in names:
        found = example(name)
        pools |= {f"{name}-{pool}": value for pool, value in found["node_pools"].items()}
        for alias, model in found["models"].items():
            number = f"-{len(models)}" if alias in models else ""
            models[f"{alias}{number}"] = {
                **model,
                "pool": f"{name}-{model['pool']}",
                "service_name": f"{model['service_name']}{number}",
            }
    return {**example(names[0]), "node_pools": pools, "models": models}


def write_stack(project: Path, stack: str, document: Mapping[str, Any]) -> None:
    """Make a document the stack file of a project's copy."""
    text = yaml.safe_dump({"config": {_KEY: dict(document)}})
    (project / f"Pulumi.{stack}.yaml").write_text(text, encoding="utf-8")


def lock_again(project: Path, source: str, revision: str, other: str) -> None:
    """Give a locked model a second revision with the same files, in a project's copy."""
    stem = source.replace("/", "--")
    lock = project / "models" / f"{stem}@{revision[:12]}.json"
    fields = json.loads(lock.read_text(encoding="utf-8"))
    text = lock_text({**fields, "revision": other})
    lock.with_name(f"{stem}@{other[:12]}.json").write_text(text, encoding="utf-8")
