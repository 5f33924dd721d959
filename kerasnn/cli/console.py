"""Output of the commands: JSON on standard output, and no noise while TensorFlow loads."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object on standard output, everything else on standard error.",
)


def print_json(content: Mapping[str, Any]) -> None:
    """One object on standard output."""
    click.echo(json.dumps(content, ensure_ascii=False))


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Load TensorFlow inside this without its start-up notices on standard error.

    TensorFlow 2.21 prints six lines while it loads, whatever TF_CPP_MIN_LOG_LEVEL says
    (tensorflow#100442): they are caught below Python and shown if the import fails.
    TF_CPP_MIN_LOG_LEVEL=0 shows them, and everything after.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0" or sys.stderr is None:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
            failed = False
        except BaseException:
            failed = True
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            if failed:
                caught.seek(0)
                os.write(2, caught.read())
