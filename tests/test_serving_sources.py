"""Where models lie, which versions are wanted, and what a configuration says."""

import os
from pathlib import Path

import pytest

from kerasnn.errors import InputError
from kerasnn.serving.models.sources import (
    ModelSource,
    folder_sources,
    parse_config,
    version_folders,
)


def make_folders(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)


# --- versions ---------------------------------------------------------------------


def test_a_version_is_a_folder_whose_name_is_a_whole_number(tmp_path):
    make_folders(tmp_path, "2", "0010", "0", "9223372036854775807")
    make_folders(tmp_path, "9223372036854775808", "-1", "+3", "1.5", "v4", "5 ", "٣", "tmp")
    (tmp_path / "7").touch()  # a file
    assert version_folders(tmp_path) == {
        9223372036854775807: tmp_path / "9223372036854775807",
        10: tmp_path / "0010",
        2: tmp_path / "2",
        0: tmp_path / "0",
    }
    assert list(version_folders(tmp_path)) == [9223372036854775807, 10, 2, 0]


def test_of_two_names_for_a_number_that_without_zeros_counts(tmp_path):
    make_folders(tmp_path, "1", "01", "001")
    assert version_folders(tmp_path) == {1: tmp_path / "1"}


@pytest.mark.parametrize("name", ["missing", "file"])
def test_where_there_is_no_folder_there_are_no_versions(tmp_path, name):
    (tmp_path / "file").touch()
    assert version_folders(tmp_path / name) == {}


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(tmp_path, monkeypatch):
    def fail(self):
        raise OSError(5, "Input/output error", str(self))

    monkeypatch.setattr(Path, "iterdir", fail)
    with pytest.raises(OSError, match="Input/output error"):
        version_folders(tmp_path)
    with pytest.raises(OSError, match="Input/output error"):
        folder_sources(tmp_path)()


@pytest.mark.parametrize(
    ("policy", "numbers"),
    [
        ({}, [10]),
        ({"latest": 2}, [10, 9]),
        ({"latest": 5}, [10, 9, 1]),
        ({"latest": None}, [10, 9, 1]),
        ({"versions": (1,)}, [1]),
        ({"versions": (1, 10, 4)}, [10, 1]),
        ({"versions": (4,)}, []),
        ({"latest": None, "versions": (9,)}, [9]),
    ],
    ids=str,
)
def test_versions_are_wanted_by_number(tmp_path, policy, numbers):
    there = {n: tmp_path / str(n) for n in (10, 9, 1)}
    wanted = ModelSource(tmp_path, **policy).wanted(there)
    assert list(wanted.items()) == [(n, tmp_path / str(n)) for n in numbers]


# --- a folder of models -----------------------------------------------------------


def test_every_folder_with_a_version_is_a_model(tmp_path):
    make_folders(tmp_path, "b/1", "a/3", "a/tmp", "empty", "notes/v1", ".hidden/1")
    (tmp_path / "README.md").touch()
    look = folder_sources(tmp_path, latest=2, versions=(3,))
    assert look() == {
        name: ModelSource(tmp_path / name, latest=2, versions=(3,)) for name in "ab"
    }
    assert list(look()) == ["a", "b"]


def test_each_look_is_a_new_one(tmp_path):
    look = folder_sources(tmp_path)
    assert look() == {}
    make_folders(tmp_path, "a/1")
    assert look() == {"a": ModelSource(tmp_path / "a")}
    (tmp_path / "a" / "1").rmdir()
    assert look() == {}


def test_a_folder_of_versions_is_one_model_of_its_own_name(tmp_path, monkeypatch):
    make_folders(tmp_path, "digits/1", "digits/other/1")
    folder = tmp_path / "digits"
    expected = {"digits": ModelSource(folder)}
    assert folder_sources(folder)() == expected
    monkeypatch.chdir(folder)
    look = folder_sources(Path("."))
    monkeypatch.chdir(tmp_path)
    assert look() == expected


def test_a_folder_that_is_not_there_has_no_models(tmp_path):
    assert folder_sources(tmp_path / "missing")() == {}


