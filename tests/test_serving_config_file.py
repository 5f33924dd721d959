import pytest

from kerasnn.errors import InputError
from kerasnn.serving.models.config_file import ConfigFile


def config(*names):
    models = "".join(
        f'config {{ name: "{n}" base_path: "/m/{n}" model_platform: "tensorflow" }}\n'
        for n in names
    )
    return f"model_config_list {{ {models} }}"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "models.config"
    path.write_text(config("a"))
    return path


def test_the_file_is_read_again_when_it_has_changed(path):
    sources = ConfigFile(path)
    first = sources()
    assert list(first) == ["a"]
    assert sources() is first
    path.write_text(config("a", "b"))
    assert list(sources()) == ["a", "b"]


def test_a_file_that_is_damaged_later_is_told_once_and_changes_nothing(path, caplog):
    sources = ConfigFile(path)
    path.write_text("model_config_list { nonsense }")
    assert [list(sources()), list(sources())] == [["a"], ["a"]]
    (told,) = caplog.messages
    assert told.startswith(
        f"--model-config-file {path}: Error parsing text-format"
        " tensorflow.serving.ModelServerConfig: "
    )
    assert told.endswith("; the previous models stay")
    path.write_text(config("b"))
    assert list(sources()) == ["b"]


def test_a_file_that_goes_later_changes_nothing(path, caplog):
    sources = ConfigFile(path)
    path.unlink()
    assert list(sources()) == ["a"]
    assert caplog.messages == [
        f"--model-config-file {path}: No such file or directory; the previous models stay"
    ]


def test_a_file_that_is_not_there_at_the_start_is_an_error(tmp_path):
    with pytest.raises(InputError) as caught:
        ConfigFile(tmp_path / "no")
    told = f"--model-config-file {tmp_path / 'no'}: No such file or directory"
    assert str(caught.value) == told


def test_a_file_that_is_not_text_is_an_error(path):
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError) as caught:
        ConfigFile(path)
    assert str(caught.value) == f"--model-config-file {path}: is not text"
