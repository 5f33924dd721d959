"""One step under three drivers gives equal numbers, and equal bits in eager and graph."""

from itertools import pairwise
from typing import NamedTuple, get_args

import keras
import numpy as np
import pytest
import tensorflow as tf
from catalogue import CASES, rows_for

from kerasnn import InputError, NonFiniteLossError, Trainer, export, fit, models, reference
from kerasnn.choices import Batching, Driver, OptimizerName
from kerasnn.training import GradientDescent, make_optimizer, train_step
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.feeds.plan import sequential_plan

DRIVERS = get_args(Driver)


def weights(network):
    return [tf.convert_to_tensor(v).numpy() for v in network.trainable_variables]


def assert_same_bits(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def assert_close(ours, theirs, atol):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


# --- the step ---------------------------------------------------------------------


def test_one_step_by_hand_is_gradient_descent(iris):
    network = models.SigmoidNetwork(dtype="float64")
    numpy = reference.NeuralNetwork()
    x, y = iris
    gradients = numpy.backward(x, y, reduction="mean")
    losses, outputs = train_step(
        network, tf.constant(x), tf.constant(y), GradientDescent(0.5)
    )
    np.testing.assert_allclose(outputs, numpy.forward(x), atol=1e-15)
    assert losses.shape == (150,)
    assert np.mean(losses) == pytest.approx(1.2723011187586748, abs=1e-14)
    hidden, output = network.layers
    np.testing.assert_allclose(1 - hidden.kernel, 0.5 * gradients.hidden_kernel, atol=1e-15)
    np.testing.assert_allclose(1 - output.kernel, 0.5 * gradients.output_kernel, atol=1e-15)


# --- the lesson's numbers ---------------------------------------------------------


def iris_trainer(kind, optimizer, driver):
    if kind == "module":
        chosen = make_optimizer(optimizer, 0.1)
        return Trainer(models.SigmoidNetwork(), optimizer=chosen, driver=driver)
    model = models.SigmoidModel()
    model.compile(make_optimizer(optimizer, 0.1), "mse")
    return Trainer(model, driver=driver)


@pytest.mark.slow
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("kind", "optimizer"), [("module", "by-hand"), ("module", "sgd"), ("keras", "sgd")]
)
def test_iris_losses_are_those_of_the_lesson(iris, kind, optimizer, driver):
    trainer = iris_trainer(kind, optimizer, driver)
    losses = trainer.fit(*iris, epochs=200, batching="full").history["loss"]
    assert [round(losses[i], 4) for i in (0, 99, 199)] == [1.2723, 0.9051, 0.8889]


@pytest.mark.slow
@pytest.mark.parametrize("driver", DRIVERS)
def test_numpy_and_tensorflow_give_equal_weights(iris, driver):
    numpy = reference.NeuralNetwork()
    numpy.fit(*iris, epochs=200, learning_rate=0.1, reduction="mean")
    network = models.SigmoidNetwork(dtype="float64")
    trainer = Trainer(network, optimizer=GradientDescent(0.1), driver=driver)
    trainer.fit(*iris, epochs=200, batching="full")
    kernels = [layer.kernel.numpy() for layer in network.layers]
    assert_close(kernels, [numpy.hidden_kernel, numpy.output_kernel], 1e-9)


# --- the drivers ------------------------------------------------------------------


# The weights are compared after these epochs; an epoch has 3 steps.
STOPS = {"float32": (10, 12, 34), "float64": (334,)}


class Trained(NamedTuple):
    """The weights after some epochs, and the history of these epochs."""

    weights: list[np.ndarray]
    history: dict[str, list[float]]


def train(name, driver, kind, dtype, stops):
    """A network of the catalogue, trained in stages with one program."""
    case = CASES[name]
    network = getattr(case, kind)(initializer="glorot", seed=2, dtype=dtype)
    if kind == "model":
        network.compile(make_optimizer("adam", 0.002), case.keras_loss(dtype))
        trainer = Trainer(network, driver=driver)
    else:
        optimizer = make_optimizer("adam", 0.002)
        trainer = Trainer(network, optimizer=optimizer, driver=driver)
    x, y = rows_for(network)
    logs, results = {}, {}
    for first, last in pairwise((0, *stops)):
        history = trainer.fit(
            x,
            y,
            epochs=last,
            initial_epoch=first,
            batch_size=20,
            seed=1,
            validation_data=(x[:30], y[:30]),
        ).history
        logs = {key: logs.get(key, []) + values for key, values in history.items()}
        results[last] = Trained(weights(network), logs)
    return results


