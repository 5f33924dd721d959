"""The exception that hands a run to Keras's own loop."""


class NeedsKerasError(Exception):
    """Only Keras's own loop can do this; the message says why."""
