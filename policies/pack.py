"""The policies of the pack, in the order in which they run."""

from policies.adapter import Rule, StackRule, policy
from policies.architectures import ARCHITECTURE_KNOWN
from policies.autoscaling import AUTOSCALE_FALLBACK
from policies.ceilings import REPLICA_CEILING
from policies.context_length import MAX_MODEL_LEN_SET, NO_CAP_ESCAPE
from policies.credentials import NO_LITERAL_CREDENTIALS
from policies.drain import DRAIN
from policies.engine_ranges import ENGINE_RANGES
from policies.environments import OLLAMA_DEV_ONLY, TIERS_APART
from policies.exposure import BACKEND_NOT_PUBLIC
from policies.gateway import GATEWAY_AUTH_ON
from policies.gpus import TP_MATCHES_GPUS
from policies.groups import MULTINODE_ISOLATED
from policies.images import IMAGE_PINNED
from policies.model_cache import CACHE_VOLUME
from policies.placement import GPU_TAINT_PAIRED, NODE_PROFILE_SET
from policies.probes import PROBES
from policies.public_routes import ROUTE_CLOSED
from policies.rollout import NO_ROLLOUT_GAP
from policies.shared_memory import SHARED_MEMORY

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
