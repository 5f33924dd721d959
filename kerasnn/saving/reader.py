"""Exported networks loaded from their folders: predictions and the manifest."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from kerasnn.conformal import (
    DEFAULT_COVERAGE,
    check_coverage,
    check_validation_rows,
    with_best_class,
)
from kerasnn.datasets import (
    Notice,
    ReadOptions,
    Schema,
    raw_columns,
    read_table,
)
from kerasnn.datasets.files.frames import TableRead
from kerasnn.datasets.schema.checking import InvalidCell, check_rows, warned_table
from kerasnn.datasets.schema.drift import drift_notices
from kerasnn.errors import InputError
from kerasnn.explanations import contribution_frame, error_frame
from kerasnn.manifest import (
    DEFAULT_SIGNATURE,
    EXPLAIN_SIGNATURE,
    INTERVAL_SIGNATURE,
    MANIFEST,
    find_version,
    known_validation_rows,
    read_manifest,
)
from kerasnn.model_files import read_model_file
from kerasnn.novelty import REFERENCE_FILE, Reference, findings_table
from kerasnn.saving.session import SessionModel
from kerasnn.training.checks import checked_rows

_ROWS_PER_CALL = 8192  # the activations of an ensemble for more rows may not fit in memory


class SavedNetwork:
    """An exported network of rows of numbers; made by `load`.

    Attributes:
        folder: the version folder.
        manifest: the content of `assets.extra/kerasnn.json`.
        columns: names of the input columns, in order.
        dtype: of the input.
    """

    def __init__(
        self, folder: Path, manifest: dict[str, Any], *, allow: Collection[str] = ()
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self.columns, self.dtype = _network_input(folder / MANIFEST, manifest)
        self._model = _loaded(folder, allow)

    def predict(self, x: ArrayLike | Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return the named answers for raw rows.

        Args:
            x: [rows, n_in]; or a DataFrame or dict with the columns by name, in any order.

        Returns:
            `class` [rows] and `probabilities` [rows, n_classes], or `value` [rows, n_out].

        Raises:
            InputError: x has another shape, lacks a column, has no rows, or has a value
                that is not finite.
        """
        table: Any = pd.DataFrame(x) if isinstance(x, Mapping) else x
        rows = checked_rows(self._in_order(table), len(self.columns), self.dtype)
        outputs = self.manifest["outputs"]
        return _answers(self.folder, self._model, {"x": rows}, outputs)

    def explain(self, x: Any, **options: Any) -> pd.DataFrame:
        """Raise an error: only networks of tables can explain their answers.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{self.folder}: a network of rows of numbers has no signature 'explain';"
            " networks that kerasnn train, NetworkClassifier or NetworkRegressor have"
            " trained from a table have it"
        )

    def _in_order(self, table: Any) -> Any:
        """Return the network's columns of a DataFrame, in its order; arrays unchanged."""
        if not hasattr(table, "columns"):
            return table
        missing = [name for name in self.columns if name not in table.columns]
        if missing:
            raise InputError(
                f"x has no column {missing[0]!r} (of {len(missing)} missing);"
                f" it has {', '.join(map(str, table.columns))}"
            )
        return table[self.columns]


@dataclass(frozen=True)
class RowAnswers:
    """The answers for all rows of a table, whether or not a row can be answered.

    Attributes:
        outputs: as `SavedTable.predict` returns them; NaN, or None for text, in a row that
            is not answered.
        is_answered: [rows] False where a row has an invalid cell.
        invalid: the invalid cells.
        notices: columns that are unlike those of the training.
    """

    outputs: dict[str, NDArray[Any]]
    is_answered: NDArray[np.bool_]
    invalid: tuple[InvalidCell, ...]
    notices: tuple[Notice, ...]


