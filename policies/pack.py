"""The policies of the pack, in the order in which they run."""

from policies.adapter import Rule, resource_policy
from policies.architectures import ARCHITECTURE_KNOWN
from policies.credentials import NO_LITERAL_CREDENTIALS
from policies.engines import MAX_MODEL_LEN_SET
from policies.environments import OLLAMA_DEV_ONLY, TIERS_APART
from policies.exposure import BACKEND_NOT_PUBLIC
from policies.gateway import GATEWAY_AUTH_ON
from policies.images import IMAGE_PINNED

RULES: tuple[Rule, ...] = (
    BACKEND_NOT_PUBLIC,
    GATEWAY_AUTH_ON,
    OLLAMA_DEV_ONLY,
    TIERS_APART,
    MAX_MODEL_LEN_SET,
    ARCHITECTURE_KNOWN,
    IMAGE_PINNED,
    NO_LITERAL_CREDENTIALS,
)

POLICIES = tuple(resource_policy(rule) for rule in RULES)
