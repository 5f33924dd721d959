import io

import numpy as np
import pytest
from matplotlib.image import imread

from kerasnn import reports
from kerasnn.reports import table_figures


def drawn(figure):
    """The pixels; every figure must come out, whatever the names in it."""
    pixels = imread(io.BytesIO(reports.png(figure)))
    assert pixels.std() > 0
    return pixels


HISTORY = {"loss": [0.9, 0.5, 0.4], "val_loss": [1.0, 0.7, 0.8]}


def test_curves_of_one_network_mark_the_epoch_chosen():
    figure = table_figures.member_curves(HISTORY, epochs=[10, 20, 30], best_epoch=20)
    (axes,) = figure.axes
    train, held_out, mark = axes.lines
    assert train.get_ydata().tolist() == HISTORY["loss"]
    assert held_out.get_ydata().tolist() == HISTORY["val_loss"]
    assert train.get_xdata().tolist() == [10, 20, 30]
    assert list(mark.get_xdata()) == [20, 20]
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["training rows", "validation rows", "epoch 20 chosen"]
    assert not axes.collections
    drawn(figure)


def test_curves_of_members_are_their_mean_and_range():
    members = np.array([[0.9, 0.7], [0.6, 0.4], [0.5, np.nan]])  # the second has stopped
    figure = table_figures.member_curves({"val_loss": members}, best_epoch=[3, 2, 3])
    (axes,) = figure.axes
    mean, marks = axes.lines
    np.testing.assert_allclose(mean.get_ydata(), [0.8, 0.5, 0.5])
    assert mean.get_xdata().tolist() == [1, 2, 3]
    assert marks.get_xdata().tolist() == [2, 3]
    (band,) = axes.collections
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices.round(3).tolist()}
    assert {(1, 0.7), (1, 0.9), (2, 0.4), (2, 0.6), (3, 0.5)} == corners
    drawn(figure)


def test_a_wide_range_of_losses_is_logarithmic_and_one_check_is_a_point():
    (axes,) = table_figures.member_curves({"loss": [9.0, 0.1]}).axes
    assert axes.get_yscale() == "log"
    (axes,) = table_figures.member_curves({"loss": [9.0]}).axes
    assert axes.lines[0].get_marker() == "o"


def test_predictions_and_residuals_are_drawn_from_at_most_3000_rows(rng):
    targets = rng.normal(size=5000)
    predicted = targets + rng.normal(size=5000)
    (axes,) = table_figures.predicted_true_figure(targets, predicted).axes
    points = axes.collections[0].get_offsets()
    assert len(points) == 3000
    assert set(points[:, 0]) <= set(predicted)
    figure = table_figures.residual_figure(targets[:10], predicted[:10])
    left, right = figure.axes
    np.testing.assert_allclose(
        left.collections[0].get_offsets(),
        np.stack([predicted[:10], targets[:10] - predicted[:10]], axis=1),
    )
    assert sum(bar.get_width() for bar in right.patches) == 10
    drawn(figure)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("kind", "kind"), ("a long name of class number 12", "a long name of cl...r 12")],
)
def test_long_names_keep_their_end(name, shown):
    assert table_figures.abbreviate(name) == shown
