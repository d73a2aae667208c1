"""Keys, certificate, token and kubeconfig of one control plane; all random, none on a command line.

The authority's own key is never stored: it signs one certificate and is forgotten.
"""

import base64
import datetime
import ipaddress
import secrets
import uuid

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tools.control_plane.layout import Layout, write

CONTEXT = "inference-embedded"
"""Name of the kubeconfig's context, cluster and user."""
_LIFE = datetime.timedelta(days=3650)  # longer than any data folder; `down` throws the keys away
_SKEW = datetime.timedelta(hours=1)  # a clock that is set back a little must not break the cluster
_TOKEN_BYTES = 32


def ensure(layout: Layout) -> str:
    """Make what is missing and return the administrator's token.

    The token file is written last, so its presence means that everything is there.
    """
    if not layout.tokens.is_file():
        _write_certificates(layout)
        _write_account_keys(layout)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        # system:masters is the group that RBAC never restricts.
        write(layout.tokens, f'{token},admin,{uuid.uuid4()},"system:masters"\n')
    return layout.tokens.read_text().partition(",")[0]


def kubeconfig(ca_pem: str, server: str, token: str) -> str:
    """The text of a kubeconfig that needs no other file."""
    authority = base64.b64encode(ca_pem.encode()).decode()
    cluster = {"server": server, "certificate-authority-data": authority}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": CONTEXT, "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        "current-context": CONTEXT,
    }
    return yaml.safe_dump(document, sort_keys=False)


def _write_certificates(layout: Layout) -> None:
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{CONTEXT}-ca")])
    key = ec.generate_private_key(ec.SECP256R1())
    authority = (
        _certificate(authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CONTEXT)])
    names = [
        x509.DNSName("localhost"),
        x509.DNSName("kubernetes.default.svc"),
        x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
    ]
    # Server and client: etcd lets nobody in but the holder of this certificate.
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    leaf = (
        _certificate(subject, authority_name, key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    write(layout.ca, authority.public_bytes(serialization.Encoding.PEM).decode())
    write(layout.certificate, leaf.public_bytes(serialization.Encoding.PEM).decode())
    write(layout.key, _private_pem(key))


def _write_account_keys(layout: Layout) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write(layout.account_key, _private_pem(key))
    write(layout.account_public_key, public.decode())


def _certificate(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
