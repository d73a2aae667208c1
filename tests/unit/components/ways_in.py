"""Every kind of way in that a document may ask for, as the value of `exposure`."""

from collections.abc import Mapping
from typing import Any

from tests.rendering import Rendered, document, render

EXISTING = {"source": "existing", "name": "public", "namespace": "envoy-gateway-system"}
CREATED = {"source": "created", "class_name": "envoy", "certificate_secret": "llm-tls"}
ENVOY = {"kind": "envoy-gateway", "host": "llm.akko.local"}
ALB = {
    "kind": "alb",
    "host": "llm.akko.local",
    "certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/0a1b-2c3d",
    "vpc_networks": ["10.20.0.0/20", "10.20.16.0/20"],
}
WAYS_IN: Mapping[str, Mapping[str, Any]] = {
    "existing": {**ENVOY, "parent_gateway": EXISTING},
    "created": {**ENVOY, "parent_gateway": CREATED},
    "created with everything": {
        **ENVOY,
        "client_networks": ["203.0.113.0/24", "2001:db8::/32"],
        "proxy_namespace": "proxies",
        "limits": {
            "requests_per_second": 5,
            "requests_per_minute": 60,
            "parallel_requests": 500,
            "max_request_mib": 105,
        },
        "parent_gateway": {
            **CREATED,
            "issuer": {"kind": "Issuer", "name": "letsencrypt"},
            "redirect_http": False,
            "proxies": 1,
            "connections": 2000,
            "trusted_hops": 1,
            "service_annotations": {"service.beta.kubernetes.io/aws-load-balancer-type": "nlb"},
        },
    },
    "alb": ALB,
    "alb with everything": {
        **ALB,
        "client_networks": ["203.0.113.0/24"],
        "scheme": "internet-facing",
        "class_name": "public",
        "ssl_policy": "ELBSecurityPolicy-TLS13-1-3-2021-06",
        "web_acl_arn": "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/llm/0a1b-2c3d",
    },
}


def exposed(exposure: Mapping[str, Any], longest_seconds: int = 300) -> tuple[Rendered, ...]:
    """The production stack with a way in."""
    changed = document("production")
    changed["exposure"] = dict(exposure)
    changed["streams"] = {"longest_seconds": longest_seconds}
    return render(changed)