class SavedTable:
    """An exported network that takes the columns of a table; made by `load`.

    Attributes:
        folder: the version folder.
        manifest: the content of `assets.extra/kerasnn.json`.
        schema: of its tables.
    """

    def __init__(
        self, folder: Path, manifest: dict[str, Any], *, allow: Collection[str] = ()
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self.schema = _table_schema(folder / MANIFEST, manifest)
        self._input_names = {i["column"]: name for name, i in manifest["inputs"].items()}
        self._model = _loaded(folder, allow)

    def predict(
        self, table: Any, *, reading: ReadOptions | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return the named answers for the rows of a table.

        Args:
            table: any source of `datasets.as_table`, with the columns of the schema in any
                order; other columns, missing values and unknown categories are allowed.
            reading: how to read a file; None guesses.

        Returns:
            `class` [rows] text and `probabilities` [rows, n_classes], in the order of
            `schema.target.classes`; or `value` [rows] or [rows, n_out].

        Raises:
            InputError: the table does not fit the schema.

        Warns:
            DataWarning: cells are spelled otherwise than in the training; or, in 10 rows
                or more, a column has no value that the network knows.
        """
        return self._outputs(self._strict_rows(table, reading), _Asked())

    def signature_outputs(
        self,
        signature: str,
        table: Any,
        *,
        options: Mapping[str, float] | None = None,
        reading: ReadOptions | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Return the named outputs of another signature for the rows of a table.

        Args:
            signature: its key in the SavedModel, for instance "explain".
            table: as for `predict`.
            options: of the signature by name, the same for all rows; those that are not
                given have their defaults.
            reading: as for `predict`.

        Raises:
            InputError: the SavedModel has no such signature or option, or the table does
                not fit the schema.
        """
        asked = self._asked(signature, options)
        return self._outputs(self._strict_rows(table, reading), asked)

    def predict_interval(
        self,
        table: Any,
        coverage: float = DEFAULT_COVERAGE,
        *,
        reading: ReadOptions | None = None,
    ) -> NDArray[np.float64]:
        """Return the lower and the upper end of an interval for each row.

        Args:
            table: as for `predict`.
            coverage: between 0 and 1: share of the rows whose value is inside.
            reading: as for `predict`.

        Returns:
            [rows, 2], or [rows, outputs, 2].

        Raises:
            InputError: the network predicts classes, is of an older version, or had too few
                rows for the coverage; or the table does not fit the schema.
        """
        found = self._covered(table, "regression", coverage, reading)
        return np.stack([found["lower"], found["upper"]], axis=-1).astype(np.float64)

    def predict_set(
        self,
        table: Any,
        coverage: float = DEFAULT_COVERAGE,
        *,
        allow_empty: bool = True,
        reading: ReadOptions | None = None,
    ) -> NDArray[np.bool_]:
        """Return which classes each row may have, in the order of `schema.target.classes`.

        Args:
            table: as for `predict`.
            coverage: between 0 and 1: share of the rows whose class is in the set.
            allow_empty: whether a set may be empty. Otherwise it has the most probable
                class, and the sets cover more.
            reading: as for `predict`.

        Returns:
            [rows, classes].

        Raises:
            InputError: the network predicts numbers, is of an older version, or had too few
                rows for the coverage; or the table does not fit the schema.
        """
        found = self._covered(table, "classification", coverage, reading)
        inside = found["in_set"]
        return inside if allow_empty else with_best_class(inside, found["probabilities"])

    @property
    def has_intervals(self) -> bool:
        """True if the SavedModel has intervals of values, or sets of classes."""
        return INTERVAL_SIGNATURE in self.manifest.get("signatures", {})

    def check_interval(self, coverage: float) -> None:
        """Check that there are intervals, or sets, of a coverage.

        Raises:
            InputError: there are none; or the coverage is not between 0 and 1.
        """
        check_coverage(coverage)
        self._asked(INTERVAL_SIGNATURE, {})
        check_validation_rows(coverage, known_validation_rows(self.manifest))

    def _covered(
        self, table: Any, task: str, coverage: float, reading: ReadOptions | None
    ) -> dict[str, NDArray[Any]]:
        """Return the outputs of the signature `interval`; check the network's task."""
        target = self.schema.target
        if target is not None and target.task != task:
            other = "classes, use predict_set"
            if task == "classification":
                other = "numbers, use predict_interval"
            raise InputError(f"{self.folder}: the network predicts {other}")
        self.check_interval(coverage)
        rows = self._strict_rows(table, reading)
        return self._outputs(rows, self._asked(INTERVAL_SIGNATURE, {"coverage": coverage}))

    def check(self, table: Any, *, reading: ReadOptions | None = None) -> pd.DataFrame:
        """Return which rows are unlike those of the training, and why.

        Args:
            table: as for `predict`.
            reading: as for `predict`.

        Returns:
            As `NetworkClassifier.check`: `unusual`, `columns` and `reason` of each row.

        Raises:
            InputError: the table does not fit the schema, or the SavedModel was exported
                without the signature `check`.
        """
        asked = self._asked("check", None)
        rows = self._strict_rows(table, reading)
        return findings_table(self._outputs(rows, asked), rows, self.schema)

    @cached_property
    def reference(self) -> Reference:
        """The statistics of the training rows that new tables are compared with.

        Raises:
            InputError: the SavedModel was exported without it, or it is damaged.
        """
        path = self.folder / REFERENCE_FILE
        try:
            content = read_model_file(path, self.folder)
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read ({error.strerror}); versions of kerasnn before"
                " `kerasnn check` did not write it: train and export the network anew"
            ) from None
        found = Reference.from_json(content, source=path)
        if [column.bins.name for column in found.columns] != [*self.schema.names]:
            raise InputError(f"{path}: its columns are not those of the schema")
        return found

    def explain(
        self,
        table: Any,
        *,
        of: Any = None,
        standard_errors: bool = False,
        reading: ReadOptions | None = None,
    ) -> pd.DataFrame:
        """Return how much each column moves the answer of each row away from the mean.

        Args:
            table: as for `predict`.
            of: a class, or the number of a value; see `NetworkClassifier.explain`, which
                describes the result too.
            standard_errors: return the standard errors of the contributions instead.
            reading: as for `predict`.

        Raises:
            InputError: the SavedModel has no signature "explain", the table does not fit
                the schema, or there is no such class or value.
        """
        outputs = self.signature_outputs(EXPLAIN_SIGNATURE, table, reading=reading)
        target = self.schema.target
        frame = error_frame if standard_errors else contribution_frame
        return frame(outputs, self.schema.names, target.classes if target else (), of=of)

    def _strict_rows(self, table: Any, reading: ReadOptions | None) -> pd.DataFrame:
        """Return checked rows of a table, every cell of which can be read."""
        read = self._read(table, reading)
        return warned_table(read.table, self.schema, reading=reading)

    def answer_rows(
        self,
        table: Any,
        *,
        reading: ReadOptions | None = None,
        signature: str = DEFAULT_SIGNATURE,
        options: Mapping[str, float] | None = None,
    ) -> RowAnswers:
        """Return the answers for the rows that can be answered, in their places.

        Args:
            table: as for `predict`.
            reading: as for `predict`.
            signature: as for `signature_outputs`.
            options: as for `signature_outputs`.

        Raises:
            InputError: a column is missing, or the SavedModel has no such signature or
                option.
        """
        asked = self._asked(signature, options)
        read = self._read(table, reading)
        checked = check_rows(read.table, self.schema, strict=False, reading=reading)
        is_answered = np.ones(len(checked.rows), np.bool_)
        is_answered[[cell.row for cell in checked.invalid]] = False
        unseen = {name for notice in checked.notices for name in notice.columns}
        drift = drift_notices(checked.rows, self.schema)
        return RowAnswers(
            outputs={
                name: _blanked(values, ~is_answered)
                for name, values in self._outputs(checked.rows, asked).items()
            },
            is_answered=is_answered,
            invalid=checked.invalid,
            notices=(*checked.notices, *(n for n in drift if not unseen & {*n.columns})),
        )

    def _read(self, table: Any, reading: ReadOptions | None) -> TableRead:
        options = replace(reading or ReadOptions(), empty_rows=True)
        return read_table(table, options, self.schema.names)

    def _asked(self, signature: str, options: Mapping[str, float] | None) -> "_Asked":
        """Return a signature with its inputs for options, and their values.

        Raises:
            InputError: the SavedModel has no such signature or option.
        """
        if signature == DEFAULT_SIGNATURE:
            return _Asked()
        known, options = self.manifest.get("signatures", {}), options or {}
        if signature not in known:
            raise InputError(
                f"{self.folder}: the SavedModel has no signature {signature!r}"
                f" ({', '.join([DEFAULT_SIGNATURE, *known])}); a network that is trained"
                " and exported anew has all that this version of kerasnn knows"
            )
        described = known[signature]["options"]
        unknown = [name for name in options if name not in described]
        if unknown:
            raise InputError(
                f"{self.folder}: the signature {signature!r} has no option"
                f" {unknown[0]!r}; it has {', '.join(described) or 'none'}"
            )
        values = {
            one["input"]: float(options.get(name, one["default"]))
            for name, one in described.items()
        }
        return _Asked(signature, values)

    def _outputs(self, rows: pd.DataFrame, asked: "_Asked") -> dict[str, NDArray[Any]]:
        starts = range(0, max(len(rows), 1), _ROWS_PER_CALL)
        parts = [self._answers(rows.iloc[i : i + _ROWS_PER_CALL], asked) for i in starts]
        return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}

    def _answers(self, rows: pd.DataFrame, asked: "_Asked") -> dict[str, NDArray[Any]]:
        columns = raw_columns(rows)
        inputs = {self._input_names[column]: v for column, v in columns.items()}
        inputs |= {name: np.full(len(rows), v) for name, v in asked.options.items()}
        outputs = self.manifest["outputs"]
        if asked.signature != DEFAULT_SIGNATURE:
            outputs = self.manifest["signatures"][asked.signature]["outputs"]
        answers = _answers(self.folder, self._model, inputs, outputs, asked.signature)
        return {n: _as_text(v) if v.dtype == object else v for n, v in answers.items()}


