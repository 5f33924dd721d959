"""The preparations of `import kerasnn`, without loading TensorFlow or Keras.

`KERASNN_ACCELERATE=1` accelerates Keras as soon as something imports it. TensorFlow reads
its flags at its first operation, so the folder of XLA's cache must be set before it.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

ACCELERATE = "KERASNN_ACCELERATE"  # 1; or quiet, for no line at exit
XLA_CACHE = "KERASNN_XLA_CACHE"  # 0 for none, or another folder
XLA_FLAGS = "TF_XLA_FLAGS"
RUN = "run"  # the folder of a process in that of the cache: run-HOST-PROCESS-RANDOM

TF_LOG = "TF_CPP_MIN_LOG_LEVEL"  # 0 shows all of TensorFlow's notices

_FLAG = "--tf_xla_persistent_cache_directory="
_OURS = re.compile(rf"\s*{_FLAG}\S+/{RUN}-\S+ --tf_xla_persistent_cache_device_types=CPU")


def prepare_xla_cache() -> None:
    """Let XLA write what it compiles into a folder of this process, which is made later.

    A folder that the user has set in the flags stays; that of a parent process does not.
    """
    flags = _OURS.sub("", os.environ.get(XLA_FLAGS, ""))
    folder = _cache_folder()
    if folder is not None and _FLAG not in flags:
        name = f"{RUN}-{os.uname().nodename}-{os.getpid()}-{os.urandom(4).hex()}"
        path = os.path.join(folder, name)
        flags += f" {_FLAG}{path} --tf_xla_persistent_cache_device_types=CPU"
    if flags != os.environ.get(XLA_FLAGS, ""):
        os.environ[XLA_FLAGS] = flags


def xla_run_folder() -> str | None:
    """Return the folder that `prepare_xla_cache` has set; None if it has set none."""
    found = _OURS.search(os.environ.get(XLA_FLAGS, ""))
    return found and found[0].split()[0].removeprefix(_FLAG)


def _cache_folder() -> str | None:
    """Return where compiled programs are kept; None if they are not."""
    chosen = os.environ.get(XLA_CACHE, "1")
    if chosen in ("", "0") or os.name != "posix":
        return None
    if chosen == "1":
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        chosen = os.path.join(base, "kerasnn", "xla")
    folder = os.path.abspath(chosen)
    return None if re.search(r"\s", folder) else folder  # a flag cannot hold a blank


@contextmanager
def quiet_import() -> Iterator[None]:
    """Context manager in which TensorFlow loads without notices on standard error.

    TensorFlow 2.21 prints six lines while it loads, whatever TF_CPP_MIN_LOG_LEVEL says
    (tensorflow#100442). They are caught below Python, and shown if the import fails. The
    level that is set here hides later notices of C++; errors are exceptions anyway.
    """
    if os.environ.get(TF_LOG) == "0" or sys.stderr is None or "tensorflow" in sys.modules:
        yield
        return
    import tempfile  # 10 ms that `import kerasnn` does not need

    os.environ.setdefault(TF_LOG, "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        failed = False
        try:
            yield
        except Exception:
            failed = True
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            if failed:
                caught.seek(0)
                os.write(2, caught.read())


def accelerate_if_asked(load: Callable[[], Any]) -> None:
    """Accelerate Keras now, or when it is imported, if the environment says so.

    Args:
        load: returns the module `kerasnn.acceleration`.
    """
    if os.environ.get(ACCELERATE, "0") in ("", "0"):
        return
    if "keras" in sys.modules:
        _accelerate(load)
    elif not any(isinstance(finder, _WhenKerasLoads) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WhenKerasLoads(load))


class _WhenKerasLoads:
    """Finds Keras as the other finders do, and accelerates it at the end of its import.

    Args:
        load: returns the module `kerasnn.acceleration`.
    """

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> "ModuleSpec | None":
        """Return the spec of Keras; None for any other module."""
        if name != "keras":
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                sys.meta_path.remove(self)
                _accelerate(self._load)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _accelerate(load: Callable[[], Any]) -> None:
    try:
        load().accelerate(summary=os.environ.get(ACCELERATE) != "quiet")
    except ValueError as error:  # another backend: the program goes on without
        sys.stderr.write(f"{ACCELERATE}: {error}\n")
