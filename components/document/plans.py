"""The plan of every vLLM model of a document, on every machine that its pool may buy."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.core.architecture import Architecture, ArchitectureError, read_architecture
from components.core.architecture.fields import as_list, known_architectures
from components.core.explain import plain
from components.core.hardware import InstanceType
from components.core.model_lock import LockedModel, ModelLockError, locked_model
from components.core.sizing.kernels import least_compute_capability
from components.core.sizing.plan import Plan
from components.core.sizing.request import Model, SizingError
from components.core.sizing.verdict import Verdict
from components.document import (
    cache_room,
    engine_checks,
    engine_image,
    scale_in,
    sentences,
    weights,
)
from components.document.host import (
    HostShare,
    holds,
    host_share,
    no_room,
    pod_problems,
    pod_warnings,
)
from components.document.loads import load_of, machine_plans
from components.document.parts import NO_PARTS, Parts, locked_parts
from components.document.vllm_model import VllmServerSettings
from components.document.whole import ROOT, PlatformSettings

_SEVERITY: tuple[Verdict, ...] = ("will start", "may fail late", "refused")


@dataclass(frozen=True)
class ModelPlan:
    """What one alias comes to.

    Attributes:
        alias: Of the model.
        settings: Of the model.
        plans: One for each machine of the pool that has room for a replica, in the pool's order.
        problems: Why it is refused, a sentence each; empty where it may be deployed.
        warnings: What a reader should know before it is deployed, a sentence each.
        host: What each pod gets; None where there is no plan.
        max_position: Tokens that the model was made for; 0 where nothing is known of it.
        lock: What its repository holds; None where there is none.
        parts: What is loaded beside it.
        compute_capability: Least that its kernels need of a GPU; None where any will do.
    """

    alias: str
    settings: VllmServerSettings
    plans: tuple[Plan, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    host: HostShare | None = None
    max_position: int = 0
    lock: LockedModel | None = None
    parts: Parts = NO_PARTS
    compute_capability: tuple[int, int] | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst that can happen, since Karpenter may choose any machine of the pool."""
        if self.problems or not self.plans:
            return "refused"
        return self.deciding.fit.verdict

    @property
    def deciding(self) -> Plan:
        """The machine with the worst verdict, then the least cache, then the lowest price."""
        return min(
            self.plans,
            key=lambda p: (-_SEVERITY.index(p.fit.verdict), p.fit.tokens, _price(p)),
        )

    @property
    def worst(self) -> Plan:
        """The same, at the highest price among equals."""
        return min(
            self.plans,
            key=lambda p: (-_SEVERITY.index(p.fit.verdict), p.fit.tokens, -_price(p)),
        )

    @property
    def cheapest(self) -> Plan:
        """The machine that costs least for a replica."""
        return min(self.plans, key=_price)


def plan_models(document: PlatformSettings) -> Mapping[str, ModelPlan]:
    """Plan every vLLM model whose pool exists; reads locks and asks no network."""
    machines = document.hardware.machines()
    found: dict[str, ModelPlan] = {}
    for alias, model in document.vllm_models.items():
        pool = document.node_pools.get(model.pool)
        types = [machines[name] for name in pool.instance_types if name in machines] if pool else []
        if types:
            has_token = document.hub.token is not None
            found[alias] = plan_model(alias, model, types, has_token=has_token)
    return found


def plan_model(
    alias: str,
    settings: VllmServerSettings,
    pool: list[InstanceType],
    *,
    has_token: bool = False,
) -> ModelPlan:
    """Plan one model on the machines of its pool; a gated one needs the hub's token."""
    key = f"{ROOT}.models.{alias}"
    try:
        lock = locked_model(settings.source, settings.revision)
    except ModelLockError as error:
        return ModelPlan(alias, settings, (), (plain(f"{key}.source: {error}"),))
    parts, missing = locked_parts(key, settings)
    if missing:
        return ModelPlan(alias, settings, (), tuple(plain(text) for text in missing))
    try:
        model = Model(lock.source, _architecture(key, settings, lock), lock.weight_bytes)
        plans = tuple(machine_plans(model, settings, parts, pool))
    except ArchitectureError as error:
        return ModelPlan(alias, settings, (), (plain(str(error)),))
    except SizingError as error:
        text = sentences.own_names(str(error))
        return ModelPlan(alias, settings, (), (plain(f"{key}: {text}"),))
    host = host_share(settings, plans)
    fitting = {machine.name: machine for machine in pool if host and holds(machine, settings, host)}
    kept = tuple(each for each in plans if each.machine in fitting)
    machines = list(fitting.values())
    problems = (
        *engine_image.unknown_engine(key, settings),
        *engine_checks.disagreements(key, settings, lock, model.architecture, parts),
        *weights.implausible(key, lock, model.architecture),
        *weights.gated(key, settings, (lock, *parts.locks), has_token=has_token),
        *cache_room.problems(key, settings, (lock, *parts.locks), pool),
        *pod_problems(key, settings, kept, host),
        *no_room(key, settings, pool, host),
        *scale_in.too_slow(key, settings, kept),
        *_over_pcie(key, settings, machines),
        *(
            _twice_quantised(key, settings, model)
            or sentences.refusals(key, settings, kept, fitting)
        ),
    )
    warnings = (
        *engine_image.image_warnings(key, settings),
        *cache_room.warnings(key, settings.cache, (lock, *parts.locks)),
        *_override_warning(key, settings, lock),
        *pod_warnings(key, settings, kept),
        *sentences.late(key, settings, kept, fitting),
        *_link_warnings(key, settings, model, parts, machines),
    )
    longest = model.architecture.max_position
    return ModelPlan(
        alias,
        settings,
        kept,
        tuple(plain(text) for text in problems),
        tuple(plain(text) for text in warnings),
        host,
        longest,
        lock,
        parts,
        least_compute_capability(model.architecture, load_of(settings, parts)),
    )


