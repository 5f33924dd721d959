"""Processes that die while they train: what is left is what was written until then."""


class Killed(BaseException):
    """The process is gone: nothing of Python's runs after it but the test."""