@pytest.fixture(scope="module")
def trained():
    """Trainings, each run once for all tests."""
    known = {}

    def result(name, driver, *, kind="network", dtype="float32", epochs):
        key = name, driver, kind, dtype
        if key not in known:
            stops = (epochs,) if driver == "eager" else STOPS[dtype]
            known[key] = train(*key, stops)
        return known[key][epochs]

    return result


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["network", "model"])
def test_graph_weights_equal_eager_weights_to_the_bit(name, kind, trained):
    eager = trained(name, "eager", kind=kind, epochs=12)
    graph = trained(name, "graph", kind=kind, epochs=12)
    assert_same_bits(eager.weights, graph.weights)
    assert eager.history == graph.history


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["network", "model"])
def test_xla_weights_are_within_1e_5_of_graph_after_100_steps_in_float32(
    name, kind, trained
):
    graph = trained(name, "graph", kind=kind, epochs=34)
    xla = trained(name, "xla", kind=kind, epochs=34)
    assert_close(graph.weights, xla.weights, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["network", "model"])
def test_xla_weights_are_within_1e_9_of_graph_after_1000_steps_in_float64(
    name, kind, trained
):
    graph = trained(name, "graph", kind=kind, dtype="float64", epochs=334)
    xla = trained(name, "xla", kind=kind, dtype="float64", epochs=334)
    assert_close(graph.weights, xla.weights, 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_keras_twin_trains_as_the_module(name, trained):
    module = trained(name, "xla", epochs=10)
    twin = trained(name, "xla", kind="model", epochs=10)
    by_size = sorted(module.weights, key=lambda w: w.size)
    assert_close(by_size, sorted(twin.weights, key=lambda w: w.size), 1e-5)
    for key in ("loss", "val_loss"):
        np.testing.assert_allclose(module.history[key], twin.history[key], rtol=1e-5)


@pytest.mark.slow
def test_the_keras_twin_trains_as_keras_fit(digits):
    (x, y), test = digits
    ours, keras_own = models.DigitsModel(), models.DigitsModel()
    for model in (ours, keras_own):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.002), loss, metrics=["accuracy"])
    # In the order of the rows, as Keras's shuffle=False has it: 4 batches of 64, one of 44.
    x, y = x[:300], y[:300]
    theirs = keras_own.fit(
        x, y, batch_size=64, epochs=5, shuffle=False, validation_data=test, verbose=0
    )
    trainer = Trainer(ours)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "kerasnn.training.trainer.make_plan",
            lambda batching, n_rows, batch_size, seed: sequential_plan(n_rows, batch_size),
        )
        history = trainer.fit(x, y, epochs=5, batch_size=64, validation_data=test)
    assert history.history.keys() == theirs.history.keys()
    for name, values in theirs.history.items():
        np.testing.assert_allclose(history.history[name], values, rtol=1e-5)
    assert_close(weights(ours), weights(keras_own), 1e-5)


# --- seeds and traces -------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("batching", get_args(Batching))
def test_equal_seeds_give_equal_results_to_the_bit(batching):
    trainer = Trainer(models.DigitsNetwork(8, (5,), 3))
    x, y = rows_for(trainer.model, 100)

    def run(seed):
        trainer.reset(seed)
        history = trainer.fit(x, y, epochs=3, batch_size=32, batching=batching, seed=seed)
        return weights(trainer.model), history.history

    first, history = run(1)
    other, _ = run(2)
    again, history_again = run(1)
    assert_same_bits(first, again)
    assert history == history_again
    assert not np.array_equal(first[0], other[0])


