"""`kerasnn train` on several machines: what TF_CONFIG says of them."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kerasnn.cli.saves import Saves
from kerasnn.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

    from kerasnn.training.distribution.workers import WorkerGroup

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


class Workers:
    """The processes that TF_CONFIG names, which train one network together.

    To be made before anything else of TensorFlow; it waits until all of them are there.

    Attributes:
        strategy: theirs; None where there is only this one.
        writes: whether this process is the one that writes and prints.
    """

    def __init__(self) -> None:
        self.strategy = _strategy() if workers_named() > 1 else None
        self.workers = _workers(self.strategy) if self.strategy else None
        self.writes = self.workers is None or self.workers.is_chief

    @property
    def name(self) -> str:
        """Of this process among them."""
        assert self.workers is not None
        return f"worker {self.workers.worker} of {self.workers.n_workers}"

    def by_chief(self, work: Callable[[], object]) -> str:
        """Have the one that writes do something; as text, what it returns, for all.

        Raises:
            InputError: it could not be done; raised in all of them.
        """
        if self.workers is None:
            return str(work())
        return self.workers.run_on_chief(lambda: str(work()))


def _strategy() -> "tf.distribute.Strategy":
    import tensorflow as tf

    return tf.distribute.MultiWorkerMirroredStrategy()


def _workers(strategy: "tf.distribute.Strategy") -> "WorkerGroup":
    from kerasnn.training.distribution.workers import WorkerGroup

    return WorkerGroup.of(strategy)


def refuse_several(path: Path) -> None:
    """Settings are tried on one machine.

    Raises:
        InputError: TF_CONFIG names several: each would try them alone.
    """
    workers = workers_named()
    if workers > 1:
        raise InputError(
            f"{path}: settings are tried on one machine; {VARIABLE} names {workers}"
            " workers, and each would try its own. Unset it here: several processes share"
            " the trials of one --storage"
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
    workers = Workers()
    with workers.strategy.scope() if workers.strategy else contextlib.nullcontext():
        yield workers.writes
