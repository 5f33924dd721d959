"""Requests beside the predictions: intervals or sets, reasons, unusual rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasnn.cli.console import quiet_tensorflow
from kerasnn.cli.predict.output import prediction_table
from kerasnn.cli.predict.reasons import OUTPUTS, reason_table
from kerasnn.manifest import (
    CHECK_SIGNATURE,
    DEFAULT_SIGNATURE,
    EXPLAIN_SIGNATURE,
    INTERVAL_SIGNATURE,
)

if TYPE_CHECKING:
    import pandas as pd

    from kerasnn.datasets import ReadOptions, Schema

# From the key of a signature to its named outputs for the rows.
Ask = Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True)
class AskedAnswers:
    """The options of answers beside the predictions; see the help."""

    interval: float | None
    explain: bool
    check: bool

    @property
    def names(self) -> list[str]:
        """The options that ask for a signature that only networks of tables have."""
        asked = {"interval": self.interval is not None}
        asked |= {"explain": self.explain, "check": self.check}
        return [f"--{name}" for name, is_asked in asked.items() if is_asked]

    @property
    def first(self) -> str:
        """The signature of the predictions."""
        if self.interval is not None:
            return INTERVAL_SIGNATURE
        return EXPLAIN_SIGNATURE if self.explain else DEFAULT_SIGNATURE

    def options(self, signature: str) -> dict[str, float]:
        """Return the options of a signature."""
        if signature == INTERVAL_SIGNATURE and self.interval is not None:
            return {"coverage": self.interval}
        return {}

    def table(
        self, outputs: Mapping[str, Any], ask: Ask, context: "RowContext"
    ) -> "pd.DataFrame":
        """Return the predictions of rows, and what is asked beside them.

        Args:
            outputs: of the signature `first`.
            ask: asks another signature about the rows.
            context: the rows.
        """
        predictions = prediction_table(
            {name: v for name, v in outputs.items() if name not in OUTPUTS},
            context.classes,
        )
        if self.explain:
            is_first = self.first == EXPLAIN_SIGNATURE
            reasons = outputs if is_first else ask(EXPLAIN_SIGNATURE)
            predictions = predictions.join(_reasons(reasons, context))
        if self.check:
            predictions = predictions.join(_unusual(ask(CHECK_SIGNATURE), context))
        return predictions


@dataclass(frozen=True)
class RowContext:
    """Rows, and the words for them.

    Attributes:
        rows: [rows, columns] raw.
        classes: names of the probabilities; None numbers them.
        schema: of a network of tables, else None.
        reading: how cells are read.
    """

    rows: "pd.DataFrame"
    classes: Sequence[str] | None
    schema: "Schema | None"
    reading: "ReadOptions"


def _reasons(outputs: Mapping[str, Any], context: RowContext) -> "pd.DataFrame":
    with quiet_tensorflow():
        import kerasnn.explanations  # noqa: F401
    assert context.schema is not None
    return reason_table(outputs, context.rows, context.schema.names, context.classes or ())


def _unusual(outputs: Mapping[str, Any], context: RowContext) -> "pd.DataFrame":
    """Return `unusual`, `unusual_columns` and `unusual_reason`; empty without an answer."""
    with quiet_tensorflow():
        from kerasnn.novelty import findings_table
    import pandas as pd

    from kerasnn.datasets import check_rows

    assert context.schema is not None
    checked = check_rows(
        context.rows, context.schema, strict=False, reading=context.reading
    )
    found = findings_table(outputs, checked.rows, context.schema).reset_index(drop=True)
    # None stands in a row that is not answered.
    found["unusual"] = pd.Series([*outputs["unusual"].tolist()], dtype=object)
    return found.rename(columns={"columns": "unusual_columns", "reason": "unusual_reason"})
