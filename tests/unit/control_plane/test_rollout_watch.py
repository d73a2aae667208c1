"""The order of events that cluster tests rely on, from what a watch says."""

from typing import Any

from tests.cluster.rollouts import Rollout, in_order


def pod(uid: str, *, ready: bool = False, deleted: bool = False) -> dict[str, Any]:
    condition = {"type": "Ready", "status": str(ready)}
    ending = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleted else {}
    metadata = {"uid": uid, "name": f"pod-{uid}", **ending}
    return {"metadata": metadata, "status": {"conditions": [condition]}}


def test_each_thing_happens_once_and_what_was_there_before_is_no_event() -> None:
    rollout = Rollout(frozenset({"a"}))
    assert not rollout.has_seen_all_old()
    rollout.take("ADDED", pod("a", ready=True))
    assert rollout.has_seen_all_old()
    rollout.take("ADDED", {"metadata": {"uid": "b", "name": "pod-b"}, "status": {}})
    rollout.take("MODIFIED", pod("b"))
    rollout.take("MODIFIED", pod("b", ready=True))
    rollout.take("MODIFIED", pod("b", ready=True))
    rollout.take("MODIFIED", pod("a", ready=True, deleted=True))
    rollout.take("DELETED", pod("a", deleted=True))
    assert rollout.told() == ["new created", "new ready", "old ending", "old gone"]


def test_a_pod_that_vanishes_at_once_has_ended_too() -> None:
    rollout = Rollout(frozenset({"a"}))
    rollout.take("ADDED", pod("a", ready=True))
    rollout.take("DELETED", pod("a", ready=True))
    assert rollout.told() == ["old ending", "old gone"]


def test_order_is_one_after_the_other_with_anything_between() -> None:
    told = ["new created", "old ending", "new ready", "old gone"]
    assert in_order(told, "new created", "old gone")
    assert not in_order(told, "new ready", "old ending")
