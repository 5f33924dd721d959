"""Certificates for the tests of the server, made by the openssl command."""

import shutil
import subprocess
from pathlib import Path

import pytest

NEEDS_OPENSSL = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="the openssl command makes the certificates"
)


def make_authority(folder: Path) -> None:
    """`ca.crt` and `ca.key`, and signed by it, for 127.0.0.1: `server` and `client`."""
    _openssl(
        folder, "req -x509 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt"
    )
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("server", "client"):
        _openssl(folder, f"req -new -nodes -subj /CN={name} -keyout {name}.key -out csr")
        _openssl(
            folder,
            "x509 -req -in csr -CA ca.crt -CAkey ca.key -days 2 -extfile names"
            f" -out {name}.crt",
        )


def lock_key(folder: Path, name: str) -> None:
    """Write `locked.key`, with a password."""
    _openssl(folder, f"rsa -aes128 -passout pass:secret -in {name}.key -out locked.key")


def _openssl(folder: Path, command: str) -> None:
    subprocess.run(
        ["openssl", *command.split()], cwd=folder, check=True, capture_output=True
    )
