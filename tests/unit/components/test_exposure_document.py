"""What a document may say about the way in, and the sentence that answers what it may not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.core.public_paths import is_public
from components.document import ROOT, DocumentError, read_document
from components.document.exposure import warnings
from tests.rendering import document
from tests.unit.components.ways_in import ALB, CREATED, ENVOY, EXISTING, WAYS_IN

FAULTS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "no kind": (
        {"host": "llm.akko.local", "parent_gateway": EXISTING},
        "exposure is missing its key kind",
    ),
    "another kind": (
        {**ENVOY, "kind": "nginx"},
        "exposure has kind 'nginx'; possible: 'envoy-gateway', 'alb'",
    ),
    "a Gateway of unknown origin": (
        {**ENVOY, "parent_gateway": {"name": "public", "namespace": "gateways"}},
        "exposure.parent_gateway is missing its key source",
    ),
    "a certificate that is not one": (
        {**ALB, "certificate_arn": "arn:aws:iam::123456789012:role/x"},
        "exposure.certificate_arn is 'arn:aws:iam::123456789012:role/x': needed: Certificate of",
    ),
    "old TLS": (
        {**ALB, "ssl_policy": "ELBSecurityPolicy-2016-08"},
        "exposure.ssl_policy is 'ELBSecurityPolicy-2016-08': needed: ELB's policy of TLS 1.2",
    ),
    "a network with host bits": (
        {**ALB, "client_networks": ["10.0.0.1/8"]},
        "exposure.client_networks.0 is refused: 10.0.0.1/8 is no network, it lies in 10.0.0.0/8",
    ),
    "a load balancer everywhere": (
        {**ALB, "vpc_networks": ["0.0.0.0/0"]},
        "exposure.vpc_networks holds 0.0.0.0/0, which is no private network: name the subnets",
    ),
    "public subnets by address": (
        {**ALB, "vpc_networks": ["8.8.8.0/24"]},
        "exposure.vpc_networks holds 8.8.8.0/24, which is no private network",
    ),
    "no subnets": ({**ALB, "vpc_networks": []}, "exposure.vpc_networks is empty"),
    "limits of a load balancer": (
        {**ALB, "limits": {}},
        "exposure.limits is not a key of this document",
    ),
    "a name inside the cluster": (
        {**ENVOY, "host": "llm.akko.svc", "parent_gateway": CREATED},
        "exposure.host is 'llm.akko.svc', a name inside the cluster: choose a public one",
    ),
    "an address for a host": (
        {**ENVOY, "host": "10.20.0.7", "parent_gateway": CREATED},
        "exposure.host is '10.20.0.7', an address, by which no route and no certificate is found: "
        "name a host that leads there",
    ),
    "keys in plain": (
        {**ENVOY, "parent_gateway": {**EXISTING, "listener": "http"}},
        "exposure.parent_gateway.listener is 'http', where keys would travel in plain: name the "
        "listener with TLS, such as https",
    ),
    "a minute below a second": (
        {
            **ENVOY,
            "parent_gateway": CREATED,
            "limits": {"requests_per_second": 100, "requests_per_minute": 60},
        },
        "exposure.limits.requests_per_minute is 60, below the 100 that one second allows",
    ),
    "a limit below one": (
        {**ENVOY, "parent_gateway": CREATED, "limits": {"max_request_mib": 0}},
        "exposure.limits.max_request_mib is 0: input should be greater than 0",
    ),
    "connections of a Gateway that is another's": (
        {**ENVOY, "parent_gateway": {**EXISTING, "connections": 5}},
        "exposure.parent_gateway.connections is not a key of this document",
    ),
    "the key's Secret for the certificate": (
        {**ENVOY, "parent_gateway": {**CREATED, "certificate_secret": "akko-litellm-key"}},
        "exposure.parent_gateway.certificate_secret is 'akko-litellm-key', the Secret of the "
        "gateway's key: name the certificate's own",
    ),
    "proxies inside the stack": (
        {**ENVOY, "parent_gateway": CREATED, "proxy_namespace": "akko"},
        "namespace is 'akko', which is the proxies'",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_mistake_is_answered_with_a_sentence(name: str) -> None:
    exposure, begins = FAULTS[name]
    changed = document("production")
    changed["exposure"] = dict(exposure)
    with pytest.raises(DocumentError) as refused:
        read_document(changed)
    assert any(line.startswith(f"{ROOT}.{begins}") for line in str(refused.value).splitlines()), (
        str(refused.value)
    )


def test_the_ways_in_that_readme_shows_are_accepted() -> None:
    text = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    section = text.split("## The way in")[1].split("\n## ")[0]
    shown = list(yaml.safe_load_all(section.split("```yaml")[1].split("```")[0]))
    assert [each["kind"] for each in shown] == ["envoy-gateway", "envoy-gateway", "alb"]
    for each in shown:
        changed = document("production")
        changed["exposure"] = each
        assert read_document(changed).exposure is not None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("alb", "neither the requests of a client"),
        ("existing", "oldest TLS"),
        ("created", None),
    ],
)
def test_what_a_way_in_leaves_open_is_said(name: str, said: str | None) -> None:
    changed = document("production")
    changed["exposure"] = dict(WAYS_IN[name])
    found = list(warnings(read_document(changed).exposure, ROOT))
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


@pytest.mark.parametrize(
    ("path", "below", "public"),
    [
        ("/v1/chat/completions", False, True),
        ("/v1/chat/completions", True, False),
        ("/v1/models", True, True),
        ("/v1/models/akko-coder", False, True),
        ("/v1/models/../key", False, False),
        ("/v1/modelsx", False, False),
        ("/v1", True, False),
        ("/", True, False),
        ("/chat/completions", False, False),
        ("/V1/models", False, False),
    ],
)
def test_a_path_is_public_only_if_it_leads_nowhere_else(
    path: str, *, below: bool, public: bool
) -> None:
    assert is_public(path, below=below) is public
