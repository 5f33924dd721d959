"""The choices that options offer; free of TensorFlow, so that `--help` can list them."""

from typing import Literal

Initializer = Literal["ones", "normal", "glorot", "he"]
Batching = Literal["full", "kfold", "shuffled", "tf-data"]
Driver = Literal["eager", "graph", "xla"]
FitDriver = Literal["auto", "xla", "graph", "eager", "keras"]
AccelerateDriver = Literal["auto", "xla", "graph"]
OptimizerName = Literal[
    "by-hand",
    "sgd",
    "momentum",
    "adam",
    "adamw",
    "nadam",
    "adamax",
    "rmsprop",
    "adagrad",
    "adadelta",
    "lion",
]
LessonName = Literal["iris", "digits"]
Task = Literal["classification", "regression"]
ColumnKind = Literal["numeric", "categorical", "boolean", "datetime", "text"]
NumericScaling = Literal["robust", "standard"]
TabularTask = Literal["binary", "multiclass", "regression"]
Activation = Literal["relu", "selu", "mish", "silu", "gelu"]
NumericEmbedding = Literal["periodic", "piecewise-linear", "none"]
Quality = Literal["fast", "default", "best"]
Verbose = Literal["auto", 0, 1, 2]  # as in `Model.fit`
