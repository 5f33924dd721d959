import io

import numpy as np
from matplotlib.image import imread

from kerasnn import reports
from kerasnn.reports import class_figures, scores, table_figures


def drawn(figure):
    """The pixels; every figure must come out, whatever the names in it."""
    pixels = imread(io.BytesIO(reports.png(figure)))
    assert pixels.std() > 0
    return pixels


LABELS = np.array([0, 0, 0, 1, 1, 1, 1, 0])
POSITIVE = np.array([0.05, 0.15, 0.62, 0.68, 0.81, 0.92, 0.97, 0.12])
BINARY = np.stack([1 - POSITIVE, POSITIVE], axis=1)


def labels_of(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_roc_of_two_classes_is_that_of_the_second():
    figure = class_figures.roc_figure(LABELS, BINARY, ["no", "yes"])
    (axes,) = figure.axes
    curve = axes.lines[1]
    # In order of the probability: 4 of "yes" and then the 4 others.
    assert (0.0, 1.0) in set(zip(*curve.get_data(), strict=True))
    assert labels_of(figure) == ["1.000  yes"]
    drawn(figure)


def test_roc_of_many_classes_shows_those_told_apart_worst(rng):
    labels = np.arange(700) % 7
    # The greater the class, the surer; class 0 is guessed.
    hints = np.eye(7)[labels] * np.arange(7) + rng.uniform(size=(700, 7))
    probabilities = hints / hints.sum(axis=1, keepdims=True)
    for make in (class_figures.roc_figure, class_figures.precision_recall_figure):
        figure = make(labels, probabilities, [f"_{k}" for k in range(7)])
        names = [text.split("  ")[1] for text in labels_of(figure)]
        assert len(names) == 5
        assert names[0] == "_0"
        assert "_6" not in names
        drawn(figure)


def test_precision_and_recall_are_those_at_each_threshold():
    labels = np.array([1, 0, 1, 0])
    given = np.array([0.9, 0.8, 0.7, 0.1])
    probabilities = np.stack([1 - given, given], axis=1)
    figure = class_figures.precision_recall_figure(labels, probabilities, ["no", "yes"])
    (axes,) = figure.axes
    curve, guess = axes.lines
    points = {(r, round(p, 3)) for r, p in zip(*curve.get_data(), strict=True)}
    assert {(1.0, 0.5), (1.0, 0.667), (0.5, 1.0)} <= points
    assert guess.get_ydata() == [0.5, 0.5]  # the share of the class
    assert labels_of(figure) == ["0.833  yes"]


def test_reliability_shows_shares_and_counts_of_ten_groups():
    figure = class_figures.reliability_figure(LABELS, BINARY, ["no", "yes"])
    upper, lower = figure.axes
    points = upper.lines[1]
    np.testing.assert_allclose(points.get_xdata(), [0.05, 0.135, 0.65, 0.81, 0.945])
    np.testing.assert_allclose(points.get_ydata(), [0, 0, 0.5, 1, 1])
    assert [text.get_text() for text in lower.texts] == ["1", "2", "2", "1", "2"]
    assert lower.get_xlabel() == "probability of yes"
    assert labels_of(figure) == ["rows: no", "yes"]
    drawn(figure)


def test_reliability_of_more_classes_is_that_of_the_class_predicted():
    probabilities = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.0, 0.98, 0.02]])
    labels = np.array([0, 1, 1])
    given, hit = class_figures.judged_probabilities(labels, probabilities)
    assert given.tolist() == [0.6, 0.5, 0.98]
    assert hit.tolist() == [True, False, True]
    figure = class_figures.reliability_figure(labels, probabilities, ["a", "b", "c"])
    assert figure.axes[1].get_xlabel() == "probability of the class predicted"
    assert labels_of(figure) == ["rows: wrong", "right"]


def test_the_interval_of_a_share_is_wilsons():
    low, high = scores.wilson_interval(np.array([0.0, 0.5]), np.array([16, 100]))
    np.testing.assert_allclose(low, [0, 0.4038], atol=1e-4)
    np.testing.assert_allclose(high, [0.1936, 0.5962], atol=1e-4)


def test_names_are_no_formulas_and_what_the_font_has_not_is_numbered():
    names = ["$x$ and $\\frac", "\u65e5\u672c\u8a9e", "a^b_c", "na\u00efve"]
    assert class_figures.drawable(names) == [names[0], "class 2", *names[2:]]
    labels = np.array([0, 1, 2, 3])
    for make in (class_figures.roc_figure, class_figures.precision_recall_figure):
        drawn(make(labels, np.full((4, 4), 0.25), class_figures.drawable(names)))
    matrix = [table_figures.abbreviate(name) for name in class_figures.drawable(names)]
    drawn(reports.confusion_matrix_figure(labels, labels, matrix))
    assert table_figures.escape("$5") == r"\$5"
