"""The seven programs: their command lines, the files they read, and where they answer for health.

Flags and environment: kube-apiserver, kube-controller-manager and kube-scheduler 1.36, etcd 3.6,
kwok 0.8, Karpenter 1.14 (`pkg/operator/options/options.go`), lws 0.9 (`cmd/main.go`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.control_plane.credentials import CONTEXT
from tools.control_plane.errors import ControlPlaneError
from tools.control_plane.layout import Layout
from tools.control_plane.ports import LOOPBACK

ETCD = "etcd"
API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok"
KARPENTER = "karpenter-kwok"
LWS = "lws-manager"

NAMES = (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK, KARPENTER, LWS)
"""In the order in which they start; etcd stops last.

An API server whose etcd has gone hangs in its shutdown and holds its port.
"""
NEED_CRDS = (KARPENTER, LWS)
"""Those that end, or wait in vain, where their CRDs are not served yet."""
ETCD_PEER = "etcd-peer"
KARPENTER_METRICS = "karpenter-metrics"
EXTRA_PORTS = {ETCD_PEER: ETCD, KARPENTER_METRICS: KARPENTER}
"""Ports beside the one that answers for health, and the component that holds each."""
PORT_NAMES = (*NAMES, *EXTRA_PORTS)
"""Everything that needs a port."""

STAGES = Path(__file__).with_name("stages.yaml")
"""How kwok lets nodes, pods and volumes live."""
FAKE_NODE_ANNOTATION = {"kwok.x-k8s.io/node": "fake"}
"""Nodes that kwok plays; Karpenter's kwok provider puts it on its nodes too."""

LWS_POD_WEBHOOK = "/mutate--v1-pod"
"""Where LeaderWorkerSet's controller answers for pods, once everything else of it is set up."""
_HEALTH_PATHS = {
    ETCD: "/health",
    API_SERVER: "/readyz",
    KARPENTER: "/readyz",
    LWS: LWS_POD_WEBHOOK,  # which says 200, and in the body that the question was empty
}

_ROOMY_HEAP = {"GOGC": "400", "GOMEMLIMIT": "1GiB"}
"""Measured on two busy cores: taking in 55 CRDs needs 5 s instead of 10, a warm start 1 s less, for
some 0.4 GiB more memory, which the limit keeps from growing."""


@dataclass(frozen=True)
class Component:
    """One program as it should run.

    Attributes:
        argv: Command line, the executable's absolute path first.
        port: Loopback port that it answers on, for its health too.
        environment: Variables beyond the common ones.
        inputs: Files it reads once, at its start; a change of one means a restart.
    """

    name: str
    argv: tuple[str, ...]
    port: int
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    inputs: tuple[Path, ...] = ()

    @property
    def health(self) -> str:
        """URL that answers 200 when the program works."""
        return health_url(self.name, self.port)


def check_binaries(binaries: Mapping[str, Path]) -> None:
    """Refuse to start with a program missing.

    Raises:
        ControlPlaneError: Names every program that is absent or cannot be executed.
    """
    missing = [name for name in NAMES if name not in binaries or not binaries[name].is_file()]
    if missing:
        raise ControlPlaneError(
            f"The control plane needs {', '.join(missing)}, which is not installed:"
            " run `python -m tools.install` first."
        )


def server_url(ports: Mapping[str, int]) -> str:
    """Address of the API server."""
    return f"https://{LOOPBACK}:{ports[API_SERVER]}"


def health_url(name: str, port: int) -> str:
    """The URL that answers 200 when a component that listens on this port works."""
    scheme = "http" if name in (KWOK, KARPENTER) else "https"
    path = _HEALTH_PATHS.get(name, "/healthz")
    return f"{scheme}://{LOOPBACK}:{port}{path}"


def components(
    layout: Layout, binaries: Mapping[str, Path], ports: Mapping[str, int]
) -> tuple[Component, ...]:
    """All of them, in starting order."""
    return (
        _etcd(layout, binaries[ETCD], ports),
        _api_server(layout, binaries[API_SERVER], ports),
        _controller_manager(layout, binaries[CONTROLLER_MANAGER], ports[CONTROLLER_MANAGER]),
        _scheduler(layout, binaries[SCHEDULER], ports[SCHEDULER]),
        _kwok(layout, binaries[KWOK], ports[KWOK]),
        _karpenter(layout, binaries[KARPENTER], ports),
        _lws(layout, binaries[LWS], ports[LWS]),
    )


