// Command pulumi-language-python runs Python programs, policy packs and plugins for the Pulumi
// engine. The engine starts it, reads its port from the first line of standard output and talks
// gRPC with it.
//
// Pulumi's release archives carry a host of the same name; this one stands in where Pulumi itself
// was built from its Go module, which does not include it. It speaks the part of the protocol that
// preview, up, destroy and policy packs use. Code generation, `pulumi install` and `pulumi about`
// answer "unimplemented".
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/cmdutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	// executor is Pulumi's own Python entry point; the installer lays it beside this binary.
	executor = "pulumi-language-python-exec"
	// exitAlreadyShown is what the executor returns once it has shown the user an error.
	exitAlreadyShown = 32
	// engineCheck is how often we look whether the engine still lives. The official host looks every
	// five minutes; until then a killed engine's program would go on working.
	engineCheck = 5 * time.Second
)

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine string
	// alive ends when the host has to, by stop; every child ends with it and is waited for.
	alive    context.Context
	stop     func()
	children sync.WaitGroup
}

func (h *host) Handshake(
	_ context.Context, request *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	h.engine = request.EngineAddress
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

// GetRequiredPackages names none: the engine learns of each provider when a resource asks for it.
func (h *host) GetRequiredPackages(
	context.Context, *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.stop()
	return &emptypb.Empty{}, nil
}

// Run executes a program and waits for its end.
func (h *host) Run(
	ctx context.Context, request *pulumirpc.RunRequest,
) (*pulumirpc.RunResponse, error) {
	args, err := h.programArguments(request)
	if err != nil {
		return nil, err
	}
	cmd, err := pythonCommand(ctx, request.Info, args)
	if err != nil {
		return nil, err
	}
	settings, err := configEnvironment(request)
	if err != nil {
		return nil, err
	}
	cmd.Env = append(cmd.Env, settings...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	code, err := h.run(cmd)
	switch {
	case err != nil:
		return nil, err
	case code == exitAlreadyShown:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case code != 0:
		return &pulumirpc.RunResponse{
			Error: fmt.Sprintf("Program exited with non-zero exit code: %d", code),
		}, nil
	}
	return &pulumirpc.RunResponse{}, nil
}

func (h *host) programArguments(request *pulumirpc.RunRequest) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{
		"-u", filepath.Join(filepath.Dir(self), executor),
		"--monitor", request.MonitorAddress,
		"--engine", h.engine,
		"--project", request.Project,
		"--root_directory", request.Info.RootDirectory,
		"--stack", request.Stack,
		"--pwd", request.Pwd,
		"--parallel", strconv.Itoa(int(request.Parallel)),
		"--organization", request.Organization,
	}
	if request.DryRun {
		args = append(args, "--dry_run", "true")
	}
	program := filepath.Join(request.Info.ProgramDirectory, request.Info.EntryPoint)
	return append(append(args, program), request.Args...), nil
}

// configEnvironment hands the stack's configuration over. The executor takes an empty map and an
// empty list, never JSON's null.
func configEnvironment(request *pulumirpc.RunRequest) ([]string, error) {
	values, secrets := request.Config, request.ConfigSecretKeys
	if values == nil {
		values = map[string]string{}
	}
	if secrets == nil {
		secrets = []string{}
	}
	config, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	secretKeys, err := json.Marshal(secrets)
	if err != nil {
		return nil, err
	}
	return []string{
		"PULUMI_CONFIG=" + string(config), "PULUMI_CONFIG_SECRET_KEYS=" + string(secretKeys),
	}, nil
}

// RunPlugin runs a policy pack (kind "analyzer") or a provider written in Python.
func (h *host) RunPlugin(
	request *pulumirpc.RunPluginRequest, server pulumirpc.LanguageRuntime_RunPluginServer,
) error {
	directory := request.Info.ProgramDirectory
	args := append([]string{"-u", directory}, request.Args...)
	if request.Kind == "analyzer" {
		args = append(append([]string{"-u", "-m", "pulumi.policy"}, request.Args...), directory)
	}
	cmd, err := pythonCommand(server.Context(), request.Info, args)
	if err != nil {
		return err
	}
	closer, stdout, stderr, err := rpcutil.MakeRunPluginStreams(server, false)
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, request.Env...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = request.Pwd, stdout, stderr
	code, err := h.run(cmd)
	// Closed before the exit code is sent: the streams flush here, and the engine stops reading
	// at the exit code.
	if err := errors.Join(err, closer.Close()); err != nil {
		return err
	}
	return server.Send(&pulumirpc.RunPluginResponse{
		Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(code)},
	})
}

