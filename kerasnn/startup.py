"""What `import kerasnn` prepares without loading TensorFlow or Keras.

`KERASNN_ACCELERATE=1` accelerates Keras as soon as something imports it.
"""

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType

ACCELERATE = "KERASNN_ACCELERATE"  # 1; or quiet, for no line at exit


def accelerate_if_asked() -> None:
    """Accelerate Keras now, or when it is imported, if the environment says so."""
    if os.environ.get(ACCELERATE, "0") in ("", "0"):
        return
    if "keras" in sys.modules:
        _accelerate()
    elif not any(isinstance(finder, _WhenKerasLoads) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WhenKerasLoads())


class _WhenKerasLoads(importlib.abc.MetaPathFinder):
    """Finds Keras as the other finders do, and accelerates it at the end of its import."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of Keras; None for any other module."""
        if name != "keras":
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                sys.meta_path.remove(self)
                _accelerate()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _accelerate() -> None:
    from kerasnn.acceleration import accelerate
    from kerasnn.errors import InputError

    try:
        accelerate(summary=os.environ.get(ACCELERATE) != "quiet")
    except InputError as error:  # another backend: the program goes on without
        sys.stderr.write(f"{ACCELERATE}: {error}\n")
