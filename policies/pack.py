"""The policies of the pack, in the order in which they run."""

from policies.adapter import Rule, StackRule, policy
from policies.architectures import ARCHITECTURE_KNOWN
from policies.context_length import MAX_MODEL_LEN_SET, NO_CAP_ESCAPE
from policies.credentials import NO_LITERAL_CREDENTIALS
from policies.exposure import BACKEND_NOT_PUBLIC
from policies.gateway import GATEWAY_AUTH_ON
from policies.images import IMAGE_PINNED

RULES: tuple[Rule | StackRule, ...] = (
    BACKEND_NOT_PUBLIC,
    GATEWAY_AUTH_ON,
    MAX_MODEL_LEN_SET,
    NO_CAP_ESCAPE,
    ARCHITECTURE_KNOWN,
    IMAGE_PINNED,
    NO_LITERAL_CREDENTIALS,
)

POLICIES = tuple(policy(rule) for rule in RULES)
