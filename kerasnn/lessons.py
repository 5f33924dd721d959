"""The lessons as whole jobs: rows, network, training, report, export, evaluation.

It puts the rooms together for `kerasnn train iris|digits` and `kerasnn evaluate`.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error

import kerasnn
from kerasnn import datasets, reports, saving
from kerasnn.choices import Batching, Driver, Initializer, LessonName, OptimizerName
from kerasnn.errors import InputError
from kerasnn.manifest import data_fingerprint
from kerasnn.models import DigitsNetwork, MLPNetwork, SigmoidNetwork
from kerasnn.training import History, Trainer, make_optimizer
from kerasnn.training.callbacks.progress import EpochCallback
from kerasnn.training.checkpoints.run_checkpoints import RunCheckpoints

Array = NDArray[Any]


class Rows(NamedTuple):
    """Raw rows to train on, and rows to test on."""

    x_train: Array  # [rows, n_in]
    y_train: Array  # [rows] labels or [rows, n_out]
    x_test: Array
    y_test: Array


@dataclass(frozen=True)
class Settings:
    """How a lesson's network is made and trained."""

    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: OptimizerName
    hidden_units: tuple[int, ...]
    batching: Batching
    initializer: Initializer
    driver: Driver = "xla"
    seed: int = 0


def used_settings(settings: Settings) -> dict[str, Any]:
    """Those that have had an effect: there is no batch size where all rows are one."""
    used = asdict(settings)
    if settings.batching == "full":
        del used["batch_size"]
    return used


@dataclass(frozen=True)
class Lesson:
    """A job with real rows.

    Attributes:
        name: as on the command line.
        columns: names of the inputs.
        rows: loads the rows.
        held_out: whether the test rows are kept from training.
        network: makes the network.
        scale: raw inputs are multiplied by it, in training and in the SavedModel.
        settings: the defaults.
    """

    name: LessonName
    columns: tuple[str, ...]
    rows: Callable[[], Rows]
    held_out: bool
    network: type[SigmoidNetwork | DigitsNetwork]
    scale: float
    settings: Settings

    @property
    def preprocessing(self) -> keras.layers.Layer | None:
        """From raw rows to those that the network is trained on."""
        return None if self.scale == 1.0 else keras.layers.Rescaling(self.scale)


@dataclass(frozen=True)
class Outcome:
    """A trained network with what is worth telling of it."""

    lesson: Lesson
    settings: Settings
    network: MLPNetwork
    rows: Rows
    history: History
    metrics: dict[str, float]  # on the test rows


def _iris_rows() -> Rows:
    x, y = datasets.iris_perceptron()
    return Rows(x, y, x, y)


def _digits_rows() -> Rows:
    (x_train, y_train), (x_test, y_test) = datasets.digits(scaled=False)
    return Rows(x_train, y_train, x_test, y_test)


LESSONS: dict[str, Lesson] = {
    "iris": Lesson(
        name="iris",
        columns=datasets.IRIS_COLUMNS,
        rows=_iris_rows,
        held_out=False,
        network=SigmoidNetwork,
        scale=1.0,
        settings=Settings(
            epochs=200,
            batch_size=150,
            learning_rate=0.1,
            optimizer="sgd",
            hidden_units=(3,),
            batching="full",
            initializer="ones",
        ),
    ),
    "digits": Lesson(
        name="digits",
        columns=datasets.DIGITS_COLUMNS,
        rows=_digits_rows,
        held_out=True,
        network=DigitsNetwork,
        scale=1 / 16,  # pixels 0..16 to 0..1
        settings=Settings(
            epochs=100,
            batch_size=64,
            learning_rate=0.002,
            optimizer="adam",
            hidden_units=(30,),
            batching="shuffled",
            initializer="glorot",
        ),
    ),
}


def train(
    lesson: Lesson,
    settings: Settings,
    *,
    on_epoch: Sequence[EpochCallback] = (),
    checkpoints: RunCheckpoints | None = None,
) -> Outcome:
    """Train a lesson's network; the test rows are looked at, never learned from.

    Args:
        lesson: which.
        settings: of the training.
        on_epoch: called with (epoch from 0, metrics) after each epoch.
        checkpoints: where the training is saved from time to time, and gone on from.

    Raises:
        NonFiniteLossError: the loss became NaN or infinite.
        InterruptedFitError: a signal came, and the training was saved.
    """
    rows = lesson.rows()
    prepared = _prepared(lesson, rows)
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
    return Outcome(lesson, settings, network, rows, history, metrics)


def save(outcome: Outcome, folder: str | Path, *, run: str | None = None) -> Path:
    """Export the network with its report; the new version's folder.

    Args:
        outcome: of the training.
        folder: of the model.
        run: a name of the training: what was exported of it before is not again.

    Raises:
        InputError: the folder cannot be written; nothing is left behind.
    """
    done = run and saving.version_of_run(folder, run)
    if done:
        return done
    sections = _sections(outcome)
    page = _report(outcome, sections)
    figures = {f"{k}.png": png for s in sections for k, png in s.figures.items()}
    return saving.export(
        outcome.network,
        folder,
        preprocessing=outcome.lesson.preprocessing,
        columns=outcome.lesson.columns,
        metadata={
            **({"run": run} if run else {}),
            "metrics": {"rows": _tested_on(outcome.lesson), **outcome.metrics},
            "settings": used_settings(outcome.settings),
            "data": {
                "source": outcome.lesson.name,
                "rows": len(outcome.rows.x_train),
                "fingerprint": data_fingerprint(outcome.rows.x_train, outcome.rows.y_train),
            },
        },
        files={"report.html": page.encode(), **figures},
    )


