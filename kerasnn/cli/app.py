"""The command `kerasnn`: its sub-commands, and the exit codes."""

import io
import sys

import click

import kerasnn
from kerasnn.cli.check import check_command
from kerasnn.cli.console import echo_line
from kerasnn.cli.evaluate import evaluate_command
from kerasnn.cli.inspect import inspect_command
from kerasnn.cli.learn import learn_command
from kerasnn.cli.messages import as_cli_message
from kerasnn.cli.options import CommandGroup
from kerasnn.cli.predict import predict_command
from kerasnn.cli.run import run_command
from kerasnn.cli.serve import serve
from kerasnn.cli.train import train_command
from kerasnn.cli.tune import tune_command
from kerasnn.errors import (
    ExportError,
    InputError,
    InterruptedFitError,
    NonFiniteLossError,
    ServerError,
    WorkerLostError,
)
from kerasnn.system.termination import TerminatedError


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kerasnn.__version__, package_name="kerasnn")
def cli() -> None:
    """Train neural networks on tables, evaluate them, predict with them, serve them.

    \b
    kerasnn train digits
    kerasnn inspect saved_models/digits
    kerasnn predict saved_models/digits rows.csv -o predictions.csv
    kerasnn serve saved_models
    """  # noqa: D301 - click reads the backspace


for _command in (
    *(train_command, tune_command, predict_command, learn_command),
    *(evaluate_command, check_command, inspect_command, serve, run_command),
):
    cli.add_command(_command)


def run() -> None:
    """Run the command; exit with 0 done, 1 failed, 2 wrong use, 3 drift, 130 interrupted.

    Raises:
        TerminatedError: SIGTERM came.
    """
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        usage = io.StringIO()
        error.show(usage)
        for line in usage.getvalue().removesuffix("\n").split("\n"):
            echo_line(line, err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        cause = error.__cause__ or error  # click turns every interrupt into an Abort
        if isinstance(cause, TerminatedError):
            raise cause from None
        if not isinstance(cause, InterruptedFitError):
            echo_line("Interrupted.", err=True)
            sys.exit(130)
        message = str(cause).replace("the same call with", "the same command with")
        echo_line(as_cli_message(message), err=True)
        sys.exit(128 + cause.signal)
    except BrokenPipeError:  # for instance `kerasnn predict ... | head`
        sys.stderr.close()
        sys.exit(1)
    except WorkerLostError as error:
        echo_line(f"Error: {as_cli_message(str(error))}", err=True)
        sys.exit(1)
    except (InputError, NonFiniteLossError, ExportError, ServerError, OSError) as error:
        for line in f"Error: {error}".split("\n"):
            echo_line(line, err=True)
        sys.exit(1)