@dataclass(frozen=True)
class _Asked:
    """A signature, and the values of its inputs for options, the same for all rows."""

    signature: str = DEFAULT_SIGNATURE
    options: Mapping[str, float] = field(default_factory=dict)


def _blanked(values: NDArray[Any], blank: NDArray[np.bool_]) -> NDArray[Any]:
    """Return [rows, ...] values, NaN or None in some rows."""
    if not blank.any():
        return values
    values = values.astype(object if values.dtype.kind not in "f" else values.dtype)
    values[blank] = None if values.dtype == object else np.nan
    return values


def load(folder: str | Path, *, allow: Collection[str] = ()) -> SavedNetwork | SavedTable:
    """Load a network that `kerasnn.export`, or an estimator's `export`, has written.

    A SavedModel is a program. Before it runs, its graph is checked for operations that can
    reach files, other machines or Python.

    Args:
        folder: a version folder, or the folder above it; then the newest version is loaded.
        allow: types of such operations that the graph may have all the same, for instance
            ("ReadFile",).

    Returns:
        A `SavedTable` if the network takes the columns of a table, else a `SavedNetwork`.

    Raises:
        InputError: the folder does not exist, is not a kerasnn export, or its graph holds
            operations that are not allowed.
    """
    version_folder = find_version(Path(folder))
    manifest = read_manifest(version_folder)
    kind = SavedTable if "schema" in manifest else SavedNetwork
    return kind(version_folder, manifest, allow=allow)