@pytest.mark.slow
@pytest.mark.parametrize("batching", ["kfold", "shuffled", "tf-data"])
def test_the_seed_of_fit_decides_the_row_order(batching):
    results = []
    for global_seed in (0, 1):
        tf.random.set_seed(global_seed)
        trainer = Trainer(models.DigitsNetwork(8, (5,), 3), driver="graph")
        x, y = rows_for(trainer.model)
        trainer.fit(x, y, batch_size=20, batching=batching, seed=0)
        results.append(weights(trainer.model))
    trainer.reset(0)
    trainer.fit(x, y, batch_size=20, batching=batching, seed=1)
    results.append(weights(trainer.model))
    assert_same_bits(results[0], results[1])  # for any global seed of TensorFlow
    assert not np.array_equal(results[0][0], results[2][0])


@pytest.mark.slow_cases
@pytest.mark.parametrize(("driver", "compiled"), [("graph", False), ("xla", True)])
def test_the_driver_decides_whether_xla_compiles(driver, compiled):
    """An operation without an XLA kernel runs in a graph and is refused by XLA."""

    class WithText(models.SigmoidNetwork):
        def __call__(self, x):
            tf.strings.as_string(x)
            shown = tf.strings.length(tf.strings.as_string(x))
            return super().__call__(x) + 0.0 * tf.cast(tf.reduce_sum(shown), x.dtype)

    trainer = Trainer(WithText(), driver=driver)
    x, y = rows_for(trainer.model)
    if compiled:
        with pytest.raises(InputError, match=r"cannot compile this model: .*AsString"):
            trainer.fit(x, y)
    else:
        trainer.fit(x, y)


@pytest.mark.slow
def test_no_shape_depends_on_the_number_of_epochs():
    """One trace is not one compilation: XLA would compile for each `tf.range(n_epochs)`."""
    trainer = Trainer(models.DigitsNetwork(8, (5,), 3))
    trainer.fit(*rows_for(trainer.model), batch_size=20)
    (program,) = programs_of(trainer.learner).all()
    operations = program.graph.get_operations()
    ranges = [o for o in operations if o.type == "Range"]
    assert [o for o in operations if o.type in ("While", "StatelessWhile")]
    assert all(i.op.type == "Const" for o in ranges for i in o.inputs)


@pytest.mark.slow
def test_the_number_of_epochs_in_a_call_changes_no_bit(monkeypatch):
    results = []
    for seconds in (0.0, 1e9):  # one step a call; as many epochs as are planned
        monkeypatch.setattr("kerasnn.training.runner.SECONDS_PER_CALL", seconds)
        network = models.DigitsNetwork(8, (5,), 3)
        x, y = rows_for(network)
        history = Trainer(network).fit(x, y, epochs=7, batch_size=20)
        results.append((history.steps_per_call, history.history, weights(network)))
    (one_by_one, history, first), (together, same_history, second) = results
    assert one_by_one == [1] * 3 * 7
    assert together == [1, 2, 15, 3]  # at most eight times as many
    assert history == same_history
    assert_same_bits(first, second)


@pytest.mark.slow_cases
@pytest.mark.parametrize("driver", ["graph", "xla"])
def test_one_trace_is_used_for_any_epochs_learning_rate_and_seed(driver):
    optimizer = keras.optimizers.Adam(0.01)
    trainer = Trainer(models.DigitsNetwork(8, (5,), 3), optimizer=optimizer, driver=driver)
    x, y = rows_for(trainer.model)
    for epochs, learning_rate, seed in ((1, 0.01, 0), (5, 0.1, 1), (40, 1e-4, 2)):
        trainer.optimizer.learning_rate = learning_rate
        trainer.fit(x, y, epochs=epochs, batch_size=20, seed=seed)
    assert len(programs_of(trainer.learner).all()) == 1  # each is traced once


@pytest.mark.slow
def test_a_second_fit_continues_the_first():
    def run(*pieces):
        network = models.DigitsNetwork(8, (5,), 3)
        x, y = rows_for(network)
        trainer = Trainer(network, driver="graph")
        first = 0
        for last in pieces:
            history = trainer.fit(x, y, epochs=last, initial_epoch=first, batch_size=20)
            first = last
        return weights(network), history.epoch

    whole, _ = run(6)
    pieces, epochs = run(2, 6)
    assert_same_bits(whole, pieces)
    assert epochs == [2, 3, 4, 5]


