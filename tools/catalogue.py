"""Every tool the platform's commands run, as values: what it is built from and how.

Versions are not written here: each is read from the `go.mod` of the tool's module folder, the
place where update bots look and from which Go builds. The flags repeat what the tools' own release
builds set where something depends on it, and say what.
"""

from __future__ import annotations

from tools.tool import CHeader, CrdFiles, ModuleFile, Program, Tool, pinned

_SDK = "github.com/pulumi/pulumi/sdk/v3"
_KUBERNETES_PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4"

KUBERNETES_PLUGIN_VERSION = "4.25.0"
"""Release of the Kubernetes provider: the one that PyPI's pulumi-kubernetes of the same number asks
the engine for. The provider's Go module carries no release tags; the commit in its go.mod is that
of this release."""

GO_FLAGS = "-mod=readonly -trimpath -buildvcs=false"
"""For every build: go.sum decides what comes in, and no path or commit of the checkout goes in."""

LINKER_FLAGS = "-s -w"
"""For every build: no symbol table and no debugging data, which halves the files."""

_PULUMI_VERSION = pinned("pulumi", _SDK)
# The Automation API and the engine's version checks refuse an empty version.
_PULUMI_STAMPS = ((f"{_SDK}/go/common/version.Version", _PULUMI_VERSION),)
# Release builds resolve users without cgo and leave gRPC's tracing (and net/http's) out.
_PULUMI_TAGS = ("osusergo", "grpcnotrace")

LANGUAGE_HOST = Program(
    "pulumi-language-python",
    "language-host",
    _PULUMI_VERSION,
    ".",
    tags=_PULUMI_TAGS,
    stamps=_PULUMI_STAMPS,
    beside=(ModuleFile(_SDK, "python/cmd/pulumi-language-python-exec"),),
)
PULUMI_CLI = Program(
    "pulumi",
    "pulumi",
    _PULUMI_VERSION,
    "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    tags=_PULUMI_TAGS,
    stamps=_PULUMI_STAMPS,
    # As in the release archive: told to ignore PATH, the engine looks beside itself for it.
    bundled=(LANGUAGE_HOST,),
)
KUBERNETES_PROVIDER = Program(
    "pulumi-resource-kubernetes",
    "pulumi-kubernetes",
    f"v{KUBERNETES_PLUGIN_VERSION}",
    ".",
    stamps=(("main.version", KUBERNETES_PLUGIN_VERSION),),
    embedded=(
        ModuleFile(_KUBERNETES_PROVIDER, "cmd/pulumi-resource-kubernetes/schema.json"),
        ModuleFile(_KUBERNETES_PROVIDER, "cmd/pulumi-resource-kubernetes/terraform-mapping.json"),
    ),
)

ETCD = Program(
    "etcd", "etcd", pinned("etcd", "go.etcd.io/etcd/server/v3"), "go.etcd.io/etcd/server/v3"
)

_KUBE_VERSION = pinned("kube", "k8s.io/kubernetes")


def _kube(command: str) -> Program:
    major, minor, _patch = _KUBE_VERSION.removeprefix("v").split(".")
    # The API server answers /version and picks feature defaults from these.
    values = (("gitVersion", _KUBE_VERSION), ("gitMajor", major), ("gitMinor", minor))
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return Program(
        command,
        "kube",
        _KUBE_VERSION,
        f"k8s.io/kubernetes/cmd/{command}",
        stamps=tuple(
            (f"{package}.{name}", value) for package in packages for name, value in values
        ),
    )


KUBE_APISERVER = _kube("kube-apiserver")
KUBE_CONTROLLER_MANAGER = _kube("kube-controller-manager")
KUBE_SCHEDULER = _kube("kube-scheduler")
KUBECTL = _kube("kubectl")
KWOK = Program("kwok", "kwok", pinned("kwok", "sigs.k8s.io/kwok"), "sigs.k8s.io/kwok/cmd/kwok")
KARPENTER_KWOK = Program(
    "karpenter-kwok",
    "karpenter",
    pinned("karpenter", "sigs.k8s.io/karpenter"),
    "sigs.k8s.io/karpenter/kwok",
)
LWS_MANAGER = Program("lws-manager", "lws", pinned("lws", "sigs.k8s.io/lws"), "sigs.k8s.io/lws/cmd")
_KEDA = "github.com/kedacore/keda/v2"


def _keda(part: str, *bundled: Program) -> Program:
    version, package = pinned("keda", _KEDA), f"{_KEDA}/cmd/{part}"
    return Program(f"keda-{part}", "keda", version, package, bundled=bundled)


