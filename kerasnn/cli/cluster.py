"""`kerasnn train` on several machines: what TF_CONFIG says of them."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import click

from kerasnn.cli.saves import Saves
from kerasnn.errors import InputError

VARIABLE = "TF_CONFIG"


def workers_named() -> int:
    """How many workers TF_CONFIG names; 1 where it is not set.

    Raises:
        UsageError: it cannot be read.
    """
    text = os.environ.get(VARIABLE) or "{}"
    try:
        cluster = json.loads(text).get("cluster", {})
        return max(1, sum(len(cluster.get(job, ())) for job in ("chief", "worker")))
    except (ValueError, AttributeError, TypeError):
        raise click.UsageError(
            f"{VARIABLE} must be JSON with a cluster and a task, as TensorFlow documents"
            f" it; got {text!r}"
        ) from None


def refuse_several(path: Path) -> None:
    """A table's networks are trained on one machine.

    Raises:
        InputError: TF_CONFIG names several: each would train all of them.
    """
    workers = workers_named()
    if workers > 1:
        raise InputError(
            f"{path}: the networks for a table are trained on one machine; {VARIABLE} names"
            f" {workers} workers, and each would train them all. Unset it here;"
            " kerasnn.fit trains a network of your own on several machines"
        )


def refuse_checkpoints(saves: Saves) -> None:
    """A lesson takes less time than it takes to start the workers.

    Raises:
        UsageError: checkpoints were asked for.
    """
    if saves.folder is not None:
        raise click.UsageError(
            f"--checkpoint is for one machine; {VARIABLE} names {workers_named()} workers",
            click.get_current_context(),
        )


@contextlib.contextmanager
def on_all_workers() -> Iterator[bool]:
    """A scope in which a network is trained on the workers of TF_CONFIG, if it names any.

    Yields:
        Whether this process is the one that writes and prints.
    """
    if workers_named() == 1:
        yield True
        return
    import tensorflow as tf

    from kerasnn.training import is_chief

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        yield is_chief(strategy)
