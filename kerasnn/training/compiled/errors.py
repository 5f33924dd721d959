"""The exception that hands a run to Keras's own loop."""


class NeedsKerasError(Exception):
    """Only Keras's own loop can do this; the message says why."""


class UntraceableError(NeedsKerasError):
    """The user's step raised this when it was traced; it may do so in Keras's loop too."""
