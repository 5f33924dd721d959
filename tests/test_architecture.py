"""Data flows one way: a room imports only from the rooms above it."""

import ast
import runpy
from pathlib import Path

import pytest

import kerasnn

PACKAGE = Path(__file__).parents[1] / "kerasnn"

# From the ground up, for the package and for its large rooms. Neighbours on one line do not
# import each other; a room that is not listed here has no order of its own.
ORDERS = {
    "kerasnn": [
        {"choices", "errors", "deadline", "notebook", "model_paths", "startup"},
        {"progress", "json_forms", "model_files", "system"},
        {"reference", "manifest", "graphs"},
        {"checkpoints"},
        {"datasets"},
        {"losses", "metrics", "layers", "splits", "trees", "reports"},
        {"preprocessing"},
        {"models"},
        {"training"},
        {"acceleration", "many"},
        {"conformal"},
        {"ensembles"},
        {"novelty", "explanations"},
        {"saving"},
        {"estimators"},
        {"lessons", "tables", "serving", "tuning"},
        {"learn"},
        {"cli"},
        {"__init__", "__main__"},
    ],
    "kerasnn.datasets": [
        {"names", "notices"},
        {"cells"},
        {"files"},
        {"schema"},
        {"profiling", "shards"},
        {"iris", "digits"},
    ],
    "kerasnn.datasets.schema": [
        {"schema", "hints", "inputs"},
        {"limits", "kinds"},
        {"drift"},
        {"other_formats"},
        {"checking"},
        {"columns", "ids", "target", "free_text"},
        {"inference"},
    ],
    "kerasnn.many": [{"result"}, {"fit_many"}],
    "kerasnn.splits": [{"columns"}, {"folds"}, {"holdout"}],
    "kerasnn.preprocessing": [
        {"dates", "scaling", "levels", "texts"},
        {"graph_dates", "frequent_values"},
        {"features"},
        {"graph"},
        {"preprocessor"},
    ],
    "kerasnn.conformal": [
        {"floor", "quantiles", "features", "scale"},
        {"intervals", "sets"},
    ],
    "kerasnn.tables": [
        {"files", "parts", "validation"},
        {"test_rows"},
        {"rows"},
        {"streamed", "time_limit"},
        {"fitting", "evaluation"},
        {"reasons", "drift"},
        {"measurement"},
        {"report"},
        {"exporting"},
    ],
    "kerasnn.training": [
        {"keras_names", "steps", "optimizers", "checks"},
        {"compiled"},
        {"learner", "callbacks"},
        {"checkpoints", "runner"},
        {"feeds"},
        {"distribution"},
        {"validation", "fallback", "paths"},
        {"epochs"},
        {"trainer"},
        {"fit", "evaluate", "predict"},
        {"keras_model"},
    ],
    "kerasnn.learn": [
        {"settings"},
        {"rows"},
        {"session"},
        {"frames", "program"},
        {"sessions"},
        {"app"},
        {"server"},
    ],
    "kerasnn.serving": [
        {"errors", "options", "prometheus", "client"},
        {"metrics", "access_log", "ports", "tls", "in_flight"},
        {"saved_model"},
        {"models"},
        {"inference"},
        {"service", "batching_file"},
        {"examples"},
        {"http"},
        {"rest", "grpc", "page"},
        {"app"},
        {"server"},
    ],
}
# Two sides never meet: rows know no TensorFlow, networks know no tables.
FORBIDDEN = {
    "reference": {"tensorflow", "keras", "pandas"},
    "datasets": {"tensorflow", "keras"},
    "splits": {"tensorflow", "keras"},
    "manifest": {"tensorflow", "keras", "pandas", "sklearn"},
    "checkpoints": {"tensorflow", "keras", "pandas", "sklearn"},
    "system": {"tensorflow", "keras", "numpy", "pandas", "sklearn"},
    "choices": {"tensorflow", "keras", "numpy", "pandas", "sklearn"},
    "json_forms": {"tensorflow", "keras", "numpy", "pandas", "sklearn"},
    "errors": {"tensorflow", "keras", "numpy", "pandas", "sklearn"},
    "graphs": {"keras", "pandas", "sklearn"},
    "layers": {"pandas", "kerasnn.datasets"},
    "losses": {"pandas", "kerasnn.datasets"},
    "metrics": {"pandas", "kerasnn.datasets"},
    "models": {"pandas", "kerasnn.datasets"},
    "training": {"pandas", "kerasnn.datasets"},
    "ensembles": {"pandas", "kerasnn.datasets", "kerasnn.preprocessing"},
    # It starts fast, and serves any SavedModel.
    "serving": {"pandas", "keras", "sklearn", "matplotlib", "kerasnn.datasets"}
    | {"kerasnn.saving", "kerasnn.training", "kerasnn.models", "kerasnn.layers"},
    # It asks from a machine without TensorFlow, with the rows of a table.
    "serving/client": {"tensorflow", "keras", "sklearn", "starlette", "uvicorn", "grpc"},
}
# The doors between the sides: where a fit is given the path of a table, and where a request
# for a table's network is read as a table's rows.
DOORS = {
    "training/paths/table_source.py": {"kerasnn.datasets"},
    "serving/saved_model/plain_cells.py": {"kerasnn.datasets"},
    "serving/saved_model/table_cells.py": {"kerasnn.datasets"},
    "serving/saved_model/table_inputs.py": {"pandas", "kerasnn.datasets"},
}


def room_of(path):
    relative = path.relative_to(PACKAGE)
    if relative.parent.as_posix() in FORBIDDEN:
        return relative.parent.as_posix()
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


FILES = sorted(PACKAGE.rglob("*.py"))


def place(name, order):
    """The line of the order on which a name stands; None if it is no room of it."""
    return next((i for i, rooms in enumerate(order) if name in rooms), None)


def module_of(path):
    """The name of a file's module; the face of a package stands above its rooms."""
    parts = ["kerasnn", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts)


@pytest.mark.parametrize("room", ORDERS)
def test_every_module_has_its_place(room):
    folder = PACKAGE.joinpath(*room.split(".")[1:])
    names = {path.stem for path in folder.glob("*.py")}
    names |= {path.parent.name for path in folder.glob("*/__init__.py")}
    listed = [name for line in ORDERS[room] for name in line]
    assert sorted(listed) == sorted(names - ({"__init__"} if room != "kerasnn" else set()))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_upwards_only(path):
    here = module_of(path).split(".")
    for name in imported(path):
        there = name.split(".")
        for depth in range(1, min(len(here), len(there))):
            if here[:depth] != there[:depth] or here[depth] == there[depth]:
                continue
            order = ORDERS.get(".".join(here[:depth]), [])
            mine, other = place(here[depth], order), place(there[depth], order)
            if mine is not None and other is not None:
                assert other < mine, f"{path} imports {name}"


@pytest.mark.slow
def test_no_modules_import_each_other():
    house = runpy.run_path(str(PACKAGE.parent / "scripts" / "house.py"))
    assert house["circles"](house["read"](PACKAGE)) == []


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
