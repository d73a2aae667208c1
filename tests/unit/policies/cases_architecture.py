"""Cases of ML-11: a model served as another architecture than its own."""

from components.core.conventions import ARCHITECTURE_OVERRIDE
from tests.unit.policies.analyzer import UNKNOWN, put
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.cases_length import UNSEEN_FILE
from tests.unit.policies.manifests import ARGUMENTS, DEPLOYMENT, ENGINE, Json

POLICY = "ml-11-architecture-known"
ARGS = "spec.template.spec.containers[0].args"
LENGTH = "ml-01-max-model-len-set"
_OTHER = '{"architectures":["LlamaForCausalLM"]}'
_NOTE = "org/new served as LlamaForCausalLM"


def _with(*words: str) -> Json:
    line = [*ARGUMENTS.render(), *words]
    return put(ENGINE, "spec", "template", "spec", "containers", 0, "args", value=line)


def _noted(*steps: str) -> Json:
    return put(ENGINE, *steps, "metadata", "annotations", ARCHITECTURE_OVERRIDE, value=_NOTE)


def _case(
    group: Group, title: str, properties: Json, path: str = ARGS, also: tuple[str, ...] = ()
) -> Case:
    return Case(POLICY, group, title, DEPLOYMENT, properties, "" if group == "good" else path, also)


CASES = (
    _case("good", "no override", ENGINE),
    _case("good", "an override of something else", _with('--hf-overrides={"vocab_size": 32000}')),
    _case("good", "an empty override", _with("--hf-overrides={}")),
    _case("bad", "an override", _with(f"--hf-overrides={_OTHER}")),
    _case("bad", "an override in two words", _with("--hf-overrides", _OTHER)),
    _case("bad", "a nested one", _with(f'--hf-overrides={{"text_config":{_OTHER}}}')),
    _case("bad", "another type of model", _with('--hf-overrides={"model_type": "llama"}')),
    _case("bad", "the configuration of another model", _with("--hf-config-path=org/other")),
    _case("bypass", "that one abbreviated", _with("--hf_config", "org/other")),
    _case("bypass", "a nested part", _with("--hf-overrides.text_config.model_type=llama")),
    _case("good", "the model's own configuration", _with("--hf-config-path=None")),
    _case("good", "a nested override of something else", _with('--hf-overrides={"a":{"b": 1}}')),
    _case(
        "bad",
        "a note on the Deployment",
        _noted(),
        f'metadata.annotations["{ARCHITECTURE_OVERRIDE}"]',
    ),
    _case(
        "bad",
        "a note on the pods",
        _noted("spec", "template"),
        f'spec.template.metadata.annotations["{ARCHITECTURE_OVERRIDE}"]',
    ),
    _case("good", "a line of which ml-01 says that it is hidden", _with(UNKNOWN), also=(LENGTH,)),
    _case(
        "unknown",
        "a file that may override it",
        _with("--config", "settings.yaml"),
        also=UNSEEN_FILE[:-1],
    ),
    _case("bypass", "an underscore", _with(f"--hf_overrides={_OTHER}")),
    _case("bypass", "an abbreviation", _with(f"--hf-over={_OTHER}")),
    _case("bypass", "a part by its path", _with("--hf-overrides.architectures", '["Llama"]')),
    _case("bypass", "an item by its path", _with("--hf-overrides.architectures+=Llama")),
    _case("bypass", "a later word wins", _with("--hf-overrides={}", f"--hf-overrides={_OTHER}")),
)
