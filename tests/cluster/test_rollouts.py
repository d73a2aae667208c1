"""How a changed model takes over, told by the API server's own watch."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.rollouts import in_order, watched_pods
from tests.cluster.stacks import Deployed, deploy, project_copy, run_stacks

pytestmark = pytest.mark.timeout(600)

ENGINE = "app.kubernetes.io/name=vllm,app.kubernetes.io/component=engine"
SETTLE_SECONDS = 90


@pytest.fixture(scope="module")
def production(
    tmp_path_factory: pytest.TempPathFactory, binaries: Mapping[str, Path]
) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("rollouts")
    run_folder = folder / "run"
    try:
        yield deploy("production", run_folder, binaries["kubectl"], project_copy(folder))
    finally:
        run_stacks("down", run_folder=run_folder)


def change(deployed: Deployed, *, max_gpus: int, requests: int) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["node_pools"]["l4"]["max_gpus"] = max_gpus
        document["models"]["akko-coder"]["max_num_seqs"] = requests

    deployed.change(edit)
    done = deployed.up()
    assert done.returncode == 0, done.stdout + done.stderr


def test_where_a_spare_gpu_can_exist_the_new_server_is_ready_before_the_old_one_ends(
    production: Deployed,
) -> None:
    with watched_pods(production.kubectl, "akko", ENGINE) as rollout:
        change(production, max_gpus=4, requests=33)
        rollout.settle(SETTLE_SECONDS)
    assert rollout.told() == ["new created", "new ready", "old ending", "old gone"]


def test_where_the_pool_is_full_the_old_server_ends_before_the_new_one_starts(
    production: Deployed,
) -> None:
    """The new pod is there at once and waits: its GPU is free when the old one is gone."""
    with watched_pods(production.kubectl, "akko", ENGINE) as rollout:
        change(production, max_gpus=1, requests=34)
        rollout.settle(SETTLE_SECONDS)
    told = rollout.told()
    assert in_order(told, "old ending", "new created", "new ready")
    assert in_order(told, "old ending", "old gone", "new ready")
    assert sorted(told) == sorted(["old ending", "old gone", "new created", "new ready"])
