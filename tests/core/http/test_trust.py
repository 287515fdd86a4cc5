"""A host with a certificate of its own authority is trusted where that is named."""

import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ao_core.errors import ConfigError, Unavailable
from ao_core.http import Api
from ao_core.http.retry import Backoff
from receiver import Receiver, says


def certified(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for loopback that is its own authority, and a server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "authority.pem", folder / "key.pem"
    public.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[tuple[Receiver, Path]]:
    authority, context = certified(tmp_path)
    with Receiver(context) as receiver:
        yield receiver, authority


async def test_an_authority_of_ones_own_is_trusted(hosted: tuple[Receiver, Path]) -> None:
    receiver, authority = hosted
    receiver.answers.append(says("there"))
    async with Api("vendor", receiver.url, verify=authority) as api:
        assert await api.ask("GET", into=str) == "there"


async def test_nobody_else_trusts_it(hosted: tuple[Receiver, Path]) -> None:
    receiver, _ = hosted
    async with Api("vendor", receiver.url, backoff=Backoff(1)) as api:
        with pytest.raises(Unavailable, match="no connection") as caught:
            await api.ask("GET", into=str)
    assert "certificate" in (caught.value.hint or "")


@pytest.mark.parametrize("written", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----"])
async def test_a_file_that_holds_no_authority_is_refused_with_a_remedy(
    written: bytes | None, tmp_path: Path
) -> None:
    file = tmp_path / "authority.pem"
    if written is not None:
        file.write_bytes(written)
    with pytest.raises(ConfigError, match=r"authority\.pem") as caught:
        async with Api("vendor", "https://x.test", verify=file):
            pass
    assert caught.value.hint
