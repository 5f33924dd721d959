"""Paths in place of arrays: `fit`, `evaluate` and `predict` on tables in files.

The columns for the model are written to shards once, and training reads the shards. This
module decides which columns these are, and where the shards are stored and for how long.
`kerasnn.datasets` reads the files. No other module of training knows about tables.
"""

import contextlib
import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import keras
import numpy as np

from kerasnn.checkpoints import ROWS_FOLDER
from kerasnn.errors import InputError
from kerasnn.system.partial_folders import ROWS, remove, temporary_folder
from kerasnn.training import keras_names
from kerasnn.training.checkpoints.run_checkpoints import RunCheckpoints
from kerasnn.training.distribution.workers import workers_of
from kerasnn.training.paths.model_inputs import matrix_input, named_inputs

if TYPE_CHECKING:  # pandas takes a while to load, and most fits do not need it
    from kerasnn.datasets import NumberRows, Shards

P = ParamSpec("P")
R = TypeVar("R")


def takes_tables(function: Callable[P, R]) -> Callable[P, R]:
    """Let `fit`, `evaluate` or `predict` also take a path and the names of columns."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = signature.bind(*args, **kwargs)
        given = bound.arguments
        if not any(map(_is_path, (given.get("x"), *_validation_data(given)[:1]))):
            return function(*args, **kwargs)
        _check_possible(given)
        if function.__name__ != "predict":
            keras_names.assert_compiled(given["model"], function.__name__)
        run = _run(given)  # before anything is written: it may raise
        if "seed" in signature.parameters:
            given["seed"] = _seed(given, run)
        with _rows_folder(run) as folder:
            given |= _on_disk(given, folder)
            return function(*bound.args, **bound.kwargs)

    return called


@dataclass(frozen=True)
class _RowsFolder:
    """The folder of a call's shards.

    Attributes:
        path: in the folder of the checkpoints, or temporary.
        temporary: whether it is removed after the call.
        resumed: whether a run that wrote the shards is resumed.
    """

    path: Path
    temporary: bool = False
    resumed: bool = False

    def shards(self, rows: "NumberRows", name: str) -> "Shards":
        """Return rows as shards: those of an earlier run, or new ones.

        Raises:
            InputError: the existing shards are of other files or columns.
        """
        from kerasnn.datasets import open_shards

        folder = self.path / name
        if self.temporary:
            return rows.write(folder, {})
        if self.resumed and not folder.exists():
            raise InputError(
                f"{folder}: does not exist; the resumed run stored its rows there"
            )
        notes = rows.described()
        if not folder.exists():
            return rows.write(folder, notes)
        shards = open_shards(folder)
        if shards.notes != notes:
            raise InputError(
                f"{folder}: holds other rows: {_difference(shards.notes, notes)}; another"
                " folder for checkpoint= starts a new training"
            )
        return shards


@contextlib.contextmanager
def _rows_folder(run: RunCheckpoints | None) -> Iterator[_RowsFolder]:
    if run is not None:
        path = run.folder.folder / ROWS_FOLDER
        with run.folder.locked():  # one training owns the rows, too
            yield _RowsFolder(path, resumed=run.found is not None)
        return
    path = temporary_folder(ROWS)
    try:
        yield _RowsFolder(path, temporary=True)
    finally:
        remove(path)


def _on_disk(given: dict[str, Any], folder: _RowsFolder) -> dict[str, Any]:
    """Return the arguments that change: rows on disk in place of paths."""
    from kerasnn.datasets import ShuffledShards

    model, columns = given["model"], None
    rows = {}  # all are checked before any is written
    if _is_path(given.get("x")):
        names = [given.pop(name, None) for name in ("y", "sample_weight")]
        rows["training"] = _number_rows(model, given["x"], *names)
        columns = rows["training"].inputs[0].columns
    validation = _validation_data(given)
    if _is_path(*validation[:1]):
        rows["validation"] = _number_rows(model, *validation, columns=columns)
    seeds = {"training": given.get("seed") or 0, "validation": 0}
    arguments = {"training": "x", "validation": "validation_data"}
    return {
        arguments[name]: ShuffledShards(folder.shards(some, name), seed=seeds[name])
        for name, some in rows.items()
    }


def _number_rows(
    model: keras.Model,
    path: str | Path,
    target: Any = None,
    weight: Any = None,
    *,
    columns: Sequence[str] | None = None,
) -> "NumberRows":
    """Return which columns of a table become inputs, target and sample weights.

    Args:
        model: has one input, which gets a matrix, or several, which get columns.
        path: of the table.
        target: name of its column.
        weight: name of its column.
        columns: of the matrix; None for all others, in the order of the file.
    """
    from kerasnn import datasets

    for argument, name in {"y": target, "sample_weight": weight}.items():
        if not isinstance(name, str | None):
            raise InputError(
                f"{argument} must be the name of a column where x is a path; got"
                f" {type(name).__name__}"
            )
    files = datasets.table_files(path)
    present = datasets.column_names(files)
    reserved = [name for name in (target, weight) if name is not None]
    datasets.check_columns(reserved, present, files[0])
    inputs = [
        datasets.InputArray(name, (name,), dtype, flat)
        for name, dtype, flat in named_inputs(model)
    ]
    if not inputs:
        if columns is None:
            columns = [name for name in present if name not in reserved]
        name, dtype, flat = matrix_input(model, columns, str(files[0]))
        inputs = [datasets.InputArray(name, tuple(columns), dtype, flat)]
    wanted = [name for array in inputs for name in array.columns]
    datasets.check_columns(wanted, present, files[0])
    return datasets.NumberRows(files, tuple(inputs), target, weight)


def _check_possible(given: Mapping[str, Any]) -> None:
    """Check that the other arguments may be combined with a path.

    Raises:
        InputError: the model or another argument may not.
    """
    model = given["model"]
    if not isinstance(model, keras.Model):
        raise InputError(
            "a tf.Module network takes arrays; its Keras twin (kerasnn.models) takes the"
            " path of a table"
        )
    workers_of(model).refuse_several(
        "several workers each read their own shards: write them once with"
        " kerasnn.datasets.write_shards and give ShuffledShards in place of a path"
    )
    if not _is_path(given.get("x")):
        return
    if given.get("class_weight") is not None:
        raise InputError(
            "class_weight is for rows in memory; with a path give sample_weight=, the name"
            " of a column"
        )
    if given.get("validation_split"):
        raise InputError(
            "validation_split is for rows in memory; with a path give validation_data="
            "(path, name of the target)"
        )


def _run(given: Mapping[str, Any]) -> RunCheckpoints | None:
    """Return the run that a fit starts or resumes; None without checkpoints.

    Raises:
        InputError: it may not start.
    """
    if given.get("checkpoint") is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit itself warns later
        return RunCheckpoints(given["checkpoint"], resume=given.get("resume", False))


def _seed(given: Mapping[str, Any], run: RunCheckpoints | None) -> int | None:
    """Return the seed of a fit: that of its run, the given one, or a random one."""
    seed = given.get("seed")
    if run is not None:
        seed = run.setting("seed", seed)
    if seed is None and _is_path(given.get("x")):
        seed = int(np.random.randint(2**31))  # noqa: NPY002 - as Keras seeds it
    return seed


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Describe how the notes of shards differ."""
    old, new = before.get("files", {}), now["files"]
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            return f"{name} is gone"
        if old.get(name) != new[name]:
            return f"{name} {'has changed' if name in old else 'is new'}"
    for key in ("target", "weight"):
        if before[key] != now[key]:
            return f"the {key} was {before[key]!r} and is {now[key]!r}"
    return "the columns for the model were others"


def _validation_data(given: Mapping[str, Any]) -> tuple[Any, ...]:
    data = given.get("validation_data")
    return data if isinstance(data, tuple) else (data,)


def _is_path(value: Any) -> bool:
    return isinstance(value, str | Path)
