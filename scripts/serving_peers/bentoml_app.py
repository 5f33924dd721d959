"""The digits network behind BentoML, as its documentation writes it.

MODEL=saved_models/digits/1 bentoml serve bentoml_app:Digits
"""

import os
from typing import Any

import bentoml


@bentoml.service
class Digits:
    """One network in one worker."""

    def __init__(self) -> None:
        import tensorflow as tf

        self.loaded = tf.saved_model.load(os.environ["MODEL"])
        self.network = self.loaded.signatures["serving_default"]
        self.constant = lambda rows: tf.constant(rows, tf.float32)

    @bentoml.api
    def predict(self, instances: list[list[float]]) -> dict[str, Any]:
        """One object for each row."""
        outputs = self.network(x=self.constant(instances))
        columns = {name: tensor.numpy().tolist() for name, tensor in outputs.items()}
        return {
            "predictions": [
                dict(zip(columns, row, strict=True))
                for row in zip(*columns.values(), strict=True)
            ]
        }
