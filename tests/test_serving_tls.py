import ssl
from dataclasses import replace

import pytest
from serving_certificates import NEEDS_OPENSSL, lock_key, make_authority

from kerasnn.errors import InputError
from kerasnn.serving.options import TlsFiles
from kerasnn.serving.tls import read_tls

pytestmark = NEEDS_OPENSSL


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    make_authority(folder)
    lock_key(folder, "server")
    return folder


@pytest.fixture
def files(folder):
    return TlsFiles(folder / "server.crt", folder / "server.key")


def refused(files):
    with pytest.raises(InputError) as caught:
        read_tls(files)
    return str(caught.value)


def test_both_servers_get_what_they_need(files):
    tls = read_tls(files)
    assert tls.certificate == files.certificate.read_bytes()
    assert tls.key == files.key.read_bytes()
    assert tls.client_authority is None
    assert tls.context.verify_mode == ssl.CERT_NONE


def test_an_authority_for_clients_makes_their_certificates_required(files, folder):
    tls = read_tls(replace(files, client_authority=folder / "ca.crt"))
    assert tls.client_authority == (folder / "ca.crt").read_bytes()
    assert tls.context.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("field", "option"),
    [
        ("certificate", "--tls-cert"),
        ("key", "--tls-key"),
        ("client_authority", "--tls-client-ca"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_by_its_option(files, folder, field, option):
    told = refused(replace(files, **{field: folder / "no"}))
    assert told == f"{option} {folder / 'no'}: No such file or directory"


@pytest.mark.parametrize("key", ["client.key", "names", "locked.key"])
def test_a_key_of_another_or_none_or_a_locked_one_is_told(files, folder, key):
    told = refused(replace(files, key=folder / key))
    assert told.startswith(
        f"--tls-cert {files.certificate} and --tls-key {folder / key}: must be PEM files of"
        " a certificate and its key without a password; "
    )


def test_an_authority_that_is_none_is_told(files, folder):
    told = refused(replace(files, client_authority=folder / "names"))
    start = f"--tls-client-ca {folder / 'names'}: must be a PEM file of certificates; "
    assert told.startswith(start)