def test_reset_restores_initial_weights_and_optimizer():
    trainer = Trainer(models.DigitsNetwork(8, (5,), 3, seed=4), driver="graph")
    x, y = rows_for(trainer.model)
    before = weights(trainer.model)
    trainer.fit(x, y, epochs=2)
    assert int(trainer.optimizer.iterations) == 4
    trainer.reset(4)
    assert_same_bits(before, weights(trainer.model))
    assert int(trainer.optimizer.iterations) == 0


# --- losses, metrics, history -----------------------------------------------------


def test_a_loss_is_a_mean_over_rows_not_over_batches():
    network = models.DigitsNetwork(8, (5,), 3, dtype="float64")
    x, y = rows_for(network, 25)
    trainer = Trainer(network, optimizer=GradientDescent(0.0), driver="graph")
    history = trainer.fit(x, y, batch_size=20, validation_data=(x[:7], y[:7])).history
    logits = network(x).numpy()
    assert history["loss"] == [
        pytest.approx(reference.cross_entropy(reference.one_hot(y, 3), logits))
    ]
    assert history["accuracy"] == [pytest.approx(reference.accuracy(y, logits))]
    assert history["val_accuracy"] == [pytest.approx(reference.accuracy(y[:7], logits[:7]))]
    evaluated = trainer.evaluate(x, y)
    assert evaluated["loss"] == pytest.approx(history["loss"][0], rel=1e-12)
    assert evaluated["accuracy"] == pytest.approx(history["accuracy"][0])


@pytest.mark.slow
def test_one_hot_labels_train_as_integer_labels():
    results = []
    for one_hot in (False, True):
        network = models.DigitsNetwork(8, (5,), 3, dtype="float64")
        x, y = rows_for(network)
        target = reference.one_hot(y, 3) if one_hot else y
        history = Trainer(network, driver="graph").fit(x, target, epochs=3)
        results.append((history.history, weights(network)))
    assert results[0][0]["accuracy"] == results[1][0]["accuracy"]
    np.testing.assert_allclose(results[0][0]["loss"], results[1][0]["loss"], rtol=1e-12)
    assert_close(results[0][1], results[1][1], 1e-12)


@pytest.mark.slow
def test_evaluation_does_not_depend_on_the_batches(monkeypatch):
    network = models.DigitsNetwork(8, (5,), 3)
    x, y = rows_for(network)
    trainer = Trainer(network)
    whole = trainer.evaluate(x, y)
    monkeypatch.setattr("kerasnn.training.trainer.EVALUATION_BATCH_SIZE", 20)
    assert trainer.evaluate(x, y) == pytest.approx(whole, rel=1e-6)


@pytest.mark.slow_cases
@pytest.mark.parametrize("name", get_args(OptimizerName))
def test_every_optimizer_lowers_the_loss_under_xla(name):
    network = models.SigmoidNetwork(4, (3,), 1, initializer="glorot")
    x, y = rows_for(network)
    rate = {"adadelta": 10.0, "lion": 0.003}.get(name, 0.03)
    trainer = Trainer(network, optimizer=make_optimizer(name, rate))
    losses = trainer.fit(x, y, epochs=10, batching="full").history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_loss_scaling_changes_nothing_but_rounding():
    results = []
    for wrap in (lambda o: o, keras.optimizers.LossScaleOptimizer):
        network = models.SigmoidNetwork(initializer="glorot")
        x, y = rows_for(network)
        optimizer = wrap(keras.optimizers.SGD(0.5))
        Trainer(network, optimizer=optimizer, driver="graph").fit(x, y, epochs=5)
        results.append(weights(network))
    assert_close(results[0], results[1], 1e-6)


