"""The command line: parse, call, print. A command loads TensorFlow only if it needs it."""

import sys
from signal import SIGTERM
from typing import TYPE_CHECKING, Any

from kerasnn.system.termination import (
    TerminatedError,
    ends_at_once,
    raises_on_sigterm,
    word,
)

if TYPE_CHECKING:
    from kerasnn.cli.app import cli

__all__ = ["cli", "main"]


def main() -> None:
    """Run the command; exit as `app.run` says, and after SIGTERM with 143.

    SIGTERM is handled from here on, before anything else is imported. A server is meant to
    be stopped by it, and exits with 0.
    """
    status = 0 if sys.argv[1:2] in (["serve"], ["learn"]) else 128 + SIGTERM
    try:
        with raises_on_sigterm():
            with ends_at_once(status=status):
                from kerasnn.cli.app import run
            run()
    except TerminatedError:
        print(word(SIGTERM), file=sys.stderr)
        sys.exit(status)


def __getattr__(name: str) -> Any:
    """Load the command on first use."""
    if name != "cli":
        raise AttributeError(f"module 'kerasnn.cli' has no attribute {name!r}")
    from kerasnn.cli import app

    return app.cli
