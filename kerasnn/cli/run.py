"""`kerasnn run`: a program as `python` runs it, with Keras accelerated."""

import importlib
import os
import runpy
import signal
import sys
import traceback
from pathlib import Path

import click

from kerasnn.cli.options import Command
from kerasnn.startup import ACCELERATE, accelerate_if_asked


@click.command(
    "run",
    cls=Command,
    short_help="Run a program with Keras accelerated.",
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True},
)
@click.option("-m", "as_module", is_flag=True, help="PROGRAM is a module, not a file.")
@click.option("--quiet", is_flag=True, help="No line at the end.")
@click.argument("program")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run_command(
    program: str, arguments: tuple[str, ...], as_module: bool, quiet: bool
) -> None:
    """Run PROGRAM, a file, with its ARGUMENTS; every fit of a Keras model is compiled.

    It is not edited: Model.fit, evaluate and predict run in the compiled loop wherever that
    can do the same. A line at the end counts the calls and says what fell back.

    \b
    kerasnn run train.py --epochs 20
    kerasnn run -m mypackage.train
    """  # noqa: D301 - click reads the backspace
    if not as_module and not Path(program).exists():
        raise click.BadParameter(f"{program}: no such file", param_hint="PROGRAM")
    os.environ[ACCELERATE] = "quiet" if quiet else "1"
    accelerate_if_asked(lambda: importlib.import_module("kerasnn.acceleration"))
    sys.argv = [program, *arguments]
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as under python
    try:
        if as_module:
            sys.path.insert(0, os.getcwd())
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            sys.path.insert(0, str(Path(program).resolve().parent))
            runpy.run_path(program, run_name="__main__")
    except Exception as error:
        _print_traceback(error)
        sys.exit(1)


def _print_traceback(error: Exception) -> None:
    """Print the traceback of a program's error without the frames that ran it."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename in (
        *(__file__, runpy.__file__, "<frozen runpy>"),
    ):
        frames = frames.tb_next
    traceback.print_exception(type(error), error, frames or error.__traceback__)