// pythonCommand prepares Python as Pulumi.yaml or PulumiPolicy.yaml asks for it. Without a
// `toolchain` option Pulumi's own detection decides, as with the official host.
func pythonCommand(
	ctx context.Context, info *pulumirpc.ProgramInfo, args []string,
) (*exec.Cmd, error) {
	options := toolchain.PythonOptions{
		Root: info.RootDirectory, ProgramDir: info.ProgramDirectory, Toolchain: toolchain.Auto,
	}
	named := map[string]string{}
	for key, value := range info.Options.AsMap() {
		text, isText := value.(string)
		if !isText {
			return nil, fmt.Errorf("runtime option %q is %v; it must be a string", key, value)
		}
		named[key] = text
	}
	options.Virtualenv = named["virtualenv"]
	switch named["toolchain"] {
	case "":
	case "pip":
		options.Toolchain = toolchain.Pip
	case "uv":
		options.Toolchain = toolchain.Uv
	case "poetry":
		options.Toolchain = toolchain.Poetry
	default:
		return nil, fmt.Errorf(
			"runtime option toolchain is %q; possible are pip, uv, poetry", named["toolchain"])
	}
	if checker := named["typechecker"]; checker != "" {
		return nil, fmt.Errorf(
			"runtime option typechecker is %q; this host runs none: remove the option, "+
				"or use Pulumi's official release", checker)
	}
	python, err := toolchain.ResolveToolchain(options)
	if err != nil {
		return nil, err
	}
	cmd, err := python.Command(ctx, args...)
	if err != nil {
		return nil, err
	}
	cmd.Env = cmd.Environ() // an empty list would mean "inherit", and lose that once appended to
	return cmd, nil
}

// run waits for a child, which does not outlive the host: an orphan would hold the engine's output
// open, and the engine waits for that.
func (h *host) run(cmd *exec.Cmd) (int, error) {
	h.children.Add(1)
	defer h.children.Done()
	// The kernel ends the child with the thread that started it, so this one has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer context.AfterFunc(h.alive, func() { _ = cmd.Process.Kill() })()
	return exitCode(cmd.Wait())
}

// exitCode tells a program that ended with a code from one that could not be run.
func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

func main() {
	// The engine passes these three to every plugin; glog has defined the remaining ones.
	flag.String("tracing", "", "accepted, unused")
	flag.String("root", "", "accepted, unused")
	flag.Bool("logflow", false, "accepted, unused")
	flag.Parse()

	cancel := make(chan bool)
	alive, end := context.WithCancel(context.Background())
	stop := sync.OnceFunc(func() { end(); close(cancel) })
	// The engine is empty when it means to name itself in Handshake.
	server := &host{engine: flag.Arg(0), alive: alive, stop: stop}
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(s *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(s, server)
			return nil
		},
	})
	if err != nil {
		cmdutil.Exit(err)
	}
	if server.engine != "" {
		err := rpcutil.Healthcheck(context.Background(), server.engine, engineCheck, stop)
		if err != nil {
			cmdutil.Exit(err)
		}
	}
	fmt.Println(handle.Port)
	err = <-handle.Done
	stop()
	server.children.Wait()
	if err != nil {
		cmdutil.Exit(err)
	}
}
