"""What is loaded beside a model: LoRA adapters and drafts, locked as the model is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.core.engine_args import flags
from components.core.model_lock import LockedModel, ModelLockError, locked_model
from components.document.vllm_features import DraftSettings
from components.document.vllm_model import VllmServerSettings


@dataclass(frozen=True)
class Parts:
    """What is loaded beside a model, locked as the model is.

    Attributes:
        adapters: LoRA adapters by the name that clients ask for.
        draft: The small model or head that guesses.
    """

    adapters: Mapping[str, LockedModel] = field(default_factory=dict[str, LockedModel])
    draft: LockedModel | None = None

    @property
    def locks(self) -> tuple[LockedModel, ...]:
        """All of them."""
        return (*self.adapters.values(), *([self.draft] if self.draft else []))

    @property
    def lora_rank(self) -> int:
        """The least rank that the engine knows and all adapters fit into; 0 without any.

        A lock holds no adapter of a rank above the largest that the engine knows.
        """
        locked = (lock.adapter for lock in self.adapters.values())
        needed = max((adapter.rank for adapter in locked if adapter), default=0)
        choices = flags()["max_lora_rank"].choices or ()
        known = sorted(rank for rank in choices if isinstance(rank, int))
        return next(rank for rank in known if rank >= needed) if needed else 0


NO_PARTS = Parts()


def locked_parts(key: str, settings: VllmServerSettings) -> tuple[Parts, list[str]]:
    """What is loaded beside a model, and a sentence for each part that has no lock."""
    missing: list[str] = []

    def lock_of(where: str, source: str, revision: str) -> LockedModel | None:
        try:
            return locked_model(source, revision)
        except ModelLockError as error:
            missing.append(f"{key}.{where}.source: {error}")
            return None

    adapters = {
        name: lock_of(f"adapters.{name}", adapter.source, adapter.revision)
        for name, adapter in settings.adapters.items()
    }
    asked = settings.speculation
    draft = (
        lock_of("speculation", asked.source, asked.revision)
        if isinstance(asked, DraftSettings)
        else None
    )
    return Parts({name: lock for name, lock in adapters.items() if lock}, draft), missing
