"""Reasons beside predictions: the columns that moved an answer most, and all by number."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

N_REASONS = 3
_MAX_LETTERS = 40  # of a cell
OUTPUTS = ("contributions", "standard_error", "base")  # of `explain`, beside the answer


def reason_table(
    outputs: Mapping[str, Any],
    rows: "pd.DataFrame",
    columns: Sequence[str],
    classes: Sequence[str],
) -> "pd.DataFrame":
    """Return reason_1, reason_2, ..., mean_answer and contribution_<column>.

    A reason names the column, its cell and its contribution: "age=52 (+0.83)". The answer
    is that of `contribution_frame`; empty cells stand for a row without an answer.

    Args:
        outputs: of the signature `explain`.
        rows: [rows, columns] raw.
        columns: of the network.
        classes: of the target; none for a regression.
    """
    import pandas as pd

    from kerasnn.explanations import contribution_frame

    frame = contribution_frame(outputs, columns, classes)
    numbers = frame.iloc[:, :-1].to_numpy()
    order = abs(numbers).argsort(axis=1, kind="stable")[:, ::-1][:, :N_REASONS]
    cells = [rows[name].tolist() for name in columns]
    texts = [
        [
            f"{columns[c]}={_cell(cells[c][row])} ({numbers[row, c]:+.3g})"
            if numbers[row, c] == numbers[row, c]
            else None
            for c in chosen
        ]
        for row, chosen in enumerate(order)
    ]
    names = [f"reason_{i + 1}" for i in range(order.shape[1])]
    found = pd.DataFrame(texts, columns=names, dtype=object)
    found["mean_answer"] = frame.iloc[:, -1].to_numpy()
    contributions = pd.DataFrame(numbers, columns=[f"contribution_{c}" for c in columns])
    return found.join(contributions)


def _cell(value: object) -> str:
    """Return the text of a cell, "missing" for a missing one."""
    import pandas as pd

    if value is None or value is pd.NaT or value != value or value == "":
        return "missing"
    text = f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
    return text if len(text) <= _MAX_LETTERS else f"{text[: _MAX_LETTERS - 3]}..."
