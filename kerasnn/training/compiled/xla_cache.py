"""XLA's programs on disk: which of them this process may use, and when they are kept."""

import functools
import hashlib
import json
import os
import platform
from contextlib import suppress
from pathlib import Path

import tensorflow as tf

from kerasnn.startup import XLA_FLAGS, xla_run_folder
from kerasnn.system.program_cache import ProgramCache, open_program_cache


@functools.cache
def xla_cache() -> ProgramCache | None:
    """Return the cache of this process, opened once; None if there is none."""
    return open_program_cache(_kind())


def keep_programs() -> None:
    """Keep what XLA has just compiled for later processes."""
    cache = xla_cache()
    if cache is not None:
        cache.keep()


def _kind() -> str:
    """Return a name that differs wherever XLA compiles another program.

    XLA itself compares the computation; the name stands for the machine and the settings.
    """
    own = xla_run_folder() or ""
    settings = [
        *(platform.machine(), _processor()),
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
        tf.config.threading.get_intra_op_parallelism_threads(),
        *(os.environ.get(name) for name in ("TF_NUM_INTRAOP_THREADS", "XLA_FLAGS")),
        os.environ.get(XLA_FLAGS, "").replace(own, ""),
    ]
    digest = hashlib.blake2b(json.dumps(settings).encode(), digest_size=8).hexdigest()
    return f"tensorflow-{tf.__version__}-{digest}"


def _processor() -> list[str]:
    """Return the model of the processor, and which instructions it has."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        wanted = ("model name", "flags", "Features", "CPU part")
        return sorted({line for line in lines if line.startswith(wanted)})
    return [platform.processor()]
