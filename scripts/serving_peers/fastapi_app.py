"""The digits network behind FastAPI, as one usually writes it.

    MODEL=saved_models/digits/1 uvicorn fastapi_app:app

`/predict` is a plain function, which FastAPI runs in its threads; `/predict-async` runs in
the event loop and holds up all others while it computes, which costs less for each.
"""

import os
from typing import Any

import tensorflow as tf
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
loaded = tf.saved_model.load(os.environ["MODEL"])
network = loaded.signatures["serving_default"]


class Rows(BaseModel):
    """What is asked: 64 numbers for each row."""

    instances: list[list[float]]


def predictions(rows: Rows) -> dict[str, Any]:
    """One object for each row."""
    outputs = network(x=tf.constant(rows.instances, tf.float32))
    columns = {name: tensor.numpy().tolist() for name, tensor in outputs.items()}
    return {
        "predictions": [
            dict(zip(columns, row, strict=True))
            for row in zip(*columns.values(), strict=True)
        ]
    }


@app.post("/predict")
def predict(rows: Rows) -> dict[str, Any]:
    """In a thread."""
    return predictions(rows)


@app.post("/predict-async")
async def predict_async(rows: Rows) -> dict[str, Any]:
    """In the event loop."""
    return predictions(rows)
