"""The real Envoy behind the rendered way in, as Envoy Gateway itself would configure it.

The rendered objects go through Envoy Gateway's own translator (`egctl x translate`). Of what comes
out, only what needs a cluster is replaced: addresses to bind and to call, the configuration that a
controller would send over the network, and the certificate.
"""

import base64
import datetime
import json
import subprocess
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.rendering import Rendered
from tests.serving.processes import Server, clean_environment, free_port, running

Json = dict[str, Any]

HOST = "llm.akko.local"
CLASS, SECRET = "envoy", "llm-tls"
_READY_WITHIN_SECONDS = 60
_GROUPS = ("gateway.networking.k8s.io/", "gateway.envoyproxy.io/")


@dataclass(frozen=True)
class Certificate:
    """A self-made certificate of the host.

    Attributes:
        pem: Its file.
        key: The file of its key.
    """

    pem: Path
    key: Path


@dataclass(frozen=True)
class Translation:
    """What Envoy Gateway makes of the objects.

    Attributes:
        objects: Routes, Gateways and policies with their status.
        dumps: Envoy's configuration by kind: Bootstrap, Clusters, Listeners, Routes.
    """

    objects: Sequence[Json]
    dumps: Mapping[str, Json]

    def conditions(self) -> Iterator[tuple[str, str, str, str]]:
        """Every condition of a status: object, type, status, message."""
        for each in self.objects:
            name = f"{each['kind']} {each['metadata']['name']}"
            for condition in _conditions(each.get("status")):
                yield name, condition["type"], condition["status"], condition["message"]


@dataclass(frozen=True)
class Proxy:
    """A running Envoy.

    Attributes:
        server: Its process; `url` is its own administration, not the way in.
        ports: Where listeners are on loopback, by the name of the listener.
        certificate: What it shows.
    """

    server: Server
    ports: Mapping[str, int]
    certificate: Certificate


