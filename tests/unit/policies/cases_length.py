"""Cases of ML-01: the context length of vLLM servers."""

from tests.unit.policies.analyzer import SENTINELS, UNKNOWN, drop, put
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.manifests import DEPLOYMENT, ENGINE, ENGINE_IMAGE, Json

POLICY = "ml-01-max-model-len-set"
CONTAINER = ("spec", "template", "spec", "containers", 0)
ARGS = (*CONTAINER, "args")
PATH = "spec.template.spec.containers[0].args"
REST = ("--gpu-memory-utilization=0.9", "--shutdown-timeout=60")
BARE = ("ml-06-engine-ranges", "rl-02-drain", "rl-07-cache-volume")
"""What `vllm serve m` alone breaks besides."""
UNSEEN_FILE = (
    *("ml-02-no-cap-escape", "ml-04-tp-matches-gpus", "ml-10-multinode-isolated"),
    "ml-11-architecture-known",
)
"""What a file that nobody has seen may hold."""


def _engine(*args: object, **container: object) -> Json:
    """The engine with other arguments after the model, and other keys of its container."""
    changed = put(ENGINE, *ARGS, value=["/models/m", *REST, *args])
    for key, value in container.items():
        changed = put(changed, *CONTAINER, key, value=value)
    return changed


def _commanded(*command: object, **container: object) -> Json:
    changed = drop(ENGINE, *ARGS)
    for key, value in {"command": list(command), **container}.items():
        changed = put(changed, *CONTAINER, key, value=value)
    return changed


def _case(
    group: Group, title: str, properties: Json, path: str = PATH, also: tuple[str, ...] = ()
) -> Case:
    return Case(POLICY, group, title, DEPLOYMENT, properties, "" if group == "good" else path, also)


_SHELL = "spec.template.spec.containers[0]"
_ENV_LEN = [{"name": "LEN", "value": "99999"}]
_BENCH = ["bench", "serve", "--max-model-len", "99999"]
_FROM_CONFIG_MAP = [
    {"name": "LEN", "valueFrom": {"configMapKeyRef": {"name": "limits", "key": "length"}}}
]

GOOD = (
    _case("good", "as rendered", ENGINE),
    _case("good", "the cap itself", _engine("--max-model-len", "32768")),
    _case("good", "binary suffix", _engine("--max-model-len=32K")),
    _case("good", "decimal suffix", _engine("--max_model_len=25.6k")),
    _case("good", "underscores of digits", _engine("--max-model-len", "32_768")),
    _case("good", "the last duplicate counts", _engine("--max-model-len=1M", "--max-model-len=4k")),
    _case(
        "good",
        "a cli value over a file",
        _engine("--config", "f.yaml", "--max-model-len=4k"),
        also=UNSEEN_FILE,
    ),
    _case(
        "good",
        "vllm serve in command",
        _commanded("vllm", "serve", "/m", *REST, "--max-model-len=4k"),
    ),
    _case(
        "good",
        "one plain shell command",
        _commanded("sh", "-ec", f"exec vllm serve /m {' '.join(REST)} \\\n  --max-model-len 4096"),
    ),
    _case(
        "good",
        "a module behind tini",
        _commanded(
            *("tini", "--", "python3", "-m", "vllm.entrypoints.openai.api_server"),
            *("--model=/m", *REST, "--max-model-len=4096"),
        ),
    ),
    _case("good", "a benchmark is no server", _engine(command=["vllm"], args=_BENCH)),
    _case(
        "good",
        "a download with the engine's image",
        put(
            ENGINE,
            *CONTAINER,
            value={"name": "load", "image": ENGINE_IMAGE, "command": ["hf", "download", "m"]},
        ),
        also=("ph-07-gpu-taint-paired",),
    ),
)

BAD = (
    _case("bad", "absent", _engine()),
    _case("bad", "over the cap", _engine("--max-model-len", "32769")),
    _case("bad", "no arguments at all", drop(ENGINE, *ARGS), _SHELL, BARE),
    _case("bad", "no number", _engine("--max-model-len", "1e6")),
    _case("bad", "nothing after it", _engine("--max-model-len")),
    _case("bad", "empty", _engine("--max-model-len=")),
    _case("bad", "zero", _engine("--max-model-len=0")),
    _case("bad", "quotes kept", _engine("--max-model-len", '"4096"')),
    _case("bad", "decimals of a binary suffix", _engine("--max-model-len=1.5K")),
)

UNKNOWNS = (
    *(
        _case("unknown", f"value {at}", _engine("--max-model-len", sentinel))
        for at, sentinel in enumerate(SENTINELS)
    ),
    _case("unknown", "inside a word", _engine(f"--max-model-len={UNKNOWN}")),
    _case("unknown", "a later word", _engine("--max-model-len=4096", UNKNOWN)),
    _case("unknown", "an earlier word", _engine(UNKNOWN, "--max-model-len=4096")),
    _case("unknown", "all arguments", put(ENGINE, *ARGS, value=SENTINELS[3])),
    _case("unknown", "the program", _commanded(UNKNOWN, ports=[{"containerPort": 1}]), _SHELL),
    _case(
        "unknown",
        "a value from a ConfigMap",
        _engine("--max-model-len=$(LEN)", env=_FROM_CONFIG_MAP),
    ),
)