@pytest.mark.slow
def test_averaged_weights_are_assigned_at_the_end_as_in_keras():
    x, y = rows_for(models.SigmoidNetwork())
    ours, theirs = (models.SigmoidModel(initializer="glorot") for _ in range(2))
    for model in (ours, theirs):
        model.compile(keras.optimizers.SGD(0.5, use_ema=True), "mse")
    Trainer(ours, driver="graph").fit(x, y, epochs=20, batching="full")
    theirs.fit(x, y, epochs=20, batch_size=len(x), shuffle=False, verbose=0)
    assert_close(weights(ours), weights(theirs), 1e-6)


@pytest.mark.slow
def test_a_model_that_was_compiled_again_trains_with_the_new_settings():
    model = models.SigmoidModel(initializer="glorot")
    x, y = rows_for(model)
    model.compile(keras.optimizers.SGD(0.5), "mse")
    trainer = Trainer(model, driver="graph")
    trainer.fit(x, y)
    before = weights(model)
    model.compile(keras.optimizers.Adam(0.0), "mse")
    trainer.fit(x, y)
    assert_same_bits(before, weights(model))
    trainer.reset(3)
    assert int(trainer.optimizer.iterations) == 0


@pytest.mark.slow_cases
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_keras_twin_is_reset_too(case):
    model = case.model(initializer="normal", seed=1)
    model.compile("adam", case.keras_loss())
    trainer = Trainer(model, driver="graph")
    trainer.fit(*rows_for(model))
    trainer.reset(1)
    assert_same_bits(weights(model), weights(case.model(initializer="normal", seed=1)))
    with pytest.raises(InputError):
        trainer.reset(-1)


def test_callbacks_are_called_once_for_every_epoch_in_order():
    network = models.SigmoidNetwork(initializer="glorot")
    x, y = rows_for(network)
    heard = []
    history = Trainer(network, driver="graph").fit(
        x, y, epochs=20, on_epoch=[lambda epoch, logs: heard.append((epoch, logs["loss"]))]
    )
    assert heard == list(enumerate(history.history["loss"]))
    assert history.epoch == list(range(20))
    assert history.params == {"verbose": 0, "epochs": 20, "steps": 2}
    assert sum(history.steps_per_call) == 20 * 2
    assert history.microseconds_per_step() > 0


