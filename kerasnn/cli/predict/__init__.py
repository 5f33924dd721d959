"""`kerasnn predict`: predictions for the rows of a file, few or many.

command  the options
local    answers of a SavedModel that is loaded here
remote   answers of a model on a server
asked    what stands beside the predictions: intervals, reasons, unusual rows
reasons  the reasons as columns
output   predictions beside columns of their rows, as CSV or JSON
"""

from kerasnn.cli.predict.command import predict_command

__all__ = ["predict_command"]
