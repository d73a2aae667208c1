"""Which vLLM an image of the document holds, and whether this program knows it."""

from collections.abc import Iterator

from components.core.engine_args import versions
from components.core.images import image_version, images
from components.core.sizing.request import SizingError, engine_version
from components.document.vllm_model import VllmServerSettings


def planned_version(settings: VllmServerSettings) -> tuple[int, int, int]:
    """The version that a model is planned for: its image's, or the locked one."""
    return engine_version(_tagged_version(settings) or image_version("vllm"))


def unknown_engine(key: str, settings: VllmServerSettings) -> Iterator[str]:
    """The sentence where nobody knows the flags of the image's engine."""
    tag = _tagged_version(settings)
    if tag and ".".join(str(part) for part in engine_version(tag)) not in versions():
        yield (
            f"{key}.image is of vLLM {tag.removeprefix('v')}, whose flags are not known; known are "
            f"{' and '.join(versions())}: take an image of one of them, or leave {key}.image out"
        )


def image_warnings(key: str, settings: VllmServerSettings) -> Iterator[str]:
    """What an image of one's own leaves open."""
    if not settings.image:
        return
    locked = images()["vllm"].repository
    if _tagged_version(settings) is None:
        yield (
            f"{key}.image does not say its version by a tag such as v{image_version('vllm')}: it "
            "is planned as that one"
        )
    if _repository(settings.image) != locked:
        yield (
            f"{key}.image is of {_repository(settings.image)}, not of {locked}: what is in it is "
            "planned as the published engine, and nothing here has checked that"
        )


def _repository(image: str) -> str:
    name = image.partition("@")[0]
    path, slash, last = name.rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}"


def _tagged_version(settings: VllmServerSettings) -> str | None:
    """Version of the engine in an image of the user's own, None where its tag does not say."""
    tag = (settings.image or "").partition("@")[0].rpartition("/")[2].partition(":")[2]
    try:
        engine_version(tag)
    except SizingError:
        return None
    return tag
