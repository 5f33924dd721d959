"""The digits network behind LitServe, as its documentation writes it.

    MODEL=saved_models/digits/1 python litserve_app.py PORT MAX_BATCH_SIZE

With a batch of 1 each request is computed alone; with more, those that came within a
millisecond are computed together.
"""

import os
import sys
from typing import Any

import litserve
import numpy as np


class Digits(litserve.LitAPI):
    """One row for each request."""

    def setup(self, device: str) -> None:
        """Load the network, in the worker's process."""
        import tensorflow as tf

        self.loaded = tf.saved_model.load(os.environ["MODEL"])
        self.network = self.loaded.signatures["serving_default"]
        self.constant = lambda rows: tf.constant(rows, tf.float32)

    def decode_request(self, request: dict[str, Any]) -> np.ndarray:
        """The row of one request."""
        return np.asarray(request["instances"][0], np.float32)

    def predict(self, x: np.ndarray) -> Any:
        """Of one row [64], or of the rows [n, 64] that LitServe stacked."""
        outputs = self.network(x=self.constant(np.atleast_2d(x)))
        columns = {name: tensor.numpy().tolist() for name, tensor in outputs.items()}
        columns_of_rows = zip(*columns.values(), strict=True)
        rows = [dict(zip(columns, row, strict=True)) for row in columns_of_rows]
        return rows if x.ndim == 2 else rows[0]

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request."""
        return {"predictions": [output]}


if __name__ == "__main__":
    port, max_batch_size = int(sys.argv[1]), int(sys.argv[2])
    api = Digits(
        max_batch_size=max_batch_size,
        batch_timeout=0.001 if max_batch_size > 1 else 0.0,
    )
    server = litserve.LitServer(api, accelerator="cpu")
    server.run(host="127.0.0.1", port=port, log_level="warning", generate_client_file=False)
