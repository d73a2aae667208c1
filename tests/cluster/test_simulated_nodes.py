"""What pods, Jobs and volumes do on the embedded control plane, where nodes are simulated."""

import pytest

from tests.cluster.conftest import Kubectl
from tools.control_plane.waiting import wait_until

pytestmark = pytest.mark.timeout(240)


def test_a_pending_gpu_pod_gets_a_node_from_karpenter_with_its_volume(kubectl: Kubectl) -> None:
    """A8, B20: the pool decides, spot before on-demand; only its node class is not AWS'."""
    kubectl.apply("""
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: l4}
spec:
  limits: {nvidia.com/gpu: 2}
  disruption: {consolidationPolicy: WhenEmpty, consolidateAfter: 60m}
  template:
    spec:
      nodeClassRef: {group: karpenter.kwok.sh, kind: KWOKNodeClass, name: default}
      taints: [{key: nvidia.com/gpu, effect: NoSchedule}]
      requirements:
      - {key: karpenter.sh/capacity-type, operator: In, values: [reserved, spot, on-demand]}
      - {key: node.kubernetes.io/instance-type, operator: In, values: [g6.xlarge, g6.2xlarge]}
      - {key: karpenter.k8s.aws/instance-gpu-name, operator: In, values: [l4]}
      - {key: karpenter.k8s.aws/instance-gpu-memory, operator: Gt, values: ["16000"]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: model}
spec: {storageClassName: gp3, accessModes: [ReadWriteOnce], resources: {requests: {storage: 40Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: gpu}
spec:
  tolerations: [{key: nvidia.com/gpu, operator: Exists}]
  volumes: [{name: model, persistentVolumeClaim: {claimName: model}}]
  containers:
  - name: engine
    image: engine
    volumeMounts: [{name: model, mountPath: /model}]
    resources: {limits: {nvidia.com/gpu: 1}}
""")
    kubectl.wait("pod/gpu", "condition=Ready", seconds=45)
    node = kubectl.get("node", kubectl.get("pod", "gpu")["spec"]["nodeName"])
    labels = node["metadata"]["labels"]
    assert labels["karpenter.sh/nodepool"] == "l4"
    assert labels["karpenter.sh/capacity-type"] == "spot"
    assert labels["node.kubernetes.io/instance-type"] == "g6.xlarge"
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "1"
    assert kubectl.get("pvc", "model")["status"]["phase"] == "Bound"

    kubectl("delete", "pod/gpu", "pvc/model", "nodepool/l4", "--timeout=60s")


def test_a_job_completes(kubectl: Kubectl) -> None:
    kubectl("create", "job", "once", "--image=anything")
    kubectl.wait("job/once", "condition=Complete", seconds=30)
    (pod,) = kubectl.get("pods", "-ljob-name=once")["items"]
    assert pod["status"]["phase"] == "Succeeded"


def test_a_deployment_becomes_available_with_init_container_and_native_sidecar(
    kubectl: Kubectl,
) -> None:
    kubectl.apply("""
apiVersion: apps/v1
kind: Deployment
metadata: {name: server}
spec:
  replicas: 2
  selector: {matchLabels: {app: server}}
  template:
    metadata: {labels: {app: server}}
    spec:
      initContainers:
      - {name: fetch, image: fetch}
      - {name: proxy, image: proxy, restartPolicy: Always}
      containers: [{name: main, image: main}]
""")
    kubectl("rollout", "status", "deployment/server", "--timeout=30s")
    pod = kubectl.get("pods", "-lapp=server")["items"][0]
    (main,) = pod["status"]["containerStatuses"]
    fetch, proxy = pod["status"]["initContainerStatuses"]
    assert (main["ready"], main["started"]) == (True, True)
    assert fetch["state"]["terminated"]["exitCode"] == 0
    assert (proxy["started"], set(proxy["state"])) == (True, {"running"})
    assert pod["status"]["podIP"].startswith("10.64.")
    kubectl("delete", "deployment/server")
    kubectl("wait", "pods", "-lapp=server", "--for=delete", "--timeout=30s")


@pytest.mark.parametrize(
    ("storage_class", "mode"), [("efs", "ReadWriteMany"), ("standard", "ReadWriteOnce")]
)
def test_a_claim_binds_in_its_class_way_and_its_volume_goes_with_it(
    kubectl: Kubectl, storage_class: str, mode: str
) -> None:
    waits = storage_class == "standard"
    kubectl.apply(f"""
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {storage_class}}}
spec:
  storageClassName: {storage_class}
  accessModes: [{mode}]
  resources: {{requests: {{storage: 7Gi}}}}
""")
    if waits:
        assert kubectl.get("pvc", storage_class)["status"]["phase"] == "Pending"
        kubectl.apply(f"""
apiVersion: v1
kind: Pod
metadata: {{name: user}}
spec:
  volumes: [{{name: data, persistentVolumeClaim: {{claimName: {storage_class}}}}}]
  containers: [{{name: main, image: main, volumeMounts: [{{name: data, mountPath: /data}}]}}]
""")
        kubectl.wait("pod/user", "condition=Ready", seconds=30)
    kubectl.wait(f"pvc/{storage_class}", "jsonpath={.status.phase}=Bound", seconds=30)
    claim = kubectl.get("pvc", storage_class)
    assert claim["status"]["capacity"] == {"storage": "7Gi"}
    volume = claim["spec"]["volumeName"]
    if waits:
        kubectl("delete", "pod/user")
    kubectl("delete", f"pvc/{storage_class}", "--timeout=30s")
    kubectl("wait", f"pv/{volume}", "--for=delete", "--timeout=30s")


def test_a_block_device_for_many_writers_is_not_given(kubectl: Kubectl) -> None:
    kubectl.apply("""
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: shared}
spec: {storageClassName: gp3, accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: sharing}
spec:
  volumes: [{name: data, persistentVolumeClaim: {claimName: shared}}]
  containers: [{name: main, image: main}]
""")
    key = "volume.kubernetes.io/storage-provisioner"

    def is_due() -> bool:
        return key in kubectl.get("pvc", "shared")["metadata"].get("annotations", {})

    assert wait_until(is_due, seconds=20)
    # kwok has seen the claim by then: it acts on such a change within 0.1 s.
    assert not wait_until(
        lambda: kubectl.get("pvc", "shared")["status"]["phase"] == "Bound", seconds=2
    )
    kubectl("delete", "pod/sharing", "pvc/shared", "--timeout=30s")


def test_a_restricted_namespace_refuses_a_privileged_pod(kubectl: Kubectl) -> None:
    kubectl("create", "namespace", "hardened")
    kubectl("label", "namespace/hardened", "pod-security.kubernetes.io/enforce=restricted")
    refused = kubectl.run("run", "root", "--image=anything", "--privileged", "-nhardened")
    assert refused.returncode != 0
    assert 'violates PodSecurity "restricted' in refused.stderr
    assert kubectl.get("pods", "-nhardened")["items"] == []