def test_verbose_prints_a_line_for_each_epoch(capsys):
    network = models.SigmoidNetwork(initializer="glorot")
    x, y = rows_for(network)
    fit(network, x, y, epochs=2, driver="eager", verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[::2] == ["Epoch 1/2", "Epoch 2/2"]
    assert all(line.startswith("2/2 - ") and "loss: " in line for line in lines[1::2])


# --- invalid use ------------------------------------------------------------------


@pytest.mark.slow_cases
@pytest.mark.parametrize(
    ("seconds_per_call", "kept_epoch", "where"),
    [(0.0, 3, "after epoch 3"), (1e9, 1, "after epoch 1")],
)
def test_a_non_finite_loss_raises_with_epoch_and_last_finite_value(
    iris, monkeypatch, seconds_per_call, kept_epoch, where
):
    monkeypatch.setattr("kerasnn.training.runner.SECONDS_PER_CALL", seconds_per_call)

    class Linear(models.MLPNetwork):
        activation = output_activation = staticmethod(tf.identity)
        head = models.REGRESSION

    network = Linear(
        2, (), 1, use_bias=False, initializer="ones", seed=0, dtype="float32", name=None
    )
    trainer = Trainer(network, optimizer=GradientDescent(1e5))
    with pytest.raises(NonFiniteLossError) as caught:
        trainer.fit(*iris, epochs=50, batching="full")
    assert (caught.value.epoch, caught.value.kept_epoch) == (4, kept_epoch)
    assert np.isfinite(weights(network)).all()
    assert str(caught.value) == (
        f"loss is inf in epoch 4; the last finite loss was {caught.value.last_finite:.6g},"
        f" in epoch 3. The network is as it was {where}. A smaller learning rate or scaled"
        " inputs may help"
    )


def test_a_non_finite_last_update_raises(iris):
    network = models.SigmoidNetwork()
    before = weights(network)
    with pytest.raises(NonFiniteLossError) as caught:
        Trainer(network, optimizer=GradientDescent(1e39)).fit(*iris, batching="full")
    assert_same_bits(before, weights(network))
    assert str(caught.value) == (
        "weight kernel is not finite in epoch 1; the last finite loss was 1.2723, in epoch"
        " 1. The network is as it was before training. A smaller learning rate or scaled"
        " inputs may help"
    )


def test_a_loss_that_is_never_finite_leaves_the_network_unchanged():
    network = models.SigmoidNetwork()
    before = weights(network)
    x, y = np.ones((4, 2)), np.full((4, 1), 1e30)  # its square overflows float32
    with pytest.raises(NonFiniteLossError) as caught:
        Trainer(network).fit(x, y, epochs=5)
    assert_same_bits(before, weights(network))
    assert str(caught.value) == (
        "loss is inf in epoch 1; there was no finite loss before it. The network is as"
        " it was before training. A smaller learning rate or scaled inputs may help"
    )


GOOD_X, GOOD_Y = np.zeros((4, 2)), np.zeros((4, 1))


def with_value(array, index, value):
    changed = array.copy()
    changed[index] = value
    return changed


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (
            GOOD_X,
            GOOD_Y,
            {"epochs": 0},
            "epochs must be a whole number of at least 1; got 0",
        ),
        (
            GOOD_X,
            GOOD_Y,
            {"epochs": 1.5},
            "epochs must be a whole number of at least 1; got 1.5",
        ),
        (
            GOOD_X,
            GOOD_Y,
            {"batch_size": -3},
            "batch_size must be a whole number of at least 1; got -3",
        ),
        (
            GOOD_X,
            GOOD_Y,
            {"initial_epoch": -1},
            "initial_epoch must be a whole number of at least 0; got -1",
        ),
        (
            GOOD_X,
            GOOD_Y,
            {"validation_data": (GOOD_X, GOOD_Y, GOOD_Y)},
            "validation_data must be (x, y); got a tuple of 3",
        ),
        (GOOD_X, GOOD_Y, {"seed": -1}, "seed must be a whole number of at least 0; got -1"),
        ([[1, 2], [3]], GOOD_Y, {}, "x has rows of different lengths"),
        (
            with_value(GOOD_X, (2, 1), 1e300),
            GOOD_Y,
            {},
            "x must be finite in float32; got x[2, 1]=1e+300 and 0 more",
        ),
        (np.zeros((4, 3)), GOOD_Y, {}, "x must be [rows, 2]; got shape (4, 3)"),
        (np.zeros(4), GOOD_Y, {}, "x must be [rows, 2]; got shape (4,)"),
        (np.zeros((0, 2)), np.zeros((0, 1)), {}, "x has no rows"),
        ([["a", "b"]], GOOD_Y, {}, "x must be an array of numbers; got <U1 (1, 2)"),
        (GOOD_X, GOOD_Y[:3], {}, "x and y must have the same number of rows; got 4 and 3"),
        (GOOD_X, np.zeros(4), {}, "y must be [rows, 1]; got shape (4,)"),
        (
            with_value(GOOD_X, (2, 1), np.nan),
            GOOD_Y,
            {},
            "x must be finite in float32; got x[2, 1]=nan and 0 more",
        ),
        (
            with_value(with_value(GOOD_X, (1, 0), np.inf), (3, 0), np.nan),
            GOOD_Y,
            {},
            "x must be finite in float32; got x[1, 0]=inf and 1 more",
        ),
        (
            GOOD_X,
            with_value(GOOD_Y, (3, 0), -np.inf),
            {},
            "y must be finite in float32; got y[3, 0]=-inf and 0 more",
        ),
    ],
)
def test_invalid_arguments_raise_before_anything_changes(x, y, options, message):
    network = models.SigmoidNetwork(initializer="glorot")
    before = weights(network)
    with pytest.raises(InputError) as caught:
        Trainer(network, driver="eager").fit(x, y, **options)
    assert str(caught.value) == message
    assert_same_bits(before, weights(network))


