"""Trust for tests alone: a CA, a Noise root, and a copy of neonize that trusts only them.

Three barriers keep a client in a test off the real service: the proxy, this CA, and this Noise root.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
import shutil
import ssl
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from relay.crypto import KeyPair
from relay.net import MEDIA_HOST, WEB_HOST
from relay.protobuf import pack

REAL_ROOT = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")
"""The root of Noise certificates that is compiled into the library: 32 bytes, found exactly once."""
DAY = 86_400


def prepare(folder: Path) -> None:
    """Write trust roots to `folder`/trust and the copy of neonize to `folder`/site, unless they are there."""
    trust, site = folder / "trust", folder / "site"
    if site.exists():
        return
    trust.mkdir(parents=True)
    (trust / "empty").mkdir()
    root = KeyPair()
    (trust / "noise_root.key").write_bytes(root.private)
    _write_certificates(trust)
    copy_neonize(folder / "unfinished", root.public)
    (folder / "unfinished").rename(site)


def copy_neonize(site: Path, root: bytes) -> None:
    """Copy the installed package, with another root of Noise certificates in its library."""
    source, target = installed_neonize(), site / "neonize"
    skipped = shutil.ignore_patterns("*.so", "*.dll", "*.dylib", "__pycache__")
    shutil.copytree(source, target, ignore=skipped)
    for library in source.glob("neonize-*"):
        data = library.read_bytes()
        if data.count(REAL_ROOT) != 1:
            raise SystemExit(f"{library.name}: the root key is there {data.count(REAL_ROOT)} times, not once")
        (target / library.name).write_bytes(data.replace(REAL_ROOT, root))


def installed_neonize() -> Path:
    """Return the folder of the installed package, without importing it, which would load the library."""
    spec = importlib.util.find_spec("neonize")
    if spec is None or spec.submodule_search_locations is None:
        raise SystemExit("neonize is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def client_environment(folder: Path, proxy: int) -> dict[str, str]:
    """Return the environment of a client's process: the copy first, our CA alone, all through the proxy."""
    dropped = {"no_proxy", "https_proxy", "http_proxy", "all_proxy"}
    kept = {name: value for name, value in os.environ.items() if name.lower() not in dropped}
    url = f"http://127.0.0.1:{proxy}"
    return kept | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(folder / "site"), os.environ.get("PYTHONPATH")])),
        "SSL_CERT_FILE": str(folder / "trust" / "ca.pem"),
        "SSL_CERT_DIR": str(folder / "trust" / "empty"),
        "HTTPS_PROXY": url,
        "HTTP_PROXY": url,
    }


def tls_context(trust: Path) -> ssl.SSLContext:
    """Return the TLS context with the relay's certificate, for both hosts that it plays."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trust / "tls.pem")
    return context


def noise_certificates(trust: Path, public: bytes) -> bytes:
    """Return the CertChain of a handshake: leaf (the server's key) and intermediate, signed by the root.

    CertChain{leaf=1, intermediate=2}, each {details=1, signature=2}; details {serial=1, issuerSerial=2,
    key=3, notBefore=4, notAfter=5}; the root's serial is 0.
    """
    root = KeyPair((trust / "noise_root.key").read_bytes())
    start = int(time.time()) - DAY
    intermediate = KeyPair()
    inner = pack(f1=1, f2=0, f3=intermediate.public, f4=start, f5=start + 30 * DAY)
    leaf = pack(f1=2, f2=1, f3=public, f4=start, f5=start + 30 * DAY)
    return pack(f1=pack(f1=leaf, f2=intermediate.sign(leaf)), f2=pack(f1=inner, f2=root.sign(inner)))


def _write_certificates(trust: Path) -> None:
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay test CA")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay test server")])
    hosts = x509.SubjectAlternativeName([x509.DNSName(WEB_HOST), x509.DNSName(MEDIA_HOST)])
    ca = (
        _certificate(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    leaf = (
        _certificate(name, ca_name, key.public_key())
        .add_extension(hosts, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (trust / "ca.pem").write_bytes(ca.public_bytes(pem))
    (trust / "tls.pem").write_bytes(leaf.public_bytes(pem) + private)


def _certificate(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
    )
