"""Files in the folder of a SavedModel that are links, pipes or devices, or too long."""

import os

import pytest

from kerasnn.errors import InputError
from kerasnn.manifest import MANIFEST, read_manifest
from kerasnn.model_files import check_model_file, read_model_file


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "1" / "assets.extra").mkdir(parents=True)
    return tmp_path / "1"


def test_a_pipe_is_refused_and_not_opened(folder):
    os.mkfifo(folder / MANIFEST)
    with pytest.raises(InputError, match="is no regular file, but a pipe, a device or a s"):
        read_manifest(folder)


@pytest.mark.parametrize("target", ["/dev/zero", "../../secret"])
def test_a_link_out_of_the_folder_is_refused(folder, target):
    (folder.parent / "secret").write_text("{}")
    (folder / MANIFEST).symlink_to(target)
    with pytest.raises(InputError, match="leads out of the folder of its version"):
        read_manifest(folder)


def test_links_to_the_folder_and_inside_it_are_followed(folder):
    (folder / "b").write_bytes(b"here")
    (folder / "a").symlink_to("b")
    (folder.parent / "link").symlink_to(folder)
    link = folder.parent / "link"
    assert read_model_file(link / "a", link) == b"here"
    check_model_file(link / "assets.extra", link)


def test_a_file_is_read_up_to_a_size(folder):
    (folder / "a").write_bytes(b"12345")
    assert read_model_file(folder / "a", folder, max_bytes=5) == b"12345"
    with pytest.raises(InputError, match="it may have at most 4 bytes; it has more"):
        read_model_file(folder / "a", folder, max_bytes=4)
    with pytest.raises(FileNotFoundError):
        read_model_file(folder / "b", folder)
