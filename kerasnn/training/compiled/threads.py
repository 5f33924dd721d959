"""One thread at a time trains or evaluates a model: both change its Variables.

`predict` changes none, and may run meanwhile; it reads the weights of some step.
"""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from kerasnn.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")

_guard = threading.Lock()
_threads: dict[int, threading.Thread] = {}  # by the id of a model in use


def in_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Let only one thread at a time call functions with the same first argument, `model`.

    The function that runs may call others with it, as callbacks do.
    """

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        with used(args[0] if args else kwargs.get("model"), function.__name__):
            return function(*args, **kwargs)

    return called


@contextmanager
def used(model: Any, name: str) -> Iterator[None]:
    """Context manager in which this thread uses a model.

    Raises:
        InputError: another thread is using it.
    """
    thread, key = threading.current_thread(), id(model)
    with _guard:
        other = _threads.get(key)
        if other is None:
            _threads[key] = thread
    if other is not None and other is not thread:
        raise InputError(
            f"{name}: the model {getattr(model, 'name', type(model).__name__)} is being"
            f" trained or evaluated in another thread, {other.name}, and both would change"
            " its Variables. Wait for that thread, or give each its own model, for"
            " instance with keras.models.clone_model"
        )
    try:
        yield
    finally:
        if other is None:
            with _guard:
                del _threads[key]
