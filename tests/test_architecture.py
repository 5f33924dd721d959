"""Data flows one way: a room imports only from the rooms above it."""

import ast
from pathlib import Path

import pytest

import kerasnn

PACKAGE = Path(__file__).parents[1] / "kerasnn"

# In this order. What stands on one line does not import its neighbours.
ROOMS = [
    {"choices", "errors"},
    {"reference", "manifest", "checkpoints", "abandoned"},
    {"datasets"},
    {"losses", "metrics", "layers"},
    {"preprocessing"},
    {"models"},
    {"training"},
    {"ensembles"},
    {"saving"},
    {"estimators"},
    {"reports"},
    {"lessons", "tables", "serving", "remote", "tuning"},
    {"cli"},
    {"__init__", "__main__"},
]
# Two sides never meet: rows know no TensorFlow, networks know no tables.
FORBIDDEN = {
    "reference": {"tensorflow", "keras", "pandas"},
    "datasets": {"tensorflow", "keras"},
    "manifest": {"tensorflow", "keras", "pandas", "sklearn"},
    "checkpoints": {"tensorflow", "keras", "pandas", "sklearn"},
    "abandoned": {"tensorflow", "keras", "numpy", "pandas", "sklearn"},
    "choices": {"tensorflow", "keras", "numpy", "pandas", "sklearn"},
    "errors": {"tensorflow", "keras", "numpy", "pandas", "sklearn"},
    "layers": {"pandas", "kerasnn.datasets"},
    "losses": {"pandas", "kerasnn.datasets"},
    "metrics": {"pandas", "kerasnn.datasets"},
    "models": {"pandas", "kerasnn.datasets"},
    "training": {"pandas", "kerasnn.datasets"},
    "ensembles": {"pandas", "kerasnn.datasets", "kerasnn.preprocessing"},
    "remote": {"tensorflow", "keras", "sklearn"},
    # It starts fast, and serves any SavedModel.
    "serving": {"pandas", "keras", "sklearn", "matplotlib", "kerasnn.datasets"}
    | {"kerasnn.saving", "kerasnn.training", "kerasnn.models", "kerasnn.layers"},
}
# The one door between the sides: where a fit is given the path of a table.
DOORS = {"training/feeds/table_source.py": {"kerasnn.datasets"}}


def room_of(path):
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imported(path):
    """Every module that a file imports, `from a import b` as both a and a.b.

    What it takes from the package itself, `kerasnn.fit`, counts as its home.
    """
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            names |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "kerasnn":
            names.add(f"kerasnn.{node.attr}")
    return {kerasnn._HOME.get(name.removeprefix("kerasnn."), name) for name in names}


def test_a_public_name_counts_as_its_home(tmp_path):
    for code in ("import kerasnn\nkerasnn.fit", "from kerasnn import fit"):
        (tmp_path / "module.py").write_text(code)
        assert "kerasnn.training" in imported(tmp_path / "module.py")


def rank(room):
    return next(i for i, rooms in enumerate(ROOMS) if room in rooms)


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_file_is_in_a_room():
    assert {room_of(path) for path in FILES} == set().union(*ROOMS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_upwards_only(path):
    here = room_of(path)
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "kerasnn" or len(parts) == 1 or here == "__init__":
            continue
        there = parts[1]
        if there == here or not any(there in rooms for rooms in ROOMS):
            continue  # its own room, or a name such as kerasnn.__version__
        assert rank(there) < rank(here), f"{path} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_two_sides_do_not_meet(path):
    door = DOORS.get(path.relative_to(PACKAGE).as_posix(), set())
    forbidden = FORBIDDEN.get(room_of(path), set()) - door
    names = imported(path)
    met = {f for f in forbidden for n in names if n == f or n.startswith(f + ".")}
    assert not met


# Each of them with its reason, and a test of its own (tests/test_keras_names.py).
PRIVATE_NAMES = PACKAGE / "training" / "keras_names.py"


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path != PRIVATE_NAMES],
    ids=lambda p: str(p.relative_to(PACKAGE)),
)
def test_no_private_name_of_another_package(path):
    private = {
        n for n in imported(path) if n.startswith(("tensorflow.python", "keras.src"))
    }
    assert not private