NOT_A_CLASS = "labels must be in 0..2, the classes of the model"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [0, 1, 3],
            f"{NOT_A_CLASS}; got y[2]=3 and 0 more",
        ),
        (
            [0, -1, 2],
            f"{NOT_A_CLASS}; got y[1]=-1 and 0 more",
        ),
        ([0.0, 0.5, 2.0], "labels must be whole numbers; got y[1]=0.5"),
        ([0.0, np.nan, 2.0], "labels must be whole numbers; got y[1]=nan"),
        (
            [[0, 0, 1], [0, 1, 1], [1, 0, 0]],
            "rows of y must be one-hot, or probabilities that sum to 1; got"
            " y[1]=[0.0, 1.0, 1.0]",
        ),
        (
            [[0, 1], [1, 0], [1, 0]],
            "y must be [rows] labels or [rows, 3]; got shape (3, 2)",
        ),
    ],
)
def test_a_label_that_is_not_a_class_is_named(labels, message):
    trainer = Trainer(models.DigitsNetwork(2, (4,), 3), driver="eager")
    with pytest.raises(InputError) as caught:
        trainer.fit(np.zeros((3, 2)), labels)
    assert str(caught.value) == message


def test_a_batch_larger_than_the_data_is_one_batch():
    trainer = Trainer(models.SigmoidNetwork(initializer="glorot"), driver="graph")
    history = trainer.fit(*rows_for(trainer.model, 10), batch_size=1000)
    assert history.params == {"verbose": 0, "epochs": 1, "steps": 1}


def test_a_keras_layer_inside_a_module_is_named():
    extra = keras.layers.Dense(2)
    extra.build((None, 2))

    class Mixed(models.SigmoidNetwork):
        def __call__(self, x):
            return super().__call__(extra(x))

    with pytest.raises(InputError) as caught:
        Trainer(Mixed(), driver="eager").fit(np.zeros((4, 2)), np.zeros((4, 1)))
    assert str(caught.value).endswith(
        ": not among its trainable_variables; hold tf.Variables, not Keras layers, in a"
        " tf.Module"
    )
    assert str(caught.value).startswith("Mixed would not train ")


def test_a_raw_variable_inside_a_keras_model_is_named():
    raw = tf.Variable(1.0, name="gain")

    class Mixed(models.SigmoidModel):
        def call(self, x):
            return raw * super().call(x)

    model = Mixed()
    model.compile("sgd", "mse")
    with pytest.raises(InputError) as caught:
        Trainer(model, driver="eager").fit(np.zeros((4, 2)), np.zeros((4, 1)))
    assert str(caught.value) == (
        "Mixed would not train gain:0: not among its trainable_variables; make it with"
        " self.add_weight(...)"
    )


def test_a_keras_model_must_be_compiled_and_has_its_optimizer():
    model = models.SigmoidModel()
    with pytest.raises(InputError) as caught:
        Trainer(model)
    assert str(caught.value) == (
        "SigmoidModel is not compiled: call model.compile(optimizer=..., loss=...) first"
    )
    model.compile("sgd", "mse")
    with pytest.raises(InputError) as caught:
        Trainer(model, optimizer="adam")
    assert str(caught.value) == (
        "a Keras model is trained with the optimizer it was compiled with; got"
        " optimizer='adam': give it to model.compile instead"
    )


def test_a_model_of_another_kind_raises(tmp_path):
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    for use in (
        lambda: Trainer(model),
        lambda: export(model, tmp_path / "net"),
    ):
        with pytest.raises(InputError) as caught:
            use()
        assert str(caught.value) == (
            "a network needs head, n_in, n_out and dtype, as those of kerasnn.models have;"
            " Sequential has no head, n_in, n_out"
        )
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: make_optimizer("adamm"),
            f"optimizer must be one of {get_args(OptimizerName)}; got 'adamm'",
        ),
        (
            lambda: fit(models.SigmoidNetwork(), GOOD_X, GOOD_Y, driver="fast", verbose=0),
            "driver must be one of ('auto', 'xla', 'graph', 'eager', 'keras'); got 'fast'",
        ),
    ],
)
def test_an_unknown_choice_raises_with_the_choices(make, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared whole
        make()
    assert str(caught.value) == message
