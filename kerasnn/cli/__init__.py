"""The command line: parse, call, print. A command loads TensorFlow only if it needs it."""

from kerasnn.cli.app import cli, main

__all__ = ["cli", "main"]
