"""The features that preprocessing makes of a table: fitted values, names, JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.choices import ColumnKind
from kerasnn.errors import InputError
from kerasnn.preprocessing.frequent_values import FrequentValues
from kerasnn.preprocessing.levels import Levels
from kerasnn.preprocessing.scaling import LinearScaling
from kerasnn.preprocessing.texts import TextVectors

_FORMAT = 1


class Prepared(NamedTuple):
    """Rows as a network takes them.

    Attributes:
        x: [rows, n_in] float32: scaled numbers, then columns of -1, 0 and 1.
        codes: [rows, n_embedded] int32, codes of each embedded column.
    """

    x: NDArray[np.float32]
    codes: NDArray[np.int32]


@dataclass(frozen=True)
class Number:
    """A scaled feature: a numeric column, or a part of a date or a text.

    Attributes:
        column: its name.
        part: one of `dates.DATE_PARTS` or `TextVectors.parts`; "" for a numeric column.
    """

    column: str
    part: str = ""

    @property
    def feature_name(self) -> str:
        """The name of the column and of the part."""
        return f"{self.column} {self.part}".rstrip()


@dataclass(frozen=True, eq=False)
class Features:
    """The fitted values of preprocessing.

    The columns of x are the scaled numbers (0 where missing); a missing indicator (1 where
    missing) for each column in `missing`; then for each boolean or categorical column of
    few levels one column of -1 and 1, or a column of 0 and 1 for each level. They are all
    0 for an unknown level. Columns of many levels become `codes`, in which 0 is unknown.

    Attributes:
        kinds: of all columns of the schema, by name, in order.
        numbers: scaled features.
        scaling: their scaling.
        missing: columns that have a missing indicator.
        in_x: levels of columns that are part of x.
        embedded: levels of columns that become codes.
        frequent: values of numeric columns that have codes too; these come last.
        date_formats: of the columns whose dates are not in ISO 8601.
        missing_texts: of the columns in which texts beside `MISSING_TEXTS` mean missing.
        texts: vectors of free text.
    """

    kinds: Mapping[str, ColumnKind]
    numbers: tuple[Number, ...]
    scaling: LinearScaling
    missing: tuple[str, ...]
    in_x: tuple[Levels, ...]
    embedded: tuple[Levels, ...]
    frequent: tuple[FrequentValues, ...] = ()
    date_formats: Mapping[str, str] = field(default_factory=dict)
    missing_texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    texts: tuple[TextVectors, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the raw table, in order."""
        return tuple(self.kinds)

    @property
    def n_numeric(self) -> int:
        """Number of scaled numbers, the first columns of x."""
        return len(self.numbers)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """A name for each column of x: "age", "age missing", "workclass=Private"."""
        return (
            *(number.feature_name for number in self.numbers),
            *(f"{column} missing" for column in self.missing),
            *(name for levels in self.in_x for name in levels.feature_names),
        )

    @cached_property
    def of_columns(self) -> dict[str, tuple[list[int], list[int]]]:
        """The positions in x and in codes of each column's features."""
        found: dict[str, tuple[list[int], list[int]]] = {n: ([], []) for n in self.names}
        in_x = [number.column for number in self.numbers]
        in_x += self.missing
        in_x += [kept.column for kept in self.in_x for _ in kept.feature_names]
        in_codes = [kept.column for kept in self.embedded]
        in_codes += [frequent.column for frequent in self.frequent]
        for i, columns in enumerate((in_x, in_codes)):
            for position, column in enumerate(columns):
                found[column][i].append(position)
        return found

    @property
    def n_in(self) -> int:
        """Number of columns of x."""
        return len(self.feature_names)

    @property
    def n_embedded(self) -> int:
        """Number of columns of codes."""
        return len(self.embedded) + len(self.frequent)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes of each column of codes, with 0."""
        kept = (
            *(levels.texts for levels in self.embedded),
            *(frequent.values for frequent in self.frequent),
        )
        return tuple(len(one) + 1 for one in kept)

    def input_specs(self) -> dict[str, tf.TensorSpec]:
        """Return the type of each raw column, [rows].

        Numeric columns are float64, NaN where missing. All others are text, in which "" and
        the other `MISSING_TEXTS` are missing; dates are in ISO 8601 or in the column's
        format, invalid ones count as missing.
        """
        return {
            name: tf.TensorSpec([None], tf.float64 if kind == "numeric" else tf.string)
            for name, kind in self.kinds.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        texts = {name: list(found) for name, found in self.missing_texts.items()}
        return {
            **({"date_formats": dict(self.date_formats)} if self.date_formats else {}),
            **({"missing_texts": texts} if texts else {}),
            "format": _FORMAT,
            "kinds": dict(self.kinds),
            "numbers": [vars(number) for number in self.numbers],
            "scaling": self.scaling.to_dict(),
            "missing": list(self.missing),
            "levels": [
                {**vars(levels), "texts": list(levels.texts)}
                for levels in (*self.in_x, *self.embedded)
            ],
            "repeated": [
                {"column": frequent.column, "values": list(frequent.values)}
                for frequent in self.frequent
            ],
            "texts": [vectors.to_dict() for vectors in self.texts],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Return the features that `to_dict` wrote.

        Raises:
            InputError: the content has another format.
        """
        if content.get("format") != _FORMAT:
            raise InputError(
                f"this is not preprocessing of format {_FORMAT};"
                f" its format is {content.get('format')!r}"
            )
        levels = [Levels(**{**c, "texts": tuple(c["texts"])}) for c in content["levels"]]
        return cls(
            kinds=dict(content["kinds"]),
            numbers=tuple(Number(**number) for number in content["numbers"]),
            scaling=LinearScaling.from_dict(content["scaling"]),
            missing=tuple(content["missing"]),
            in_x=tuple(kept for kept in levels if kept.form != "codes"),
            embedded=tuple(kept for kept in levels if kept.form == "codes"),
            frequent=tuple(
                FrequentValues(c["column"], tuple(c["values"])) for c in content["repeated"]
            ),
            date_formats=dict(content.get("date_formats", {})),
            missing_texts={
                name: tuple(texts)
                for name, texts in content.get("missing_texts", {}).items()
            },
            texts=tuple(TextVectors.from_dict(c) for c in content.get("texts", ())),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as JSON values: the graph's tables are created again."""
        return type(self).from_dict, (self.to_dict(),)
