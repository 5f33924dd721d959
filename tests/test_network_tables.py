"""Networks, schemas and histories show themselves in a line, as text and in a notebook."""

import numpy as np
import pytest

from kerasnn import datasets, models
from kerasnn.errors import InputError
from kerasnn.training.callbacks.history import History


@pytest.mark.parametrize("kind", [models.DigitsNetwork, models.DigitsModel])
def test_a_summary_has_every_explicit_variable(kind):
    network, lines = kind(), []
    network.summary(print_fn=lines.append)
    assert repr(network) == f"{kind.__name__}(64-30-10: 2,260 numbers)"
    (text,) = lines
    assert text.splitlines()[1:] == [
        "Variable    shape  numbers  trained",
        "kernel_0  64 x 30    1,920      yes",
        "bias_0         30       30      yes",
        "kernel_1  30 x 10      300      yes",
        "bias_1         10       10      yes",
    ]
    assert network._repr_html_().count("<tr>") == 5


def test_a_network_without_biases_has_none():
    for network in (models.SigmoidNetwork(), models.SigmoidModel()):
        assert list(network.named_variables()) == ["kernel_0", "kernel_1"]


def test_a_schema_counts_its_columns():
    import pandas as pd

    rows = {"a": np.linspace(0, 1, 30), "b": ["x", "y"] * 15, "c<": ["k"] * 30}
    schema = datasets.infer_schema(pd.DataFrame(rows))
    assert repr(schema) == "Schema(30 rows, 1 numeric, 1 categorical, 1 left out)"
    assert "c&lt;</th><td>left out</td>" in schema._repr_html_()


def test_a_history_shows_its_last_values_and_draws_itself():
    history = History()
    history.epoch, history.history = [0, 1], {"loss": [2.0, 0.5], "val_loss": [3.0, 1.0]}
    assert repr(history) == "History(2 epochs, loss=0.5, val_loss=1)"
    assert "<td>2</td><td>0.5</td><td>2</td><td>0.5</td>" in history._repr_html_()
    figure = history.plot()
    assert [line.get_label() for line in figure.axes[0].lines] == [
        "training rows",
        "validation rows",
    ]
    assert "validation rows</text>" in figure._repr_html_()
    with pytest.raises(InputError, match="one of loss; got 'accuracy'"):
        history.plot("accuracy")
