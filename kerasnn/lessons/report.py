"""The HTML page of a lesson's network, with its figures."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

import kerasnn
from kerasnn import reports
from kerasnn.lessons.training import TrainedLesson
from kerasnn.reports.formatting import format_settings


def lesson_page(trained: TrainedLesson, sections: Sequence[reports.Section]) -> str:
    """Return one self-contained HTML page."""
    lesson, settings, network = trained.lesson, trained.settings, trained.network
    sizes = "-".join(map(str, (network.n_in, *settings.hidden_units, network.n_out)))
    held_out = f", {len(trained.rows.x_test)} kept for the test" if lesson.held_out else ""
    numbers = {
        f"{name}, {'test' if lesson.held_out else 'training'} rows": f"{value:.4f}"
        for name, value in trained.metrics.items()
    }
    n_weights = sum(int(np.prod(v.shape)) for v in network.trainable_variables)
    return reports.report_html(
        f"{lesson.name}: a {sizes} network",
        f"{len(trained.rows.x_train):,} rows to learn from{held_out};"
        f" {settings.epochs} epochs in {sum(trained.history.seconds):.1f} s, with"
        " compilation.",
        numbers={**numbers, "weights": f"{n_weights:,}"},
        tables={
            "Settings": {
                "network": f"{type(network).__name__} {sizes}",
                **format_settings(settings.used()),
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


def lesson_sections(trained: TrainedLesson) -> list[reports.Section]:
    """Return the sections with figures."""
    history = trained.history.history
    curves = {name: reports.learning_curve(history, name) for name in trained.metrics}
    sections = [
        reports.Section(
            "Learning curves",
            "Training rows: mean over the batches of an epoch."
            + (" Test rows: at its end." if trained.lesson.held_out else ""),
            curves,
        )
    ]
    if trained.network.head.task == "classification":
        return sections + _classification_sections(trained)
    return [*sections, _output_section(trained)]


def _output_section(trained: TrainedLesson) -> reports.Section:
    """Return what the network answers to its training rows, beside the mean target."""
    rows = trained.lesson.prepared(trained.rows)
    outputs, targets = trained.network(tf.constant(rows.x_train)).numpy(), rows.y_train
    mean = float(np.mean(targets))
    constant, loss = (np.mean((targets - answer) ** 2) for answer in (mean, outputs))
    text = (
        f"The outputs for the training rows are between {outputs.min():.4f} and"
        f" {outputs.max():.4f}. The mean of the targets is {mean:.4f}. To answer it for"
        f" every row gives a squared error of {constant:.4f}; this network has {loss:.4f}."
    )
    if loss > 0.99 * constant:
        text += " So it has learned the mean, and nothing of the inputs."
    return reports.Section(
        "What it answers", text, {"outputs": reports.output_figure(targets, outputs)}
    )


def _classification_sections(trained: TrainedLesson) -> list[reports.Section]:
    x, labels = trained.lesson.prepared(trained.rows).x_test, trained.rows.y_test
    logits = trained.network(tf.constant(x))
    probabilities = trained.network.head.answers(logits)["probabilities"].numpy()
    predicted = probabilities.argmax(axis=1)
    classes = [str(c) for c in range(trained.network.n_out)]
    confusion = reports.confusion_matrix_figure(labels, predicted, classes)
    sections = [
        reports.Section(
            "Confusion matrix",
            "Test rows by true and predicted class.",
            {"confusion": confusion},
        )
    ]
    wrong = reports.wrong_digits_figure(trained.rows.x_test, labels, probabilities)
    if wrong is not None:
        sections.append(
            reports.Section(
                "The digits it got wrong",
                "The surest mistakes first, with the predicted probability.",
                {"wrong": wrong},
            )
        )
    return sections
