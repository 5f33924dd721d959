"""A stand-in for the death of a training process; only its files remain."""


class Killed(BaseException):
    """Raised where a process dies; no code of the package catches it."""