def evaluate(network: saving.SavedNetwork, lesson: Lesson) -> dict[str, float]:
    """Loss, and accuracy for a classifier, of an exported network on the test rows.

    A classifier's loss is taken from its probabilities, not from logits as in training:
    one that float32 has rounded to 0 counts as 2e-16, so the loss of a network that is
    wrong and very sure comes out lower here.

    Raises:
        InputError: the network takes other columns than the lesson has, or gives
            other outputs.
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
    rows = lesson.rows()
    answers = network.predict(rows.x_test)
    if "value" in answers:
        return {"loss": float(mean_squared_error(rows.y_test, answers["value"]))}
    probabilities = answers["probabilities"].astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)  # float32 sums to 1 - 1e-7
    classes = np.arange(probabilities.shape[1])
    return {
        "loss": float(log_loss(rows.y_test, probabilities, labels=classes)),
        "accuracy": float(accuracy_score(rows.y_test, answers["class"])),
    }


def _outputs(lesson: Lesson) -> dict[str, Any]:
    """The outputs of a network for this lesson, as in the manifest."""
    if lesson.network.head.task == "regression":
        return {"value": {"dtype": "float32", "shape": [None, 1]}}
    return {
        "class": {"dtype": "int64", "shape": [None]},
        "probabilities": {"dtype": "float32", "shape": [None, datasets.N_CLASSES]},
    }


def _shapes(outputs: dict[str, Any]) -> str:
    return ", ".join(f"{k} {['rows', *v['shape'][1:]]}" for k, v in outputs.items())


def _prepared(lesson: Lesson, rows: Rows) -> Rows:
    """The rows as the network sees them, by the layer that the SavedModel carries."""
    layer = lesson.preprocessing
    if layer is None:
        return rows
    return rows._replace(
        x_train=layer(rows.x_train).numpy(), x_test=layer(rows.x_test).numpy()
    )


def _tested_on(lesson: Lesson) -> str:
    return "test rows, never learned from" if lesson.held_out else "training rows"


def _sections(outcome: Outcome) -> list[reports.Section]:
    history = outcome.history.history
    curves = {
        name: reports.png(reports.learning_curve(history, name)) for name in outcome.metrics
    }
    sections = [
        reports.Section(
            "Learning curves",
            "Training rows: the mean while the epoch went on."
            + (" Test rows: at its end." if outcome.lesson.held_out else ""),
            curves,
        )
    ]
    if outcome.network.head.task == "classification":
        sections += _classification_sections(outcome)
    return sections


def _classification_sections(outcome: Outcome) -> list[reports.Section]:
    x = _prepared(outcome.lesson, outcome.rows).x_test
    labels = outcome.rows.y_test
    logits = outcome.network(tf.constant(x))
    probabilities = outcome.network.head.answers(logits)["probabilities"].numpy()
    predicted = probabilities.argmax(axis=1)
    classes = [str(c) for c in range(outcome.network.n_out)]
    confusion = reports.confusion_matrix_figure(labels, predicted, classes)
    sections = [
        reports.Section(
            "Confusion matrix",
            "Test rows by true and predicted class.",
            {"confusion": reports.png(confusion)},
        )
    ]
    wrong = reports.wrong_digits_figure(outcome.rows.x_test, labels, probabilities)
    if wrong is not None:
        sections.append(
            reports.Section(
                "The digits it got wrong",
                "The surest mistakes first, with the probability it gave them.",
                {"wrong": reports.png(wrong)},
            )
        )
    return sections


def _report(outcome: Outcome, sections: Sequence[reports.Section]) -> str:
    lesson, settings, network = outcome.lesson, outcome.settings, outcome.network
    sizes = "-".join(map(str, (network.n_in, *settings.hidden_units, network.n_out)))
    held_out = f", {len(outcome.rows.x_test)} kept for the test" if lesson.held_out else ""
    numbers = {
        f"{name}, {'test' if lesson.held_out else 'training'} rows": f"{value:.4f}"
        for name, value in outcome.metrics.items()
    }
    seconds = sum(outcome.history.seconds)
    return reports.report_html(
        f"{lesson.name}: a {sizes} network",
        f"{len(outcome.rows.x_train):,} rows to learn from{held_out};"
        f" {settings.epochs} epochs in {seconds:.1f} s, compilation included.",
        numbers={**numbers, "weights": f"{_n_weights(network):,}"},
        tables={
            "Settings": {
                "network": f"{type(network).__name__} {sizes}",
                **{
                    name.replace("_", " "): _text(value)
                    for name, value in used_settings(settings).items()
                },
                "input scale": f"{lesson.scale:g}",
            },
            "Versions": {
                "kerasnn": kerasnn.__version__,
                "TensorFlow": tf.__version__,
                "Keras": keras.__version__,
            },
        },
        sections=sections,
    )


def _n_weights(network: MLPNetwork) -> int:
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
