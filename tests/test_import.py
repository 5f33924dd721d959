"""Starting is cheap: TensorFlow is loaded when it is used."""

import subprocess
import sys

import pytest

import kerasnn

HEAVY = ("tensorflow", "keras", "sklearn", "pandas", "matplotlib", "scipy")


def loaded_after(code, modules=HEAVY):
    report = f"import sys; print([m for m in {modules} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "code",
    [
        "import kerasnn; dir(kerasnn)",
        "from kerasnn.cli import cli; cli(['--help'], standalone_mode=False)",
        "from kerasnn.cli import cli; cli(['train', '--help'], standalone_mode=False)",
        "from kerasnn.cli import cli; cli(['tune', '--help'], standalone_mode=False)",
        "from kerasnn.cli import cli; cli(['serve', '--help'], standalone_mode=False)",
        "import kerasnn.manifest",
    ],
)
def test_nothing_heavy_is_loaded(code):
    assert loaded_after(code) == "[]"


def test_keras_models_are_trained_without_what_only_tables_need():
    modules = ("sklearn.ensemble", "kerasnn.estimators")
    assert loaded_after("import keras, kerasnn; kerasnn.fit", modules) == "[]"


def test_every_public_name_is_there():
    for name in kerasnn.__all__:
        assert getattr(kerasnn, name) is not None


def test_export_is_a_function_even_after_its_room_was_imported():
    import kerasnn.saving

    assert callable(kerasnn.export)
    assert kerasnn.export is kerasnn.saving.export


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"^module 'kerasnn' has no attribute 'fti'$"):
        kerasnn.fti  # noqa: B018
