"""What is printed after a deployment."""

from rich.console import Console

from tools import summary


def _text(table: object) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_the_summary_shows_ready_pods_and_where_they_run() -> None:
    labels = {"app.kubernetes.io/instance": "akko-akko-vllm"}
    deployment = {
        "metadata": {"name": "akko-akko-vllm"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"spec": {"containers": [{"image": "docker.io/vllm:v1@sha256:abc"}]}},
        },
        "status": {"readyReplicas": 1},
    }
    pods = [
        {"metadata": {"labels": {**labels, "pod": "a"}}, "spec": {"nodeName": "gpu-1"}},
        {"metadata": {"labels": labels}, "spec": {}},
        {"metadata": {"labels": {"other": "x"}}, "spec": {"nodeName": "cpu-1"}},
    ]
    text = _text(summary.servers([deployment], pods))
    assert "1/2" in text
    assert "gpu-1, no node yet" in text
    assert "cpu-1" not in text
    assert "docker.io/vllm:v1 " in text


def test_the_summary_shows_groups_of_nodes_by_their_leaders_image() -> None:
    container = {"containers": [{"image": "docker.io/vllm:v1@sha256:abc"}]}
    group = {
        "metadata": {"name": "akko-akko-large"},
        "spec": {"replicas": 2, "leaderWorkerTemplate": {"leaderTemplate": {"spec": container}}},
        "status": {"readyReplicas": 2},
    }
    label = {"leaderworkerset.sigs.k8s.io/name": "akko-akko-large"}
    pods = [{"metadata": {"labels": label}, "spec": {"nodeName": f"gpu-{n}"}} for n in (1, 2)]
    text = _text(summary.servers([group], pods))
    assert all(word in text for word in ("akko-akko-large", "2/2", "gpu-1, gpu-2", "vllm:v1 "))


def test_the_summary_lists_the_nodes_of_karpenter_only() -> None:
    made = {
        "metadata": {
            "name": "l4-abc",
            "labels": {
                "karpenter.sh/nodepool": "l4",
                "node.kubernetes.io/instance-type": "g6.2xlarge",
                "karpenter.sh/capacity-type": "spot",
            },
        },
        "status": {"capacity": {"nvidia.com/gpu": "1"}},
    }
    other = {"metadata": {"name": "cpu-1"}, "status": {}}
    text = _text(summary.nodes_by_karpenter([made, other]))
    assert all(word in text for word in ("l4-abc", "l4", "g6.2xlarge", "spot"))
    assert "cpu-1" not in text
