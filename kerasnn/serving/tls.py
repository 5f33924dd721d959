"""The files for TLS of REST and gRPC, read before the models are loaded."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from kerasnn.errors import InputError
from kerasnn.serving.options import TlsFiles


@dataclass(frozen=True)
class Tls:
    """Keys and certificates for the two servers.

    Attributes:
        context: for REST.
        certificate: for gRPC, as are the others.
        key: of the certificate.
        client_authority: None: clients need no certificate.
    """

    context: ssl.SSLContext
    certificate: bytes
    key: bytes
    client_authority: bytes | None


def read_tls(files: TlsFiles) -> Tls:
    """Read the files, and check that they belong together.

    Raises:
        InputError: one cannot be read or used; the message names its option.
    """
    certificate = _content("--tls-cert", files.certificate)
    key = _content("--tls-key", files.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise InputError(
            f"--tls-cert {files.certificate} and --tls-key {files.key}: must be PEM files"
            f" of a certificate and its key without a password; {error}"
        ) from None
    authority = None
    if files.client_authority is not None:
        authority = _content("--tls-client-ca", files.client_authority)
        _require_clients(context, files.client_authority)
    return Tls(context, certificate, key, authority)


def _require_clients(context: ssl.SSLContext, authority: Path) -> None:
    try:
        context.load_verify_locations(authority)
    except ssl.SSLError as error:
        raise InputError(
            f"--tls-client-ca {authority}: must be a PEM file of certificates; {error}"
        ) from None
    context.verify_mode = ssl.CERT_REQUIRED


def _content(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{option} {path}: {error.strerror}") from None


def _no_password() -> NoReturn:
    # Otherwise OpenSSL asks for it on the terminal, and the server seems to hang.
    raise ValueError("the key has a password")
