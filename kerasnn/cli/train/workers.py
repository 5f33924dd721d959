"""The processes that train together, named by the environment variable TF_CONFIG."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kerasnn.errors import InputError

if TYPE_CHECKING:
    from kerasnn.training.distribution.workers import SingleProcess

_VARIABLE = "TF_CONFIG"


def count_workers() -> int:
    """Return the number of workers that TF_CONFIG names; 1 without it.

    Raises:
        UsageError: it cannot be read.
    """
    text = os.environ.get(_VARIABLE) or "{}"
    try:
        cluster = json.loads(text).get("cluster", {})
        return max(1, sum(len(cluster.get(job, ())) for job in ("chief", "worker")))
    except (ValueError, AttributeError, TypeError):
        raise click.UsageError(
            f"{_VARIABLE} must be JSON with a cluster and a task, as TensorFlow documents"
            f" it; got {text!r}"
        ) from None


def connect_workers() -> "SingleProcess":
    """Connect to the other workers, and return the group; waits until all have started.

    It must be called before anything else of TensorFlow.
    """
    from kerasnn.training.distribution.workers import ALONE, WorkerGroup

    if count_workers() == 1:
        return ALONE
    import tensorflow as tf

    return WorkerGroup.of(tf.distribute.MultiWorkerMirroredStrategy())


def reject_workers(path: Path) -> None:
    """Check that this process runs alone, as tuning needs it.

    Raises:
        InputError: TF_CONFIG names several workers; each would try settings alone.
    """
    workers = count_workers()
    if workers > 1:
        raise InputError(
            f"{path}: settings are tried on one machine; {_VARIABLE} names {workers}"
            " workers, and each would try its own. Unset it here: several processes share"
            " the trials of one --storage"
        )
