"""The catalogue of uses of `fit`: models, optimizers, inputs, arguments, callbacks.

Every case is run by Keras and by kerasnn from equal weights. A case makes everything
again for each run, since models, generators and callbacks keep state.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import layers, losses, metrics, optimizers

RAN_OUT = "Your input ran out of data"
N_ROWS = 40  # batches of 16 end with a short one, batches of 8 do not
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N_ROWS, 4)).astype("float32")
Y = np.tanh(X @ RNG.normal(size=(4, 1)).astype("float32"))  # [rows, 1]
LABELS = np.argmax(X[:, :3], axis=1).astype("int32")  # [rows] in 0..2
BINARY = (Y > 0).astype("float32")  # [rows, 1]
WEIGHTS = RNG.uniform(size=N_ROWS).astype("float32")
WEIGHTS[::5] = 0
SEQUENCES = RNG.normal(size=(N_ROWS, 5, 3)).astype("float32")
SEQUENCES[::2, 3:] = 0  # the end of every second one is masked
X_VAL, Y_VAL = X[:20] + 0.5, Y[:20]


# --- a case -----------------------------------------------------------------------


def one_fit(fit, model, arguments):
    return [fit(model, **arguments)]


def no_callbacks(folder):
    return []


class Case(NamedTuple):
    """One use of fit.

    Attributes:
        model: makes a compiled model.
        data: makes the arguments of fit; `epochs=2, shuffle=False` by default.
        callbacks: makes callbacks, which may write to a folder.
        script: (fit, model, arguments) -> the History of every fit.
        drivers: the drivers that must agree with Keras.
        warns: the warning that Keras gives, and ours must.
        rtol: of History and variables.
        iterations: whether Keras counts its steps right. Where it learns the length of the
            data by running out of it, the step without a batch is counted as well.
    """

    model: Callable[[], keras.Model]
    data: Callable[[], dict[str, Any]]
    callbacks: Callable[[Any], list] = no_callbacks
    script: Callable[..., list] = one_fit
    drivers: tuple[str, ...] = ("graph",)
    warns: str | None = None
    rtol: float = 1e-5
    iterations: bool = True


BOTH = ("graph", "xla")
FALLS_BACK = ("auto",)  # to Keras's own loop


# --- data -------------------------------------------------------------------------


def rows(x=X, y=Y, **arguments):
    """Arguments of fit for rows in memory."""
    return {"x": x, "y": y, "batch_size": 16, **arguments}


def validated(**arguments):
    return rows(validation_data=(X_VAL, Y_VAL), **arguments)


def dataset(batch_size=16):
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(batch_size)


def generator(sizes):
    """Batches of the given sizes, endlessly."""
    while True:
        first = 0
        for size in sizes:
            yield X[first : first + size], Y[first : first + size]
            first += size


class Rows(keras.utils.PyDataset):
    """Three batches, with other rows in every epoch."""

    def __init__(self):
        super().__init__()
        self.epoch = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        part = slice(16 * index, 16 * index + 16)
        return X[part] + self.epoch, Y[part]

    def on_epoch_end(self):
        self.epoch += 1


def torch_batches():
    torch = pytest.importorskip("torch")
    pairs = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    return torch.utils.data.DataLoader(pairs, batch_size=16)


# --- models -----------------------------------------------------------------------


def sequential(*stack, shape=(4,), dtype=None, optimizer=None, loss="mse", **compiled):
    """A compiled Sequential; by default SGD and the mean squared error."""
    model = keras.Sequential([keras.Input(shape, dtype=dtype), *stack])
    model.compile(optimizer or optimizers.SGD(0.1), loss, **compiled)
    return model


def regressor(optimizer=None, **compiled):
    hidden = layers.Dense(5, activation="relu")
    return sequential(hidden, layers.Dense(1), optimizer=optimizer, **compiled)


def linear(**compiled):
    """A minimal model, for cases about the arguments of `fit`."""
    return sequential(layers.Dense(1), **compiled)


def classifier(**compiled):
    compiled.setdefault("loss", "sparse_categorical_crossentropy")
    return sequential(layers.Dense(3, activation="softmax"), **compiled)


def binary(**compiled):
    return sequential(
        layers.Dense(1, activation="sigmoid"), loss="binary_crossentropy", **compiled
    )


def with_layer(layer, **compiled):
    return sequential(layers.Dense(5), layer(), layers.Dense(1), **compiled)


def functional():
    x = keras.Input((4,))
    hidden = layers.Dense(4, activation="tanh")(x)
    model = keras.Model(x, layers.Dense(1)(layers.add([x, hidden])))
    model.compile(optimizers.SGD(0.1), "mse", metrics=["mae"])
    return model


def two_inputs(names=("a", "b"), as_dict=True):
    inputs = {name: keras.Input((4,), name=name) for name in names}
    y = layers.Dense(1)(layers.concatenate(list(inputs.values())))
    model = keras.Model(inputs if as_dict else list(inputs.values()), y)
    model.compile(optimizers.SGD(0.1), "mse")
    return model


def two_outputs(as_dict, **compiled):
    x = keras.Input((4,))
    outputs = {
        "value": layers.Dense(1, name="value")(x),
        "label": layers.Dense(3, activation="softmax", name="label")(x),
    }
    model = keras.Model(x, outputs if as_dict else list(outputs.values()))
    model.compile(optimizers.SGD(0.1), **compiled)
    return model


class Subclassed(keras.Model):
    """A model that is unbuilt until its first batch; base of the models below."""

    def __init__(self, **compiled):
        super().__init__()
        self.hidden = layers.Dense(4, activation="relu")
        self.out = layers.Dense(1)
        self.compile(optimizers.SGD(0.1), "mse", **compiled)

    def call(self, x, training=False):
        return self.out(self.hidden(x))


class OwnSteps(Subclassed):
    """A model whose steps return custom logs, one of them a Python float."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            error = tf.reduce_mean(tf.abs(self(x, training=True) - y))
        gradients = tape.gradient(error, self.trainable_variables)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )
        return {"error": error, "ten": 10.0}

    def test_step(self, data):
        x, y = data
        return {"worst": tf.reduce_max(tf.abs(self(x) - y)), "five": 5.0}