def certificate(folder: Path) -> Certificate:
    """Make a certificate of the host."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    found = Certificate(folder / "tls.crt", folder / "tls.key")
    found.pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    found.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return found


def cluster_objects(shown: Certificate, namespace: str) -> list[Json]:
    """What a cluster has beside the stack: Envoy Gateway's class, and the certificate's Secret."""
    data = {"tls.crt": shown.pem, "tls.key": shown.key}
    controller = "gateway.envoyproxy.io/gatewayclass-controller"
    return [
        _object("gateway.networking.k8s.io/v1", "GatewayClass", CLASS, controllerName=controller),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": SECRET, "namespace": namespace},
            "data": {k: base64.b64encode(v.read_bytes()).decode() for k, v in data.items()},
        },
    ]


def existing_gateway(name: str, namespace: str) -> Json:
    """A Gateway of the cluster as its owner may have made it, with nothing but defaults."""
    reference = {"kind": "Secret", "name": SECRET}
    everybody = {"namespaces": {"from": "All"}}
    tls = {"mode": "Terminate", "certificateRefs": [reference]}
    https = {"name": "https", "protocol": "HTTPS", "port": 443, "tls": tls}
    http = {"name": "http", "protocol": "HTTP", "port": 80}
    found = _object(
        "gateway.networking.k8s.io/v1",
        "Gateway",
        name,
        gatewayClassName=CLASS,
        listeners=[{**each, "allowedRoutes": everybody} for each in (https, http)],
    )
    found["metadata"]["namespace"] = namespace
    return found


def _object(api_version: str, kind: str, name: str, **spec: object) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def translate(
    egctl: Path, rendered: Sequence[Rendered], beside: Sequence[Json], folder: Path
) -> Translation:
    """Ask Envoy Gateway's translator for Envoy's configuration.

    Args:
        egctl: The program.
        rendered: The stack.
        beside: Objects of the cluster.
        folder: Where the objects are written.
    """
    own = [_with_address(item.inputs) for item in rendered if _is_way_in(item)]
    file = folder / "objects.yaml"
    file.write_text(yaml.safe_dump_all([*beside, *own]), encoding="utf-8")
    line = [egctl, "x", "translate", "--from", "gateway-api", "--to", "gateway-api,xds"]
    done = subprocess.run(
        [*line, "--output", "json", "--file", file],
        env=clean_environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: Json = json.loads(done.stdout)
    (dumps,) = answer.pop("xds").values()
    listed = [each for found in answer.values() for each in _as_list(found)]
    by_kind = {
        each["@type"].split(".")[-1].removesuffix("ConfigDump"): each for each in dumps["configs"]
    }
    return Translation([each for each in listed if "kind" in each], by_kind)


def _is_way_in(item: Rendered) -> bool:
    api = str(item.inputs.get("apiVersion", ""))
    return api.startswith(_GROUPS) or item.inputs.get("kind") == "Service"


def _with_address(found: Mapping[str, Any]) -> Json:
    """A Service as the API server gives it back; everything else as it is."""
    if found["kind"] != "Service":
        return dict(found)
    return {**found, "spec": {**found["spec"], "clusterIP": "10.96.0.7"}}


def _as_list(found: Json | list[Json] | None) -> list[Json]:
    return found if isinstance(found, list) else [found] if found else []


def _conditions(status: object) -> Iterator[Json]:
    for place in _dicts(status):
        yield from place.get("conditions", [])


@contextmanager
def running_envoy(
    envoy: Path, found: Translation, shown: Certificate, upstream: int, folder: Path
) -> Generator[Proxy]:
    """Run Envoy with a translation.

    Args:
        envoy: The program.
        found: The translation.
        shown: The certificate.
        upstream: Loopback port of what stands for the gateway.
        folder: Empty folder for its files.
    """
    admin, ports = free_port(), dict[str, int]()
    bootstrap: Json = {
        "admin": {"address": _loopback(admin)},
        "layeredRuntime": found.dumps["Bootstrap"]["bootstrap"]["layeredRuntime"],
        "staticResources": {
            "listeners": list(_listeners(found, ports)),
            "clusters": list(_clusters(found, upstream)),
            "secrets": [_secret(found, shown)],
        },
    }
    config = folder / "envoy.json"
    config.write_text(json.dumps(bootstrap), encoding="utf-8")
    line = [str(envoy), "--config-path", str(config), "--concurrency", "1"]
    with running(
        [*line, "--disable-hot-restart", "--log-level", "warning"],
        clean_environment(folder),
        port=admin,
        ready_path="/ready",
        log=folder / "envoy.log",
        within_seconds=_READY_WITHIN_SECONDS,
    ) as server:
        yield Proxy(server, ports, shown)


def _loopback(port: int) -> Json:
    return {"socketAddress": {"address": "127.0.0.1", "portValue": port}}


def _listeners(found: Translation, ports: dict[str, int]) -> Iterator[Json]:
    routes = {
        each["routeConfig"]["name"]: _untyped(each["routeConfig"])
        for each in found.dumps["Routes"]["dynamicRouteConfigs"]
    }
    for each in found.dumps["Listeners"]["dynamicListeners"]:
        listener = _untyped(each["activeState"]["listener"])
        name = listener["name"].rsplit("/", 1)[-1]
        ports[name] = free_port()
        listener["address"] = _loopback(ports[name])
        for place in list(_dicts(listener)):
            if "rds" in place:
                place["routeConfig"] = routes[place.pop("rds")["routeConfigName"]]
            for secret in place.get("tlsCertificateSdsSecretConfigs", []):
                del secret["sdsConfig"]  # a secret of the file's own
        yield listener


def _clusters(found: Translation, upstream: int) -> Iterator[Json]:
    for each in found.dumps["Clusters"]["dynamicActiveClusters"]:
        cluster = _untyped(each["cluster"])
        del cluster["edsClusterConfig"]
        endpoint = {"endpoint": {"address": _loopback(upstream)}, "loadBalancingWeight": 1}
        there = {"lbEndpoints": [endpoint], "loadBalancingWeight": 1, "locality": {"region": "r"}}
        yield cluster | {
            "type": "STATIC",
            "loadAssignment": {"clusterName": cluster["name"], "endpoints": [there]},
        }


def _untyped(resource: Json) -> Json:
    """A resource where its type is known, as in a file."""
    return {key: value for key, value in resource.items() if key != "@type"}


def _secret(found: Translation, shown: Certificate) -> Json:
    (name,) = {
        secret["name"]
        for place in _dicts(found.dumps["Listeners"])
        for secret in place.get("tlsCertificateSdsSecretConfigs", [])
    }
    chain, key = {"filename": str(shown.pem)}, {"filename": str(shown.key)}
    return {"name": name, "tlsCertificate": {"certificateChain": chain, "privateKey": key}}


def _dicts(value: object) -> Iterator[Json]:
    """Every object inside a JSON value, itself included."""
    if isinstance(value, dict):
        found = cast("Json", value)
        yield found
        for inner in found.values():
            yield from _dicts(inner)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _dicts(inner)