def _loaded(folder: Path, allow: Collection[str]) -> SessionModel:
    """Check and load a SavedModel.

    Raises:
        InputError: it is damaged, or holds unsafe operations.
    """
    try:
        model = SessionModel(folder, allow=allow)
    except InputError:
        raise
    except Exception as error:  # TensorFlow may raise anything for a damaged one
        raise InputError(f"{folder}: the SavedModel is damaged: {error}") from None
    if DEFAULT_SIGNATURE not in model.signatures:
        raise InputError(f"{folder}: the SavedModel has no signature {DEFAULT_SIGNATURE}")
    return model


def _answers(
    folder: Path,
    model: SessionModel,
    inputs: Mapping[str, NDArray[Any]],
    outputs: Mapping[str, Any],
    signature: str = DEFAULT_SIGNATURE,
) -> dict[str, NDArray[Any]]:
    """Return the answers of a SavedModel, which need not be what its manifest says.

    Args:
        folder: of the version.
        model: in it.
        inputs: by name, [rows, ...].
        outputs: of the manifest, by name.
        signature: that is asked.

    Raises:
        InputError: it has no such signature, input or output, or fails.
    """
    try:
        given = model.answers(inputs, signature=signature)
    except KeyError as error:
        raise InputError(
            f"{folder}: the SavedModel has no signature or input {error}"
        ) from None
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise InputError(f"{folder}: the SavedModel does not answer: {error}") from None
    rows = len(next(iter(inputs.values())))
    for name, described in outputs.items():
        shape = [rows, *described["shape"][1:]]
        found = given.get(name)
        dtype = None if found is None else _dtype_name(found)
        if found is None or list(found.shape) != shape or dtype != described["dtype"]:
            got = "it is missing" if found is None else f"got {list(found.shape)} {dtype}"
            raise InputError(
                f"{folder}: the output {name} must be {shape} {described['dtype']}, as in"
                f" {MANIFEST}; {got}"
            )
    return {name: given[name] for name in outputs}