class OwnLoss(Subclassed):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return tf.reduce_mean(tf.abs(y - y_pred)) + 0.01 * tf.reduce_sum(x**2)


class OwnMetrics(Subclassed):
    """A model whose compute_metrics returns logs that are not those of `metrics`."""

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        logs = super().compute_metrics(x, y, y_pred, sample_weight)
        return {**logs, "largest": tf.reduce_max(y_pred)}


class ListedMetrics(Subclassed):
    """A model with a custom loss tracker, listed by its `metrics` property."""

    def __init__(self):
        super().__init__()
        self.tracker = metrics.Mean(name="squared")

    @property
    def metrics(self):
        return [self.tracker]

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            error = tf.reduce_mean((self(x, training=True) - y) ** 2)
        gradients = tape.gradient(error, self.trainable_variables)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )
        self.tracker.update_state(error)
        return {"squared": self.tracker.result()}


class KeepsMetrics(Subclassed):
    """A model whose metrics continue across epochs."""

    def reset_metrics(self):
        pass


class MetricInCall(Subclassed):
    def __init__(self):
        super().__init__()
        self.activity = metrics.Mean(name="activity")

    def call(self, x, training=False):
        hidden = self.hidden(x)
        self.activity.update_state(tf.reduce_mean(hidden))
        return self.out(hidden)


class Reconstruction(layers.Layer):
    """A layer that adds the whole loss, for models without targets."""

    def call(self, x):
        self.add_loss(tf.reduce_mean(x**2))
        return x


