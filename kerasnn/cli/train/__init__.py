"""`kerasnn train`: a network for a lesson or for the table of a file.

command      the options
lesson       training of a lesson's network
table        training of a network for a table
checkpoints  the options about checkpoints
workers      several processes, named by TF_CONFIG
progress     the progress bar
"""

from kerasnn.cli.train.command import train_command

__all__ = ["train_command"]