def _architecture(key: str, settings: VllmServerSettings, lock: LockedModel) -> Architecture:
    """The model's own architecture, or the one it is served as where its own is not known.

    Raises:
        ArchitectureError: With the key to change.
    """
    known = known_architectures()["supported"]
    own = own_architecture(lock)
    if lock.adapter is not None:
        raise ArchitectureError(
            f"{key}.source is {lock.source}, an adapter and no model: name the model that it was "
            f"made for, {lock.adapter.base}"
        )
    if settings.architecture is None:
        try:
            return read_architecture(lock.config)
        except ArchitectureError as error:
            raise ArchitectureError(
                f"{key}.source is {lock.source}: {error}"
                + ("" if own in known else f"; set {key}.architecture to that one")
            ) from None
    if own in known:
        raise ArchitectureError(
            f"{key}.architecture is {settings.architecture!r}, but the model's own, {own}, is "
            "known: leave it out"
        )
    if settings.architecture not in known:
        raise ArchitectureError(
            f"{key}.architecture is {settings.architecture!r}, which no engine has; "
            f"{sentences.nearest(settings.architecture, known)}"
        )
    try:
        return read_architecture(lock.config, assume=settings.architecture)
    except ArchitectureError as error:
        raise ArchitectureError(f"{key}.source is {lock.source}: {error}") from None


def own_architecture(lock: LockedModel) -> str:
    """What the model's config.json calls its architecture; empty where it says nothing."""
    return str(next(iter(as_list(lock.config.get("architectures"))), ""))


def _over_pcie(
    key: str, settings: VllmServerSettings, machines: list[InstanceType]
) -> Iterator[str]:
    over_pcie = [machine.name for machine in machines if not machine.nvlink]
    if settings.tensor_parallel > 1 and over_pcie and not settings.tensor_parallel_over_pcie:
        yield (
            f"{key}.tensor_parallel is {settings.tensor_parallel}, but the GPUs of "
            f"{' and '.join(over_pcie)} talk over PCIe, which is slower than NVLink: set "
            f"{key}.tensor_parallel_over_pcie to true, or name machines with NVLink in "
            f"{ROOT}.node_pools.{settings.pool}.instance_types"
        )


def _twice_quantised(key: str, settings: VllmServerSettings, model: Model) -> tuple[str, ...]:
    stored = model.architecture.quantization
    if not settings.quantization or stored is None:
        return ()
    return (
        f"{key}.quantization is {settings.quantization!r}, but the weights of {settings.source} "
        f"are {stored.method} already: leave it out",
    )


def _override_warning(key: str, settings: VllmServerSettings, lock: LockedModel) -> Iterator[str]:
    if settings.architecture:
        yield (
            f"{key}.architecture: {lock.source} is a {own_architecture(lock) or 'nameless model'}, "
            f"which is not known; it is planned and served as {settings.architecture}, so verdict "
            "and figures are a guess"
        )


def _link_warnings(
    key: str,
    settings: VllmServerSettings,
    model: Model,
    parts: Parts,
    machines: list[InstanceType],
) -> Iterator[str]:
    """What tensor parallelism over PCIe costs, against the same GPUs with an A100's NVLink."""
    if settings.tensor_parallel == 1 or not settings.tensor_parallel_over_pcie:
        return
    for machine in machines:
        if machine.nvlink:
            continue
        joined = sentences.joined_by_nvlink(machine)
        slow, fast = (
            next(machine_plans(model, settings, parts, [each])).bounds for each in (machine, joined)
        )
        speeds = (slow.tokens_per_second, fast.tokens_per_second) if slow and fast else None
        if speeds and speeds[1] <= speeds[0]:  # NVLink's own buffers leave fewer requests at once
            speeds = None
        yield sentences.link_cost(key, settings, machine, speeds)


def _price(found: Plan) -> float:
    return math.inf if found.usd_per_hour is None else found.usd_per_hour
