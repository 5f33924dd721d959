"""The command line: parse, call, print. Only a command that needs it loads TensorFlow."""

from kerasnn.cli.app import cli, main

__all__ = ["cli", "main"]
