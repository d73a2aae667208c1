"""Cases of SC-01: images by digest."""

from tests.unit.policies.analyzer import SENTINELS, UNKNOWN, drop, put
from tests.unit.policies.cases import Case, Group
from tests.unit.policies.manifests import DEPLOYMENT, DIGEST, ENGINE, ENGINE_IMAGE, Json

POLICY = "sc-01-image-pinned"
POD = ("spec", "template", "spec")
IMAGE = "spec.template.spec.containers[0].image"


def _image(value: object) -> Json:
    return put(ENGINE, *POD, "containers", 0, "image", value=value)


def _case(
    group: Group,
    title: str,
    properties: Json,
    path: str = IMAGE,
    also: tuple[str, ...] = (),
) -> Case:
    return Case(POLICY, group, title, DEPLOYMENT, properties, "" if group == "good" else path, also)


CASES = (
    _case("good", "tag and digest", ENGINE),
    _case("good", "digest alone", _image(f"vllm/vllm-openai@sha256:{DIGEST}")),
    _case("good", "registry with a port", _image(f"localhost:5000/vllm@sha256:{DIGEST}")),
    _case("good", "an image left to others", drop(ENGINE, *POD, "containers", 0, "image")),
    _case("bad", "latest", _image("vllm/vllm-openai:latest")),
    _case("bad", "a tag", _image("vllm/vllm-openai:v0.31.0")),
    _case("bad", "a name", _image("vllm/vllm-openai")),
    _case("bad", "a port is no tag", _image("localhost:5000/vllm")),
    _case(
        "bad",
        "an init container",
        put(ENGINE, *POD, "initContainers", 0, "image", value="busybox:1"),
        "spec.template.spec.initContainers[0].image",
    ),
    _case(
        "bad",
        "an ephemeral container",
        put(ENGINE, *POD, "ephemeralContainers", value=[{"name": "debug", "image": "busybox"}]),
        "spec.template.spec.ephemeralContainers[0].image",
    ),
    _case(
        "bad",
        "an image volume",
        put(ENGINE, *POD, "volumes", value=[{"name": "w", "image": {"reference": "a/weights:1"}}]),
        "spec.template.spec.volumes[0].image.reference",
    ),
    *(_case("unknown", f"an image {at}", _image(value)) for at, value in enumerate(SENTINELS)),
    _case("unknown", "part of an image", _image(f"vllm/vllm-openai@{UNKNOWN}")),
    _case(
        "unknown",
        "a container",
        put(ENGINE, *POD, "containers", 1, value=UNKNOWN),
        "spec.template.spec.containers[1]",
        ("ax-01-backend-not-public", "ax-12-no-literal-credentials", "ml-01-max-model-len-set"),
    ),
    _case("bypass", "a short digest", _image(f"vllm/vllm-openai@sha256:{DIGEST[:-1]}")),
    _case("bypass", "a long digest", _image(f"vllm/vllm-openai@sha256:{DIGEST}0")),
    _case("bypass", "upper case", _image(f"vllm/vllm-openai@sha256:{DIGEST.upper()}")),
    _case("bypass", "another hash", _image(f"vllm/vllm-openai@sha512:{DIGEST}")),
    _case("bypass", "a digest as a tag", _image(f"vllm/vllm-openai:sha256-{DIGEST}")),
    _case("bypass", "a digest before the name", _image(f"@sha256:{DIGEST}")),
    _case("bypass", "spaces", _image(f"vllm/vllm-openai @sha256:{DIGEST}")),
    _case("bypass", "a line after it", _image(f"{ENGINE_IMAGE}\n")),
)
