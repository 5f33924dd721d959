"""The command `kerasnn`: its sub-commands, and how a run ends."""

import sys

import click

import kerasnn
from kerasnn.cli.evaluate import evaluate
from kerasnn.cli.inspect import inspect
from kerasnn.cli.parsing import Group
from kerasnn.cli.predict import predict
from kerasnn.cli.serve import serve
from kerasnn.cli.train import train
from kerasnn.cli.tune import tune
from kerasnn.cli.wording import in_options
from kerasnn.errors import (
    ExportError,
    InputError,
    InterruptedFitError,
    NonFiniteLossError,
    ServerError,
    WorkerLostError,
)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kerasnn.__version__, package_name="kerasnn")
def cli() -> None:
    """Neural networks on tables: train, look, predict, keep as a SavedModel, serve.

    \b
    kerasnn train digits
    kerasnn inspect saved_models/digits
    kerasnn predict saved_models/digits rows.csv -o predictions.csv
    kerasnn serve saved_models
    """  # noqa: D301 - click reads the backspace


cli.add_command(train)
cli.add_command(tune)
cli.add_command(predict)
cli.add_command(evaluate)
cli.add_command(inspect)
cli.add_command(serve)


def main() -> None:
    """Run the command; exit 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        stopped = error.__cause__  # click makes an Abort of every interrupt
        if not isinstance(stopped, InterruptedFitError):
            click.echo("Interrupted.", err=True)
            sys.exit(130)
        told = str(stopped).replace("the same call with", "the same command with")
        click.echo(in_options(told), err=True)
        sys.exit(128 + stopped.signal)
    except BrokenPipeError:  # for instance `kerasnn predict ... | head`
        sys.stderr.close()
        sys.exit(1)
    except (
        InputError,
        NonFiniteLossError,
        ExportError,
        ServerError,
        WorkerLostError,
        OSError,
    ) as error:
        lost = isinstance(error, WorkerLostError)
        click.echo(f"Error: {in_options(str(error)) if lost else error}", err=True)
        sys.exit(1)
