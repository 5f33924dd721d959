"""A user's script that `mypy --strict` checks (tests/test_code_style.py); it is not run."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import kerasnn
from kerasnn import datasets, models
from kerasnn.saving import SavedNetwork, SavedTable
from kerasnn.training.callbacks.history import FitHistory

x, y = np.ones((8, 64), np.float32), np.zeros(8, np.int32)
table = pd.DataFrame({"age": [33.0, 41.0], "city": ["Lyon", "Oslo"]})

# A network of rows: train, evaluate, predict, export.
model = models.DigitsModel(hidden_units=(30,), seed=0)
history = kerasnn.fit(model, x, y, epochs=3, batch_size=4)
assert_type(history, FitHistory)
assert_type(history.history["loss"], list[float])
assert_type(kerasnn.evaluate(model, x, y), float | list[float] | dict[str, float])
kerasnn.predict(model, x)
assert_type(kerasnn.export(model, "saved_models/digits"), Path)
network = models.DigitsNetwork(hidden_units=(30,), seed=0)
assert_type(network.n_in, int)
assert_type(kerasnn.Trainer(network).fit(x, y).history, dict[str, list[float]])


class Mine(kerasnn.Model):
    """A user's own model."""


assert_type(Mine().fit(x, y, epochs=2), FitHistory)

# A network of tables, with the contract of scikit-learn.
classifier = kerasnn.NetworkClassifier(members=4, embedding="periodic")
assert_type(classifier.fit(table, ["no", "yes"]), kerasnn.NetworkClassifier)
assert_type(classifier.predict_proba(table), NDArray[np.float64])
assert_type(classifier.predict({"age": [1.0], "city": ["Oslo"]}), NDArray[np.generic])
assert_type(classifier.score(table, ["no", "yes"]), float)
assert_type(classifier.export("saved_models/adult"), Path)
regressor = kerasnn.NetworkRegressor().fit(table, [1.0, 2.0])
assert_type(regressor, kerasnn.NetworkRegressor)
assert_type(regressor.predict(table), NDArray[np.float64])
assert_type(regressor.score(table, [1.0, 2.0]), float)
assert_type(kerasnn.cross_validate(classifier, table, ["no", "yes"]), dict[str, Any])

# What was exported.
saved = kerasnn.load("saved_models/adult")
assert_type(saved, SavedNetwork | SavedTable)
assert_type(
    saved.predict({"age": [33, np.nan], "city": ["Lyon", None]}), dict[str, NDArray[Any]]
)
assert_type(saved.predict(table)["class"], NDArray[Any])
assert_type(saved.predict(x), dict[str, NDArray[Any]])
assert_type(saved.folder, Path)

# Rows.
(x_train, labels), _ = datasets.digits()
assert_type(x_train, NDArray[np.float32])
assert_type(labels, NDArray[np.generic])
assert_type(datasets.iris_perceptron(), tuple[NDArray[np.float64], NDArray[np.float64]])
assert_type(datasets.as_table("rows.csv"), pd.DataFrame)
assert_type(datasets.infer_schema(table, target="city"), datasets.Schema)
