"""Training of a lesson's network, and evaluation of an exported one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error

from kerasnn import datasets, saving
from kerasnn.errors import InputError
from kerasnn.lessons.catalogue import Lesson, LessonRows, LessonSettings
from kerasnn.models import MLPNetwork
from kerasnn.training import History, Trainer, make_optimizer
from kerasnn.training.callbacks.progress import EpochCallback
from kerasnn.training.checkpoints.run_checkpoints import RunCheckpoints


@dataclass(frozen=True)
class TrainedLesson:
    """A trained network with its rows, history and metrics on the test rows."""

    lesson: Lesson
    settings: LessonSettings
    network: MLPNetwork
    rows: LessonRows
    history: History
    metrics: dict[str, float]


def train(
    lesson: Lesson,
    settings: LessonSettings,
    *,
    on_epoch: Sequence[EpochCallback] = (),
    checkpoints: RunCheckpoints | None = None,
) -> TrainedLesson:
    """Train a lesson's network; the test rows are evaluated, never learned from.

    Args:
        lesson: from `LESSONS`.
        settings: of the training.
        on_epoch: called with (epoch from 0, metrics) after each epoch.
        checkpoints: of the run; the training continues from the newest one.

    Raises:
        NonFiniteLossError: the loss became NaN or infinite.
        InterruptedFitError: a signal came, and the training was saved.
    """
    rows = lesson.load()
    prepared = lesson.prepared(rows)
    network = lesson.network(
        hidden_units=settings.hidden_units,
        initializer=settings.initializer,
        seed=settings.seed,
    )
    trainer = Trainer(
        network,
        optimizer=make_optimizer(settings.optimizer, settings.learning_rate),
        driver=settings.driver,
    )
    history = trainer.fit(
        prepared.x_train,
        prepared.y_train,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        batching=settings.batching,
        seed=settings.seed,
        validation_data=(prepared.x_test, prepared.y_test) if lesson.held_out else None,
        on_epoch=on_epoch,
        checkpoints=checkpoints,
    )
    metrics = trainer.evaluate(prepared.x_test, prepared.y_test)
    return TrainedLesson(lesson, settings, network, rows, history, metrics)


def evaluate(network: saving.SavedNetwork, lesson: Lesson) -> dict[str, float]:
    """Return loss, and accuracy of a classifier, of an exported network on the test rows.

    The loss of a classifier follows from its probabilities, not from logits as in training.
    A probability that float32 rounds to 0 counts as 2e-16, so the loss of a network that is
    wrong and very sure is lower here.

    Raises:
        InputError: the network has other columns or outputs than the lesson.
    """
    if tuple(network.columns) != tuple(lesson.columns):
        raise InputError(
            f"{network.folder}: takes {len(network.columns)} columns"
            f" ({network.columns[0]}, ...), but {lesson.name} has"
            f" {len(lesson.columns)} columns ({lesson.columns[0]}, ...);"
            " they must be the same"
        )
    if network.manifest["outputs"] != _outputs(lesson):
        raise InputError(
            f"{network.folder}: gives {_shapes(network.manifest['outputs'])}, but"
            f" {lesson.name} needs {_shapes(_outputs(lesson))}"
        )
    rows = lesson.load()
    outputs = network.predict(rows.x_test)
    if "value" in outputs:
        return {"loss": float(mean_squared_error(rows.y_test, outputs["value"]))}
    probabilities = outputs["probabilities"].astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)  # float32 sums to 1 - 1e-7
    classes = np.arange(probabilities.shape[1])
    return {
        "loss": float(log_loss(rows.y_test, probabilities, labels=classes)),
        "accuracy": float(accuracy_score(rows.y_test, outputs["class"])),
    }


def _outputs(lesson: Lesson) -> dict[str, Any]:
    """Return the outputs of a network for this lesson, as in the manifest."""
    if lesson.network.head.task == "regression":
        return {"value": {"dtype": "float32", "shape": [None, 1]}}
    return {
        "class": {"dtype": "int64", "shape": [None]},
        "probabilities": {"dtype": "float32", "shape": [None, datasets.N_CLASSES]},
    }


def _shapes(outputs: dict[str, Any]) -> str:
    return ", ".join(f"{k} {['rows', *v['shape'][1:]]}" for k, v in outputs.items())
