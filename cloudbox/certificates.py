"""The box's own certificate authority, and a server certificate for the Google host names that it answers for.

The clients stay unmodified: they still ask for `us-central1-aiplatform.googleapis.com` and verify its certificate.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloudbox.box import HOST, Box

VALID_FOR = timedelta(days=365)
RENEWED_BEFORE = timedelta(days=30)


def ensure_certificates(box: Box) -> bool:
    """Whether new certificates were written: there were none, or they were about to expire.

    The authority's key is thrown away: nothing can be signed with it later.
    """
    if _is_valid(box):
        return False
    home = box.home
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _name("Google Cloud in a box: authority")
    public = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    ca = (
        _certificate(authority, authority, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_authority_usage(), critical=True)
        .add_extension(public, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    server = (
        _certificate(_name("Google Cloud in a box"), authority, server_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(_names(box)), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(public), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    key = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    home.write(home.ca, ca.public_bytes(serialization.Encoding.PEM).decode())
    home.write(home.server_key, key.decode())
    home.write(home.server_certificate, server.public_bytes(serialization.Encoding.PEM).decode())
    return True


def _is_valid(box: Box) -> bool:
    home = box.home
    if not (home.ca.is_file() and home.server_certificate.is_file() and home.server_key.is_file()):
        return False
    certificate = x509.load_pem_x509_certificate(home.server_certificate.read_bytes())
    return certificate.not_valid_after_utc - datetime.now(UTC) > RENEWED_BEFORE


def _names(box: Box) -> list[x509.GeneralName]:
    """A wildcard stands for one label; a dedicated endpoint's host has one more before its region."""
    hosts = [
        "*.googleapis.com",
        "*.prediction.vertexai.goog",
        f"*.{box.region}-{box.project_number}.prediction.vertexai.goog",
        "localhost",
    ]
    return [*map(x509.DNSName, hosts), x509.IPAddress(ipaddress.ip_address(HOST))]


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + VALID_FOR)
    )


def _authority_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
