"""Predictions of a SavedModel that is loaded here."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kerasnn.cli.console import quiet_tensorflow
from kerasnn.cli.messages import cli_messages
from kerasnn.cli.predict.asked import AskedAnswers, RowContext
from kerasnn.cli.predict.output import MAX_LISTED, AnsweredRows, prediction_table
from kerasnn.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from kerasnn.datasets import Notice, ReadOptions
    from kerasnn.saving import RowAnswers, SavedNetwork, SavedTable


def local_answers(
    model: Path,
    allow: tuple[str, ...],
    file: Path,
    reading: "ReadOptions",
    *,
    fail: bool,
    asked: AskedAnswers,
    notices: "list[Notice]",
) -> Iterator[AnsweredRows]:
    """Return the predictions for the rows of a file, a table at a time.

    Args:
        model: folder of a SavedModel.
        allow: types of operations that are allowed although the policy refuses them.
        file: as for `datasets.as_table`.
        reading: how to read it.
        fail: whether a cell that cannot be read is an error.
        asked: what stands beside the predictions.
        notices: to which is appended what was guessed of the file.

    Raises:
        InputError: the model cannot be loaded or lacks what is asked, or the file does not
            fit it.
    """
    network = _load(model, allow)
    from kerasnn import datasets, saving

    if isinstance(network, saving.SavedTable):
        if asked.interval is not None:
            network.check_interval(asked.interval)
        return _table_answers(network, file, reading, fail, asked, notices)
    if asked.names:
        raise InputError(
            f"{network.folder}: a network of rows of numbers, such as a lesson's, has no"
            f" {', '.join(asked.names)}; a network that kerasnn train FILE trains has"
        )
    rows = datasets.read_numbers(
        file, network.columns, dtype=network.dtype, options=reading
    )
    answers = prediction_table(network.predict(rows.to_numpy()), None)
    return iter([AnsweredRows(rows, answers)])


def _load(model: Path, allow: tuple[str, ...]) -> "SavedNetwork | SavedTable":
    with quiet_tensorflow():
        from kerasnn import saving
    with cli_messages():
        return saving.load(model, allow=allow)


def _table_answers(
    network: "SavedTable",
    file: Path,
    reading: "ReadOptions",
    fail: bool,
    asked: AskedAnswers,
    notices: "list[Notice]",
) -> Iterator[AnsweredRows]:
    from kerasnn.datasets.files.table_files import bounded_chunks, in_rows_from

    target = network.schema.target
    classes = target.classes if target is not None else ()
    start = 0
    options = dataclasses.replace(reading, empty_rows=True)
    for chunk in bounded_chunks(
        file, options=options, needed=network.schema.names, notices=notices
    ):

        def ask(signature: str, chunk: "pd.DataFrame" = chunk) -> "RowAnswers":
            return network.answer_rows(
                chunk,
                reading=reading,
                signature=signature,
                options=asked.options(signature),
            )

        try:
            first = ask(asked.first)
            if fail and first.invalid:
                raise InputError(first.invalid[0].message)
            context = RowContext(chunk, classes, network.schema, reading)
            predictions = asked.table(first.outputs, lambda key: ask(key).outputs, context)
        except InputError as error:
            raise InputError(f"{file}: {in_rows_from(start)}{error}") from None
        yield AnsweredRows(
            chunk,
            predictions,
            tuple(cell.moved(start).message for cell in first.invalid[:MAX_LISTED]),
            int((~first.is_answered).sum()),
            first.notices,
        )
        start += len(chunk)