KEDA_OPERATOR = _keda("operator", _keda("adapter"))
_PROMETHEUS = "github.com/prometheus/prometheus"
PROMETHEUS = Program(
    "prometheus",
    "prometheus",
    pinned("prometheus", _PROMETHEUS),
    f"{_PROMETHEUS}/cmd/prometheus",
    tags=("remove_all_sd",),  # told its targets, it needs no cloud's library to find them
)

PULUMI: tuple[Program, ...] = (PULUMI_CLI, KUBERNETES_PROVIDER)
"""What runs a Pulumi program written in Python against Kubernetes."""

CONTROL_PLANE: tuple[Program, ...] = (
    ETCD,
    KUBE_APISERVER,
    KUBE_CONTROLLER_MANAGER,
    KUBE_SCHEDULER,
    KUBECTL,
    KWOK,
    KARPENTER_KWOK,
    LWS_MANAGER,
)
"""What the embedded control plane consists of."""

AUTOSCALING: tuple[Program, ...] = (KEDA_OPERATOR, PROMETHEUS)
"""What scales on metrics; a cluster's own, started by cluster tests."""

_ENVOY_GATEWAY = "github.com/envoyproxy/gateway"
_KARPENTER_AWS = "github.com/aws/karpenter-provider-aws"
_VPA = "k8s.io/autoscaler/vertical-pod-autoscaler"
CRDS: tuple[CrdFiles, ...] = (
    CrdFiles("karpenter-crds", "karpenter", "sigs.k8s.io/karpenter", "pkg/apis/crds/*.yaml"),
    CrdFiles("lws-crds", "lws", "sigs.k8s.io/lws", "config/crd/bases/leaderworkerset*.yaml"),
    CrdFiles("karpenter-kwok-crds", "karpenter", "sigs.k8s.io/karpenter", "kwok/apis/crds/*.yaml"),
    CrdFiles(
        "karpenter-aws-crds", "crds", _KARPENTER_AWS, "pkg/apis/crds/karpenter.k8s.aws_*.yaml"
    ),
    # The same with AWS's own, stricter copy of Karpenter's CRDs: taken instead of
    # `karpenter-crds` and `karpenter-aws-crds`, never beside them.
    CrdFiles("karpenter-aws-patched-crds", "crds", _KARPENTER_AWS, "pkg/apis/crds/*.yaml"),
    CrdFiles(
        "prometheus-operator-crds",
        "crds",
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/*.yaml",
    ),
    CrdFiles("keda-crds", "crds", _KEDA, "config/crd/bases/*.yaml"),
    CrdFiles("vpa-crds", "crds", _VPA, "deploy/vpa-v1-crd-gen.yaml"),
    CrdFiles("gateway-api-crds", "crds", "sigs.k8s.io/gateway-api", "config/crd/standard/*.yaml"),
    CrdFiles(
        "envoy-gateway-crds",
        "envoy-gateway",
        _ENVOY_GATEWAY,
        "charts/gateway-helm/charts/crds/crds/generated/*.yaml",
    ),
    CrdFiles(
        "external-secrets-crds",
        "crds",
        "github.com/external-secrets/external-secrets",
        "config/crds/bases/*.yaml",
    ),
)
"""CRDs of the operators whose objects the platform renders."""

_OLLAMA = "github.com/ollama/ollama"
_OLLAMA_VERSION = pinned("ollama", _OLLAMA)


def _header(module: str, path: str, name: str) -> CHeader:
    return CHeader("ollama-headers", ModuleFile(module, path), name)


OLLAMA = Program(
    "ollama",
    "ollama",
    _OLLAMA_VERSION,
    _OLLAMA,
    stamps=((f"{_OLLAMA}/version.Version", _OLLAMA_VERSION.removeprefix("v")),),
    headers=(
        # The forward declarations are a part of the whole, which guards itself.
        _header(_OLLAMA, "llama/llama.cpp/common/json.hpp", "nlohmann/json_fwd.hpp"),
        _header(_OLLAMA, "llama/llama.cpp/common/json.hpp", "nlohmann/json.hpp"),
        _header(_OLLAMA, "llama/llama.cpp/common/stb_image.h", "stb/stb_image.h"),
        _header("github.com/gen2brain/malgo", "miniaudio.h", "miniaudio/miniaudio.h"),
    ),
)
"""The newest release that the Go module proxy serves; needs a C++ compiler."""

EGCTL = Program(
    "egctl",
    "envoy-gateway",
    pinned("envoy-gateway", _ENVOY_GATEWAY),
    f"{_ENVOY_GATEWAY}/cmd/egctl",
)
"""Envoy Gateway's own translator of routes and policies into Envoy's configuration."""

SERVING: tuple[Program, ...] = (OLLAMA, EGCTL)
"""What the serving tests start. Not among `ALL`, for only these tests need them."""

ALL: tuple[Tool, ...] = (*PULUMI, *CONTROL_PLANE, *AUTOSCALING, *CRDS)
