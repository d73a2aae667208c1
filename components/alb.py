"""The way in by an Application Load Balancer of AWS, as an Ingress; pure builders."""

from pulumi_kubernetes.networking.v1 import HTTPIngressPathArgsDict, IngressSpecArgsDict

from components.core.conventions import GATEWAY_PORT
from components.core.drain import DrainChain
from components.core.public_paths import PUBLIC_PATHS
from components.document.exposure import AlbExposure

_PREFIX = "alb.ingress.kubernetes.io/"
_LONGEST_DELAY_SECONDS = 3600
"""Of a target group's deregistration (AWS' own limit), as is the longest stream of a document."""
_HEALTH_SECONDS = 10


def ingress_spec(exposure: AlbExposure, service: str) -> IngressSpecArgsDict:
    """`spec` of the Ingress: one rule a path; everything else is the load balancer's own 404."""
    paths: list[HTTPIngressPathArgsDict] = [
        {
            "path": public.value,
            "path_type": "Prefix" if public.below else "Exact",
            "backend": {"service": {"name": service, "port": {"number": GATEWAY_PORT}}},
        }
        for public in PUBLIC_PATHS
    ]
    return {
        "ingress_class_name": exposure.class_name,
        "rules": [{"host": exposure.host, "http": {"paths": paths}}],
    }


def ingress_annotations(exposure: AlbExposure, drain: DrainChain) -> dict[str, str]:
    """What the controller makes of the Ingress.

    An ALB has no time-out for a whole response; its idle time-out of 60 s would end every stream
    that waits longer for a token. A pod that ends is left its open streams.
    """
    delay = min(drain.pod_grace_seconds, _LONGEST_DELAY_SECONDS)
    said = {
        "scheme": exposure.scheme,
        "target-type": "ip",
        "backend-protocol": "HTTP",
        "listen-ports": '[{"HTTP": 80}, {"HTTPS": 443}]',
        "ssl-redirect": "443",
        "certificate-arn": exposure.certificate_arn,
        "ssl-policy": exposure.ssl_policy,
        "load-balancer-attributes": _listed(
            {
                "idle_timeout.timeout_seconds": drain.silence_timeout_seconds,
                "routing.http.drop_invalid_header_fields.enabled": "true",
                "routing.http.desync_mitigation_mode": "strictest",
            }
        ),
        "target-group-attributes": _listed(
            {
                "deregistration_delay.timeout_seconds": delay,
                "load_balancing.algorithm.type": "least_outstanding_requests",
            }
        ),
        "healthcheck-path": "/health/readiness",
        "healthcheck-interval-seconds": str(_HEALTH_SECONDS),
        "healthcheck-timeout-seconds": "5",
        "healthy-threshold-count": "2",
        "unhealthy-threshold-count": "3",
        "success-codes": "200",
    }
    if exposure.web_acl_arn:
        said["wafv2-acl-arn"] = exposure.web_acl_arn
    if exposure.client_networks:
        said["inbound-cidrs"] = ",".join(exposure.client_networks)
    return {f"{_PREFIX}{key}": value for key, value in said.items()}


def _listed(attributes: dict[str, object]) -> str:
    return ",".join(f"{key}={value}" for key, value in attributes.items())
