"""The terminal: JSON on standard output, status texts, a quiet start of TensorFlow."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from kerasnn.errors import UNSAFE_CHARACTERS, printable
from kerasnn.startup import quiet_import
from kerasnn.system.termination import ends_at_once

if TYPE_CHECKING:
    import pandas as pd

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object on standard output, everything else on standard error.",
)


def print_json(content: Mapping[str, Any]) -> None:
    """Print one object on standard output."""
    text = json.dumps(content, ensure_ascii=False)
    click.echo(UNSAFE_CHARACTERS.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def echo_line(text: str, *, err: bool = False) -> None:
    """Print one line; control characters in names and messages are escaped."""
    click.echo(printable(text), err=err)


@contextmanager
def status_on_terminal(text: str) -> Iterator[None]:
    """Show a text on a terminal while something runs, and erase it afterwards."""
    if not sys.stderr.isatty():
        yield
        return
    sys.stderr.write(text)
    sys.stderr.flush()
    try:
        yield
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def with_row_bar(
    tables: Iterable["pd.DataFrame"], text: str, *, shown: bool
) -> Iterator["pd.DataFrame"]:
    """Yield tables, and show a bar with the number of their rows on a terminal."""
    from kerasnn.progress import ProgressBar

    done = 0
    with ProgressBar(text, unit="rows", shown=shown) as bar:
        for table in tables:
            yield table
            done += len(table)
            bar.update(done)


@contextmanager
def quiet_tensorflow(*, status: int = 143) -> Iterator[None]:
    """Load TensorFlow inside a `quiet_import`; signals end the process at once.

    Args:
        status: after SIGTERM.
    """
    with ends_at_once(status=status), quiet_import():
        yield


@contextmanager
def without_keras() -> Iterator[None]:
    """Context manager in which TensorFlow is imported without Keras, unused for a graph.

    At the end of its import TensorFlow 2.21 loads Keras, and with it pandas, scikit-learn
    and matplotlib: 2.3 s and 700 MB instead of 1.3 s and 530 MB. If Keras cannot be
    imported, TensorFlow continues; it imports `tf.keras` when that is first used.
    """
    if "keras" in sys.modules:
        yield
        return
    sys.modules["keras"] = None  # type: ignore[assignment]  # cannot be imported
    try:
        yield
    finally:
        del sys.modules["keras"]
