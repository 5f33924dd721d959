"""The exception that hands a run to Keras's own loop."""


class NeedsKerasError(Exception):
    """Only Keras's own loop can do this; the message says why."""


class UntraceableError(NeedsKerasError):
    """The user's step raised this when it was traced; Keras's loop may raise it too."""
