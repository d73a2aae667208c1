"""The policies of the pack, in the order in which they run."""

from policies.access.credentials import NO_LITERAL_CREDENTIALS
from policies.access.environments import OLLAMA_DEV_ONLY, TIERS_APART
from policies.access.exposure import BACKEND_NOT_PUBLIC
from policies.access.gateway import GATEWAY_AUTH_ON
from policies.access.public_routes import ROUTE_CLOSED
from policies.adapter import Rule, StackRule, policy
from policies.cost.ceilings import REPLICA_CEILING
from policies.models.architectures import ARCHITECTURE_KNOWN
from policies.models.context_length import MAX_MODEL_LEN_SET, NO_CAP_ESCAPE
from policies.models.engine_ranges import ENGINE_RANGES
from policies.models.gpus import TP_MATCHES_GPUS
from policies.models.groups import MULTINODE_ISOLATED
from policies.models.shared_memory import SHARED_MEMORY
from policies.pods.placement import GPU_TAINT_PAIRED, NODE_PROFILE_SET
from policies.reliability.autoscaling import AUTOSCALE_FALLBACK
from policies.reliability.drain import DRAIN
from policies.reliability.model_cache import CACHE_VOLUME
from policies.reliability.probes import PROBES
from policies.reliability.rollout import NO_ROLLOUT_GAP
from policies.supply.images import IMAGE_PINNED

RULES: tuple[Rule | StackRule, ...] = (
    BACKEND_NOT_PUBLIC,
    ROUTE_CLOSED,
    GATEWAY_AUTH_ON,
    OLLAMA_DEV_ONLY,
    TIERS_APART,
    NO_LITERAL_CREDENTIALS,
    MAX_MODEL_LEN_SET,
    NO_CAP_ESCAPE,
    TP_MATCHES_GPUS,
    ENGINE_RANGES,
    SHARED_MEMORY,
    MULTINODE_ISOLATED,
    ARCHITECTURE_KNOWN,
    IMAGE_PINNED,
    GPU_TAINT_PAIRED,
    NODE_PROFILE_SET,
    PROBES,
    DRAIN,
    NO_ROLLOUT_GAP,
    AUTOSCALE_FALLBACK,
    CACHE_VOLUME,
    REPLICA_CEILING,
)

POLICIES = tuple(policy(rule) for rule in RULES)
