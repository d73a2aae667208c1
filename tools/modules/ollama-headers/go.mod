// Modules that carry the C headers which Ollama's module lacks. Nothing here is compiled: the
// installer downloads each one, checked against go.sum, and copies its headers.
// Keep `go mod tidy` away from it, since no package imports these.
module inference-platform/tools/ollama-headers

go 1.26.0

require (
	github.com/gen2brain/malgo v0.11.24
	github.com/ollama/ollama v0.6.5
)
