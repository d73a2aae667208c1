// Command pulumi-resource-kubernetes is the Kubernetes provider of Pulumi, built from its Go
// module. The two embedded files lie in that module's own command folder; the installer hands them
// over with `go build -overlay`, so they are not copied into this repository.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

// version is the release that the module's commit was tagged with; the linker sets it.
var version string

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var terraformMapping []byte

func main() {
	provider.Serve("kubernetes", version, schema, terraformMapping)
}