class Total(metrics.Metric):
    """A metric that sums all predictions; no epoch resets it."""

    def __init__(self, name="total"):
        super().__init__(name=name)
        self.total = self.add_weight(name="total", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(tf.reduce_sum(y_pred))

    def result(self):
        return tf.identity(self.total)  # the value now: Keras reads it after validation

    def reset_state(self):
        pass


def half(y_true, y_pred):
    """A metric that is a function."""
    return tf.abs(y_true - y_pred) / 2


# --- scripts ----------------------------------------------------------------------


def twice(fit, model, arguments):
    return [fit(model, **arguments), fit(model, **arguments)]


def frozen_and_compiled_again(fit, model, arguments):
    first = fit(model, **arguments)
    model.layers[0].trainable = False
    model.compile(optimizers.SGD(0.05), "mse")
    return [first, fit(model, **arguments)]


def frozen_without_compile(fit, model, arguments):
    first = fit(model, **arguments)
    model.layers[0].trainable = False  # has no effect before compile
    return [first, fit(model, **arguments)]


def rate_and_batch_between(fit, model, arguments):
    first = fit(model, **arguments)
    model.optimizer.learning_rate = 0.01
    model.train_on_batch(X[:8], Y[:8])
    return [first, fit(model, **arguments)]


def other_rows_then(fit, model, arguments):
    first = fit(model, **arguments)
    arguments["x"], arguments["y"] = X[:27], Y[:27]
    return [first, fit(model, **arguments)]


class PowerFailureError(Exception):
    """Training was interrupted."""


class FailsOnce(keras.callbacks.Callback):
    failed = False

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2 and not self.failed:
            self.failed = True
            raise PowerFailureError


def interrupted_and_resumed(fit, model, arguments):
    with pytest.raises(PowerFailureError):
        fit(model, **arguments)
    return [fit(model, **arguments)]


# --- callbacks --------------------------------------------------------------------


class StopsMidEpoch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            self.model.stop_training = True


class RateOfBatch(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = 0.1 / (1 + batch)


class ShrinksWeights(keras.callbacks.Callback):
    """Changes the model from the host, between epochs."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.set_weights([0.9 * w for w in self.model.get_weights()])


def batch_losses(folder):
    """Writes the running loss of every batch to a file."""

    def write(batch, logs):
        with (folder / "batches.csv").open("a") as file:
            file.write(f"{batch},{logs['loss']:.9g}\n")

    return [keras.callbacks.LambdaCallback(on_train_batch_end=write)]


def halved(epoch, rate):
    return rate / 2


# --- the catalogue ----------------------------------------------------------------

MODELS = {
    "Sequential with ReLU and validation": Case(regressor, validated, drivers=BOTH),
    "Functional with a metric": Case(functional, rows),
    "a subclass unbuilt before fit": Case(Subclassed, validated),
    "batch normalization": Case(
        lambda: with_layer(layers.BatchNormalization), validated, drivers=BOTH
    ),
    "dropout with the masks of Keras": Case(
        lambda: with_layer(lambda: layers.Dropout(0.5, seed=1)), rows
    ),
    "an embedding": Case(
        lambda: sequential(
            layers.Embedding(3, 2), layers.Flatten(), layers.Dense(1), shape=(2,)
        ),
        lambda: rows(np.stack([LABELS, LABELS[::-1]], axis=1)),
    ),
    "normalization of rows and of layers": Case(
        lambda: sequential(
            layers.Normalization(mean=0.3, variance=2.0),
            layers.LayerNormalization(),
            layers.Dense(1),
        ),
        rows,
    ),
    "a GRU with masking": Case(
        lambda: sequential(layers.Masking(), layers.GRU(2), layers.Dense(1), shape=(5, 3)),
        lambda: rows(SEQUENCES),
    ),
    "a convolution": Case(
        lambda: sequential(
            layers.Conv1D(2, 3), layers.Flatten(), layers.Dense(1), shape=(5, 3)
        ),
        lambda: rows(SEQUENCES),
    ),
    "two inputs in a dict": Case(two_inputs, lambda: rows({"a": X, "b": X[::-1]})),
    "two inputs in a list": Case(
        lambda: two_inputs(as_dict=False), lambda: rows([X, X[::-1]])
    ),
    "two inputs in a tuple": Case(
        lambda: two_inputs(as_dict=False), lambda: rows((X, X[::-1]))
    ),
    "two outputs, losses and weights in lists": Case(
        # The short batch matters: Keras weights these losses by the batch size it knows.
        lambda: two_outputs(
            False, loss=["mse", "sparse_categorical_crossentropy"], loss_weights=[0.3, 2.0]
        ),
        lambda: rows(y=[Y, LABELS]),
        drivers=BOTH,
    ),
    "two outputs in dicts, each with its own loss, weight and metrics": Case(
        lambda: two_outputs(
            True,
            loss={"value": "mse", "label": "sparse_categorical_crossentropy"},
            metrics={"value": ["mae"], "label": ["accuracy"]},
            weighted_metrics={"value": ["mse"], "label": []},
        ),
        lambda: rows(
            y={"value": Y, "label": LABELS},
            sample_weight={"value": WEIGHTS, "label": WEIGHTS[::-1]},
        ),
    ),
    "no targets, but add_loss": Case(
        lambda: sequential(layers.Dense(4), Reconstruction(), loss=None),
        lambda: rows(y=None),
    ),
    "regularizers and constraints": Case(
        lambda: sequential(
            layers.Dense(
                5,
                kernel_regularizer="l2",
                activity_regularizer="l1",
                kernel_constraint=keras.constraints.MaxNorm(0.5),
            ),
            layers.Dense(1, bias_constraint="non_neg"),
        ),
        rows,
        drivers=BOTH,
    ),
    "steps with custom logs": Case(OwnSteps, validated, drivers=BOTH),
    "a custom compute_loss": Case(OwnLoss, rows),
    "a custom compute_metrics": Case(OwnMetrics, validated),
    "metrics listed by a property": Case(ListedMetrics, rows),
    "a custom reset_metrics": Case(KeepsMetrics, rows),
    "a metric updated in call": Case(MetricInCall, rows),
    "mixed bfloat16": Case(
        lambda: sequential(
            layers.Dense(5, dtype="mixed_bfloat16"), layers.Dense(1, dtype="float32")
        ),
        rows,
    ),
    "float64": Case(
        lambda: sequential(
            layers.Dense(5, dtype="float64"), layers.Dense(1, dtype="float64")
        ),
        rows,
    ),
}

# One of each class that Keras has: the catalogue cannot miss one.
NOT_ALONE = {"Optimizer", "MultiOptimizer", "LossScaleOptimizer"}  # a base, two wrappers
OPTIMIZERS = {
    name: Case(
        lambda name=name: sequential(
            layers.Dense(1, use_bias=False), optimizer=getattr(optimizers, name)(0.01)
        ),
        rows,
        drivers=BOTH if name == "Adam" else ("graph",),
    )
    for name in dir(optimizers)
    if isinstance(getattr(optimizers, name), type)
    and issubclass(getattr(optimizers, name), optimizers.Optimizer)
    and name not in NOT_ALONE
}

SETTINGS = {
    "Nesterov, weight decay and clipnorm": lambda: optimizers.SGD(
        0.05, momentum=0.9, nesterov=True, weight_decay=0.1, clipnorm=0.1
    ),
    "a moving average and clipvalue": lambda: optimizers.SGD(
        0.1, use_ema=True, ema_momentum=0.5, clipvalue=0.05
    ),
    "a moving average that overwrites": lambda: optimizers.SGD(
        0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2
    ),
    "gradients of two batches and global_clipnorm": lambda: optimizers.SGD(
        0.1, gradient_accumulation_steps=2, global_clipnorm=0.1
    ),
    "a loss scale": lambda: optimizers.LossScaleOptimizer(
        optimizers.SGD(0.1), initial_scale=8.0, dynamic_growth_steps=2
    ),
    "a schedule": lambda: optimizers.SGD(
        optimizers.schedules.ExponentialDecay(0.2, decay_steps=2, decay_rate=0.5)
    ),
}
ON_XLA = {"a moving average that overwrites"}
OPTIMIZER_SETTINGS = {
    name: Case(
        lambda make=make: sequential(layers.Dense(1), optimizer=make()),
        lambda: rows(epochs=3),
        drivers=BOTH if name in ON_XLA else ("graph",),
    )
    for name, make in SETTINGS.items()
}

METRICS_AND_LOSSES = {
    "AUC, precision and recall": Case(
        lambda: binary(metrics=[metrics.AUC(), metrics.Precision(), metrics.Recall()]),
        lambda: rows(y=BINARY),
    ),
    "accuracy and the best two": Case(
        lambda: classifier(
            metrics=["accuracy", metrics.SparseTopKCategoricalAccuracy(k=2)]
        ),
        lambda: rows(y=LABELS),
        drivers=BOTH,
    ),
    "F1 of each class": Case(
        lambda: classifier(
            loss="categorical_crossentropy", metrics=[metrics.F1Score(average=None)]
        ),
        lambda: rows(y=np.eye(3, dtype="float32")[LABELS]),
    ),
    "R2 and a function": Case(lambda: regressor(metrics=[metrics.R2Score(), half]), rows),
    "a metric that does not reset": Case(
        lambda: regressor(metrics=[Total()]), lambda: validated(epochs=3)
    ),
    "Huber, summed over the batch": Case(
        lambda: regressor(optimizers.SGD(0.01), loss=losses.Huber(0.2, reduction="sum")),
        rows,
    ),
    "class weights": Case(
        lambda: classifier(weighted_metrics=["accuracy"]),
        lambda: rows(y=LABELS, class_weight={0: 1.0, 1: 0.2, 2: 3.0}),
        drivers=BOTH,
    ),
    "row weights, zeros among them": Case(
        lambda: regressor(metrics=["mae"], weighted_metrics=["mae"]),
        lambda: rows(sample_weight=WEIGHTS),
    ),
    "weights of each time step": Case(
        lambda: sequential(layers.Dense(1), shape=(5, 3)),
        lambda: rows(
            SEQUENCES,
            SEQUENCES[..., :1],
            sample_weight=(SEQUENCES[..., 0] != 0).astype("float32"),
        ),
    ),
}

INPUTS = {
    "float64 rows and bool targets": Case(linear, lambda: rows(X.astype("float64"), Y > 0)),
    "pandas, of integers": Case(
        linear, lambda: rows(pd.DataFrame(X.astype("int32")), pd.Series(Y[:, 0]))
    ),
    "tensors": Case(linear, lambda: rows(tf.constant(X), tf.constant(Y))),
    "a finite dataset": Case(
        linear, lambda: {"x": dataset(), "validation_data": dataset(8)}
    ),
    "an endless dataset": Case(
        linear, lambda: {"x": dataset().repeat(), "steps_per_epoch": 4}
    ),
    "a dataset of unknown length": Case(
        linear,
        lambda: {"x": dataset().filter(lambda x, y: True), "epochs": 3},
        warns=RAN_OUT,
        iterations=False,
    ),
    "a dataset with row weights": Case(
        linear,
        lambda: {"x": tf.data.Dataset.from_tensor_slices((X, Y, WEIGHTS)).batch(16)},
    ),
    "a generator": Case(
        linear, lambda: {"x": generator([16, 16, 8]), "steps_per_epoch": 3}
    ),
    "a generator of batches of many sizes": Case(
        linear, lambda: {"x": generator([5, 16, 16, 2, 1]), "steps_per_epoch": 5}
    ),
    "a stream longer than one stage": Case(linear, lambda: {"x": dataset(1)}, drivers=BOTH),
    "a PyDataset with on_epoch_end": Case(linear, lambda: {"x": Rows()}),
    "a DataLoader of torch": Case(linear, lambda: {"x": torch_batches()}),
    "strings": Case(
        lambda: sequential(
            layers.StringLookup(vocabulary=["a", "b", "c"]),
            layers.Embedding(4, 2),
            layers.Flatten(),
            layers.Dense(1),
            shape=(1,),
            dtype="string",
        ),
        lambda: rows(tf.constant(np.array(["a", "b", "c"])[LABELS][:, None])),
        drivers=FALLS_BACK,
    ),
}

ARGUMENTS = {
    "validation_split": Case(linear, lambda: rows(validation_split=0.25)),
    "validation from a dataset, some steps": Case(
        linear, lambda: rows(validation_data=dataset(8), validation_steps=2)
    ),
    "validation every second epoch": Case(
        linear, lambda: validated(epochs=4, validation_freq=2)
    ),
    "validation in listed epochs": Case(
        linear, lambda: validated(epochs=4, validation_freq=[1, 4])
    ),
    "validation with weights, steps and a batch size": Case(
        linear,
        lambda: rows(
            validation_data=(X_VAL, Y_VAL, WEIGHTS[:20]),
            validation_steps=2,
            validation_batch_size=7,
        ),
    ),
    "initial_epoch": Case(linear, lambda: rows(initial_epoch=1, epochs=3)),
    "steps_per_epoch alone": Case(linear, lambda: rows(batch_size=None, steps_per_epoch=3)),
    "fewer steps than batches": Case(
        linear,
        lambda: rows(batch_size=8, steps_per_epoch=3, epochs=4),
        warns=RAN_OUT,
    ),
    "more steps than batches": Case(linear, lambda: rows(steps_per_epoch=5), warns=RAN_OUT),
    "a dataset that ends early": Case(
        linear,
        lambda: {"x": dataset(), "steps_per_epoch": 2, "epochs": 3},
        warns=RAN_OUT,
    ),
    "no epochs": Case(linear, lambda: validated(epochs=0)),
    "a batch larger than the data": Case(linear, lambda: rows(batch_size=64)),
    "batches of equal size": Case(linear, lambda: rows(batch_size=8), drivers=BOTH),
    "three steps an execution": Case(
        lambda: linear(steps_per_execution=3), lambda: rows(batch_size=8)
    ),
    "run_eagerly": Case(lambda: linear(run_eagerly=True), rows, drivers=FALLS_BACK),
}

CALLBACKS = {
    "EarlyStopping with the best weights": Case(
        lambda: regressor(optimizers.SGD(0.4)),
        lambda: validated(epochs=8),
        lambda folder: [
            keras.callbacks.EarlyStopping(min_delta=0.05, restore_best_weights=True)
        ],
        drivers=BOTH,
    ),
    "CSVLogger and LearningRateScheduler": Case(
        linear,
        lambda: rows(epochs=3),
        lambda folder: [
            keras.callbacks.LearningRateScheduler(halved),
            keras.callbacks.CSVLogger(folder / "log.csv"),
        ],
    ),
    "ReduceLROnPlateau and ModelCheckpoint of each epoch": Case(
        linear,
        lambda: rows(epochs=4),
        lambda folder: [
            keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1.0),
            keras.callbacks.ModelCheckpoint(
                folder / "{epoch}-{loss:.2f}.weights.h5", save_weights_only=True
            ),
        ],
    ),
    "ModelCheckpoint every second batch": Case(
        linear,
        lambda: rows(batch_size=8),
        lambda folder: [
            keras.callbacks.ModelCheckpoint(
                folder / "{epoch}-{batch}.weights.h5", save_weights_only=True, save_freq=2
            )
        ],
    ),
    "BackupAndRestore after a failure": Case(
        linear,
        lambda: rows(epochs=4),
        lambda folder: [keras.callbacks.BackupAndRestore(folder), FailsOnce()],
        interrupted_and_resumed,
    ),
    "TerminateOnNaN": Case(
        lambda: regressor(optimizers.SGD(1e30)),
        lambda: rows(batch_size=8),
        lambda folder: [keras.callbacks.TerminateOnNaN()],
    ),
    "SwapEMAWeights": Case(
        lambda: regressor(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)),
        validated,
        lambda folder: [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)],
    ),
    "LambdaCallback at each batch": Case(linear, rows, batch_losses),
    "a callback that stops mid-epoch": Case(
        linear, lambda: validated(epochs=3), lambda folder: [StopsMidEpoch()]
    ),
    "LambdaCallback at each batch of a dataset": Case(
        linear, lambda: {"x": dataset(8)}, batch_losses
    ),
    "a callback that stops mid-epoch, of a dataset": Case(
        linear, lambda: {"x": dataset(8), "epochs": 3}, lambda folder: [StopsMidEpoch()]
    ),
    "a learning rate for each batch of a generator": Case(
        linear,
        lambda: {"x": generator([8] * 5), "steps_per_epoch": 5},
        lambda folder: [RateOfBatch()],
    ),
    "ModelCheckpoint every second batch of a dataset": Case(
        linear,
        lambda: {"x": dataset(8)},
        lambda folder: [
            keras.callbacks.ModelCheckpoint(
                folder / "{epoch}-{batch}.weights.h5", save_weights_only=True, save_freq=2
            )
        ],
    ),
    "a learning rate for each batch": Case(linear, rows, lambda folder: [RateOfBatch()]),
    "a callback that sets weights": Case(
        linear, lambda: rows(epochs=3), lambda folder: [ShrinksWeights()]
    ),
}

SCRIPTS = {
    "a second fit": Case(regressor, rows, script=twice, drivers=BOTH),
    "a second fit with other rows": Case(regressor, rows, script=other_rows_then),
    "frozen and compiled again": Case(regressor, rows, script=frozen_and_compiled_again),
    "frozen without compile": Case(regressor, rows, script=frozen_without_compile),
    "a new learning rate and train_on_batch between": Case(
        regressor, rows, script=rate_and_batch_between
    ),
}

GROUPS = {
    "model": MODELS,
    "optimizer": OPTIMIZERS,
    "optimizer with": OPTIMIZER_SETTINGS,
    "measured by": METRICS_AND_LOSSES,
    "rows from": INPUTS,
    "called with": ARGUMENTS,
    "with callbacks": CALLBACKS,
    "again": SCRIPTS,
}
CASES = {
    f"{group}: {name}": c for group, cases in GROUPS.items() for name, c in cases.items()
}
