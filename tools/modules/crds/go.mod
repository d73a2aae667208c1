// The modules whose folders carry the CRDs of the operators we render objects for. Nothing here
// is compiled: the installer downloads each one, checked against go.sum, and copies its CRD files.
// Keep `go mod tidy` away from it, since no package imports these.
module inference-platform/tools/crds

go 1.26.0

require (
	github.com/aws/karpenter-provider-aws v1.14.1
	github.com/external-secrets/external-secrets v1.3.2
	github.com/kedacore/keda/v2 v2.20.2
	github.com/prometheus-operator/prometheus-operator v0.93.0
	k8s.io/autoscaler/vertical-pod-autoscaler v1.8.1
	sigs.k8s.io/gateway-api v1.6.1
)