def _etcd(layout: Layout, binary: Path, ports: Mapping[str, int]) -> Component:
    client = f"https://{LOOPBACK}:{ports[ETCD]}"
    peer = f"https://{LOOPBACK}:{ports[ETCD_PEER]}"
    tls = {"cert-file": layout.certificate, "key-file": layout.key, "trusted-ca-file": layout.ca}
    argv = [
        str(binary),
        f"--data-dir={layout.etcd_data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        # Loopback is open to every user of the machine, so etcd asks for our certificate.
        "--client-cert-auth=true",
        "--peer-client-cert-auth=true",
        *(f"--{prefix}{flag}={path}" for prefix in ("", "peer-") for flag, path in tls.items()),
        # A killed process loses nothing without fsync, only a machine that loses its power does.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]
    inputs = (layout.certificate, layout.key, layout.ca)
    return Component(ETCD, tuple(argv), ports[ETCD], inputs=inputs)


def _api_server(layout: Layout, binary: Path, ports: Mapping[str, int]) -> Component:
    argv = (
        str(binary),
        f"--etcd-servers=https://{LOOPBACK}:{ports[ETCD]}",
        f"--etcd-cafile={layout.ca}",
        f"--etcd-certfile={layout.certificate}",
        f"--etcd-keyfile={layout.key}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={ports[API_SERVER]}",
        f"--advertise-address={LOOPBACK}",
        # A loopback address is no legal endpoint of the Service `kubernetes`, and none is needed.
        "--endpoint-reconciler-type=none",
        *_serving(layout),
        f"--token-auth-file={layout.tokens}",
        f"--service-account-key-file={layout.account_public_key}",
        f"--service-account-signing-key-file={layout.account_key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        *_aggregation(layout),
    )
    inputs = (layout.tokens, layout.certificate, layout.key, layout.account_key)
    return Component(API_SERVER, argv, ports[API_SERVER], _ROOMY_HEAP, inputs)


def _aggregation(layout: Layout) -> tuple[str, ...]:
    """How the API server passes on what another one answers, such as an autoscaler's metrics.

    It shows our certificate there, which is also whom it would believe a user's name from; who
    holds that file holds the administrator's token too.
    """
    return (
        f"--requestheader-client-ca-file={layout.ca}",
        f"--requestheader-allowed-names={CONTEXT}",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={layout.certificate}",
        f"--proxy-client-key-file={layout.key}",
    )


def _controller_manager(layout: Layout, binary: Path, port: int) -> Component:
    argv = (
        str(binary),
        f"--kubeconfig={layout.kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        *_serving(layout),
        "--leader-elect=false",
        f"--service-account-private-key-file={layout.account_key}",
        f"--root-ca-file={layout.ca}",
        # A third of the default: who looks at an autoscaler here waits for it.
        "--horizontal-pod-autoscaler-sync-period=5s",
    )
    inputs = (layout.kubeconfig, layout.account_key)
    return Component(CONTROLLER_MANAGER, argv, port, inputs=inputs)


def _scheduler(layout: Layout, binary: Path, port: int) -> Component:
    argv = (
        str(binary),
        f"--kubeconfig={layout.kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        *_serving(layout),
        "--leader-elect=false",
    )
    return Component(SCHEDULER, argv, port, inputs=(layout.kubeconfig,))


def _kwok(layout: Layout, binary: Path, port: int) -> Component:
    ((key, value),) = FAKE_NODE_ANNOTATION.items()
    argv = (
        str(binary),
        f"--kubeconfig={layout.kubeconfig}",
        f"--config={STAGES}",
        f"--server-address={LOOPBACK}:{port}",
        "--manage-all-nodes=false",
        f"--manage-nodes-with-annotation-selector={key}={value}",
        # As the kubelet's default; without leases the node-lifecycle controller evicts all pods.
        "--node-lease-duration-seconds=40",
        # Simulated nodes have no address; this one is reserved for documentation (RFC 5737).
        "--node-ip=192.0.2.1",
        # Pods' addresses; must not meet the Services' 10.96.0.0/16.
        "--cidr=10.64.0.1/16",
    )
    return Component(KWOK, argv, port, inputs=(layout.kubeconfig, STAGES))


def _karpenter(layout: Layout, binary: Path, ports: Mapping[str, int]) -> Component:
    environment = {
        "KUBECONFIG": str(layout.kubeconfig),
        "INSTANCE_TYPES_FILE_PATH": str(layout.instance_types),
        "DISABLE_LEADER_ELECTION": "true",
        "SYSTEM_NAMESPACE": "kube-system",
        # Shorter than the defaults (1 s idle, 10 s at most): nobody else's pods arrive here.
        "BATCH_IDLE_DURATION": "500ms",
        "BATCH_MAX_DURATION": "2s",
        # Karpenter offers no way to bind these two to loopback alone, nor to switch them off.
        "METRICS_PORT": str(ports[KARPENTER_METRICS]),
        "HEALTH_PROBE_PORT": str(ports[KARPENTER]),
    }
    return Component(
        KARPENTER,
        (str(binary),),
        ports[KARPENTER],
        environment=environment,
        inputs=(layout.kubeconfig, layout.instance_types),
    )


def _lws(layout: Layout, binary: Path, port: int) -> Component:
    argv = (
        str(binary),
        f"--kubeconfig={layout.kubeconfig}",
        f"--config={layout.lws_config}",
        # Its defaults are a developer's: a stack trace with every warning.
        "--zap-devel=false",
        "--zap-stacktrace-level=panic",
    )
    inputs = (layout.kubeconfig, layout.lws_config, layout.lws_folder / "tls.crt")
    return Component(LWS, argv, port, inputs=inputs)


def _serving(layout: Layout) -> tuple[str, str]:
    return (f"--tls-cert-file={layout.certificate}", f"--tls-private-key-file={layout.key}")