BYPASSES = (
    _case("bypass", "auto", _engine("--max-model-len", "auto")),
    _case("bypass", "AUTO", _engine("--max-model-len=AUTO")),
    _case("bypass", "minus one", _engine("--max-model-len", "-1")),
    _case("bypass", "1M", _engine("--max-model-len=1M")),
    _case("bypass", "128K", _engine("--max-model-len", "128K")),
    _case("bypass", "131.072k", _engine("--max-model-len", "131.072k")),
    _case("bypass", "underscores", _engine("--max_model_len", "99999")),
    _case("bypass", "mixed dashes", _engine("--max_model-len=99999")),
    _case("bypass", "an abbreviation", _engine("--max-model", "99999")),
    _case("bypass", "a duplicate", _engine("--max-model-len=4096", "--max-model-len=99999")),
    _case("bypass", "an abbreviated duplicate", _engine("--max-model-len=4096", "--max-m=99999")),
    _case("bypass", "a dotted key comes last", _engine("--max-model-len.x=9", "--max-model-len=9")),
    _case("bypass", "a dotted key swallows", _engine("--hf-overrides.x", "--max-model-len=4096")),
    _case("bypass", "after two dashes", _engine("--", "--max-model-len=4096")),
    _case(
        "bypass",
        "in command",
        _commanded("vllm", "serve", "m", "--max-model-len=99999"),
        _SHELL,
        BARE,
    ),
    _case(
        "bypass",
        "a shell script",
        _commanded("sh", "-c", "vllm serve m --max-model-len 9M"),
        _SHELL,
        BARE,
    ),
    _case(
        "bypass",
        "a script with a variable",
        _commanded("bash", "-c", "eval exec vllm serve m --max-model-len=4096 ${EXTRA} $@"),
        _SHELL,
    ),
    _case(
        "bypass",
        "args ignored by a shell",
        _engine("--max-model-len=1", command=["sh", "-c", "vllm serve m"]),
        also=BARE,
    ),
    _case(
        "bypass",
        "an encoded script",
        _commanded("sh", "-c", "echo dmxsbQ== | base64 -d | sh"),
        _SHELL,
    ),
    _case("bypass", "a variable", _engine("--max-model-len", "$(LEN)", env=_ENV_LEN)),
    _case(
        "bypass",
        "the last variable counts",
        _engine("--max-model-len=$(LEN)", env=[{"name": "LEN", "value": "1"}, *_ENV_LEN]),
    ),
    _case("bypass", "an unset variable", _engine("--max-model-len", "$(MISSING)")),
    _case("bypass", "an escaped variable", _engine("--max-model-len", "$$(LEN)", env=_ENV_LEN)),
    _case("bypass", "a file", _engine("--config", "/etc/vllm.yaml")),
    _case("bypass", "a file that is not loaded", _engine("--config=/etc/vllm.yaml")),
    _case(
        "bypass",
        "a module",
        _commanded("python3", "-m", "vllm.entrypoints.openai.api_server", "--model", "m"),
        _SHELL,
        BARE,
    ),
    _case("bypass", "another launcher", _commanded("torchrun", "serve.py"), _SHELL),
    _case(
        "bypass",
        "a renamed image",
        _engine("--max-model-len=9M", image=f"a.b/c/d@{ENGINE_IMAGE[-71:]}"),
    ),
    _case("bypass", "full-width digits", _engine("--max-model-len", "\uff19" * 5)),
    _case("bypass", "a plus and spaces", _engine("--max-model-len", " +131072 ")),
    _case("bypass", "digits in groups", _engine("--max-model-len", "131_072")),
    _case("bypass", "leading zeros", _engine("--max-model-len", "00131072")),
    _case("bypass", "a number instead of text", _engine("--max-model-len", 131072.0)),
    _case(
        "bypass",
        "a wrapper",
        _commanded("env", "-u", "X", "vllm", "serve", "m"),
        _SHELL,
        BARE,
    ),
)

RENAMED = f"a.b/c/d@{ENGINE_IMAGE[-71:]}"
PROGRAMS = (
    _case("good", "an offline batch", _engine(command=["vllm"], args=["run-batch", "-i", "f"])),
    _case(
        "bypass",
        "a grpc server",
        _commanded("python3", "-m", "vllm.entrypoints.grpc_server"),
        _SHELL,
        BARE,
    ),
    _case(
        "bypass",
        "a python script that only looks like a command",
        _commanded("python3", "-c", "vllm", "serve", "m", "--max-model-len=1"),
        _SHELL,
    ),
    _case("bypass", "an unknown subcommand", _commanded("vllm", "launch", "m"), _SHELL),
    _case("bypass", "an image that is a shell", _engine("vllm serve m", image=RENAMED)),
    _case(
        "bypass",
        "a foreign image without our labels",
        put(
            _engine("vllm serve m", image=RENAMED),
            "spec",
            "template",
            "metadata",
            value={"labels": {"a": "b"}},
        ),
    ),
)

CASES = (*GOOD, *BAD, *UNKNOWNS, *BYPASSES, *PROGRAMS)