def _dtype_name(values: NDArray[Any]) -> str:
    return "string" if values.dtype == object else str(values.dtype)


def _network_input(path: Path, manifest: Mapping[str, Any]) -> tuple[list[str], str]:
    """Return columns and type of the input of a network of numbers.

    Raises:
        InputError: the manifest does not describe them as it should.
    """
    described = manifest["inputs"].get("x", {})
    columns, shape = described.get("columns"), described.get("shape")
    if list(manifest["inputs"]) != ["x"] or not columns or shape != [None, len(columns)]:
        raise InputError(f"{path}: inputs must be x with a name for each of its columns")
    if described["dtype"] not in ("float32", "float64"):
        raise InputError(
            f"{path}: inputs.x.dtype must be float32 or float64; got {described['dtype']!r}"
        )
    return columns, described["dtype"]


def _table_schema(path: Path, manifest: Mapping[str, Any]) -> Schema:
    """Return the schema of a network of a table, checked against inputs and outputs.

    Raises:
        InputError: they do not fit each other.
    """
    schema = Schema.from_dict(manifest["schema"])
    columns = [described.get("column") for described in manifest["inputs"].values()]
    unique = len(set(schema.names)) == len(schema.names)
    if not columns or not unique or sorted(map(str, columns)) != sorted(schema.names):
        raise InputError(f"{path}: inputs and schema must have the same columns, each once")
    if schema.target is None:
        raise InputError(f"{path}: schema has no target")
    classes = schema.target.classes
    wanted = {"probabilities": [None, len(classes)], "class": [None]}
    if schema.target.task == "regression":
        wanted = {"value": [None]}
    for name, shape in wanted.items():
        found = manifest["outputs"].get(name, {}).get("shape")
        if found != shape and not (name == "value" and found):
            raise InputError(
                f"{path}: outputs.{name}.shape must be {shape} for the {len(classes)}"
                f" classes of the target; got {found}"
            )
    return schema


def _as_text(values: NDArray[Any]) -> NDArray[np.object_]:
    texts = np.empty(values.shape, object)
    texts[:] = [value.decode() for value in values]
    return texts