@pytest.mark.parametrize("name", ["two words", "a:b", "größe", "a%2Fb", "..a", "a\nb"])
def test_odd_names_are_names(tmp_path, name):
    make_folders(tmp_path, f"{name}/1")
    known = {} if name.startswith(".") else {name: ModelSource(tmp_path / name)}
    assert folder_sources(tmp_path)() == known


def test_a_name_that_is_no_text_is_left_out(tmp_path):
    os.makedirs(os.fsencode(tmp_path) + b"/bad\xff/1")
    assert folder_sources(tmp_path)() == {}


def test_a_link_is_followed(tmp_path):
    make_folders(tmp_path, "releases/7/1", "models")
    (tmp_path / "models" / "a").symlink_to(tmp_path / "releases" / "7")
    source = folder_sources(tmp_path / "models")()["a"]
    assert list(version_folders(source.folder)) == [1]


# --- a configuration --------------------------------------------------------------


def config(*models):
    return "model_config_list {" + "".join(f"config {{ {m} }}" for m in models) + "}"


A = 'name: "a" base_path: "/models/a"'


def test_the_models_of_a_configuration():
    text = config(
        f'{A} model_platform: "tensorflow"',
        'name: "b" base_path: "/b" model_platform: "tensorflow"'
        " model_version_policy { latest { num_versions: 3 } }",
        'name: "c" base_path: "/c" model_platform: "tensorflow"'
        " model_version_policy { all {} }",
        'name: "d" base_path: "/d" model_platform: "tensorflow"'
        " model_version_policy { specific { versions: 4 versions: 2 } }"
        ' version_labels { key: "stable" value: 2 }'
        ' version_labels { key: "canary" value: 4 }',
        'name: "e" base_path: "/e" model_type: TENSORFLOW'
        " model_version_policy { latest {} }",
    )
    assert parse_config(text) == {
        "a": ModelSource(Path("/models/a"), latest=1),
        "b": ModelSource(Path("/b"), latest=3),
        "c": ModelSource(Path("/c"), latest=None),
        "d": ModelSource(Path("/d"), versions=(4, 2), labels={"stable": 2, "canary": 4}),
        "e": ModelSource(Path("/e"), latest=1),
    }


def test_a_list_may_be_empty():
    assert parse_config("model_config_list {}") == {}


NO_PLATFORM = (
    "Illegal setting neither ModelServerConfig::model_type (deprecated) nor"
    " ModelServerConfig::model_platform, model name is a"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a ModelServerConfig must have a model_config_list; this has none"),
        (
            "custom_model_config {}",
            "a ModelServerConfig must have a model_config_list; this has none",
        ),
        (
            config(*[f'{A} model_platform: "tensorflow"'] * 2),
            "Illegal to list model a multiple times in config list",
        ),
        (
            config('name: "a" base_path: "models/a" model_platform: "tensorflow"'),
            "Expected model a to have an absolute path or URI; got base_path()=models/a",
        ),
        (
            config('base_path: "/a" model_platform: "tensorflow"'),
            "each model of a model_config_list must have a name; one has none",
        ),
        (config(A), NO_PLATFORM),
        (
            config(f'{A} model_platform: "pytorch"'),
            'the model_platform of model a must be "tensorflow"; got "pytorch"',
        ),
        (
            config(f"{A} model_type: OTHER"),
            'the model_platform of model a must be "tensorflow"; got "other"',
        ),
        (
            config(f'{A} model_type: TENSORFLOW model_platform: "tensorflow"'),
            "Illegal setting both ModelServerConfig::model_type (deprecated) and"
            " ModelServerConfig::model_platform, model name is a",
        ),
        (
            config(
                f'{A} model_platform: "tensorflow" model_version_policy {{ specific {{}} }}'
            ),
            "model a: the policy specific must name versions; it names none",
        ),
    ],
)
def test_a_configuration_that_cannot_be_served_is_told(text, message):
    with pytest.raises(InputError) as caught:
        parse_config(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["model_config_list {", "models {}"])
def test_a_configuration_that_cannot_be_parsed_says_where(text):
    with pytest.raises(InputError) as caught:
        parse_config(text)
    # The rest is protobuf's own.
    assert str(caught.value).startswith(
        "Error parsing text-format tensorflow.serving.ModelServerConfig: 1:"
    )
