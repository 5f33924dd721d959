"""`TabularNetwork`: one law for every choice, and what its answers and weights are."""

import dataclasses
import pickle
from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasnn
from kerasnn import InputError
from kerasnn.choices import Activation, NumericEmbedding, TabularTask
from kerasnn.ensembles.members.optimizer import MemberAdam
from kerasnn.layers import raw_variables
from kerasnn.models import TabularConfig, TabularNetwork
from kerasnn.models.member_draws import quantile_bins
from kerasnn.models.tabular import ACTIVATIONS
from kerasnn.models.tabular_heads import member_losses, probabilities

MEMBERS, ROWS = 3, 40
N_OUT = {"binary": 2, "multiclass": 3, "regression": 2}

# Each choice of each option once, beside the defaults.
CHOICES = [
    *({"activation": name} for name in get_args(Activation)),
    *({"embedding": name} for name in get_args(NumericEmbedding)),
    *({"task": name} for name in get_args(TabularTask)),
    {"parametric_activation": False},
    {"scaled": False},
    {"hidden_units": ()},
    {"cardinalities": ()},
    {"n_numeric": 0},
    {"n_numeric": 0, "n_in": 0, "scaled": False},
]
IDS = [" ".join(f"{k}={v}" for k, v in choice.items()) for choice in CHOICES]


def made(*, initialized=True, members=MEMBERS, **options):
    options = {"task": "multiclass", "n_numeric": 2, "n_in": 4} | options
    options = {"cardinalities": (5, 3), "hidden_units": (8, 6)} | options
    n_out = N_OUT[options["task"]]
    network = TabularNetwork(TabularConfig(n_out=n_out, members=members, **options))
    if initialized:
        x, codes, _ = rows_of_members(network)
        network.initialize(x.numpy(), codes.numpy(), range(members))
    if network.config.task == "regression":
        network.target_mean.assign([5.0, -5.0])
        network.target_scale.assign([2.0, 3.0])
        network.target_low.assign([-100.0, -100.0])
        network.target_high.assign([100.0, 100.0])
    return network


def rows_of_members(network, rows=ROWS):
    """x, codes and targets that fit a network, other ones for each member."""
    rng = np.random.default_rng(0)
    members = network.config.members
    x = rng.normal(size=(members, rows, network.config.n_in)).astype(np.float32)
    codes = np.stack(
        [rng.integers(c, size=(members, rows)) for c in (*network.config.cardinalities, 1)],
        axis=-1,
    )[..., :-1].astype(np.int32)
    if network.config.task == "regression":
        targets = rng.normal(size=(members, rows, network.config.n_out)).astype(np.float32)
    else:
        targets = rng.integers(network.config.n_out, size=(members, rows)).astype(np.int32)
    return tf.constant(x), tf.constant(codes), tf.constant(targets)


def loss_and_gradients(network, x, codes, targets):
    """As the learner takes them, with dropout."""
    with tf.GradientTape() as tape:
        outputs = network.member_outputs(
            x,
            codes,
            dropout=tf.constant(0.2),
            seeds=tf.constant(range(network.config.members), tf.uint32),
            step=tf.constant(3),
        )
        loss = tf.reduce_sum(member_losses(network.config.task, targets, outputs, 0.1))
    trained = raw_variables(t.variable for t in network.trained)
    return loss, tape.gradient(loss, trained)


def weights(network):
    return [variable.numpy() for variable in network.variables]


def assert_same_bits(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


# --- every choice -----------------------------------------------------------------


def test_the_choices_are_complete():
    fields = {field.name for field in dataclasses.fields(TabularConfig)}
    named = {name for choice in CHOICES for name in choice}
    widths = {"n_out", "members", "n_frequencies", "embedding_units", "bins", "code_units"}
    later = {"forest"}  # added after the training, see test_trees
    assert named | widths | later == fields


@pytest.mark.slow_cases
@pytest.mark.parametrize("choice", CHOICES, ids=IDS)
def test_every_choice_learns_with_every_variable_it_has(choice):
    network = made(**choice)
    rows = rows_of_members(network)
    loss, gradients = loss_and_gradients(network, *rows)
    # What is listed to be trained is what the tape has seen, and what Keras lists.
    listed = {id(t.variable) for t in network.trained}
    assert listed == {id(v) for v in network.trainable_variables}
    for trained, gradient in zip(network.trained, gradients, strict=True):
        assert gradient is not None, trained.variable.name
        gradient = tf.convert_to_tensor(gradient)
        assert gradient.shape == trained.variable.shape
        assert np.abs(gradient).max() > 0, trained.variable.name
    optimizer = MemberAdam(network.trained, cycles=1)
    optimizer.begin(steps=2, learning_rate=1e-3, weight_decay=0.0)
    optimizer.apply(gradients)  # at rate zero, where the wave begins
    optimizer.apply(gradients)
    assert loss_and_gradients(network, *rows)[0] < loss


@pytest.mark.slow
@pytest.mark.parametrize("choice", CHOICES, ids=IDS)
def test_graph_is_eager_exactly_and_xla_within_1e_5(choice):
    network = made(**choice)
    x, codes, _ = rows_of_members(network)
    rows = x[0], codes[0]
    eager = network.call(rows)
    assert eager.shape == (ROWS, network.config.n_out)
    graph = tf.function(network.call)(rows)
    # TensorFlow fuses z * sigmoid(z) in graphs only.
    fused = {"rtol": 0, "atol": 1e-6 if network.config.activation == "silu" else 0}
    np.testing.assert_allclose(graph, eager, **fused)
    xla = tf.function(network.call, jit_compile=True)(rows)
    np.testing.assert_allclose(xla, eager, rtol=1e-5, atol=1e-5)


@pytest.mark.slow_cases
@pytest.mark.parametrize("choice", CHOICES, ids=IDS)
def test_the_config_makes_the_same_network(choice):
    network = made(**choice)
    again = TabularNetwork.from_config(network.get_config())
    assert again.config == network.config
    assert again.get_config() == network.get_config()
    assert [(v.name, v.shape) for v in again.variables] == [
        (v.name, v.shape) for v in network.variables
    ]
    again.set_weights(network.get_weights())
    x, codes, _ = rows_of_members(network)
    np.testing.assert_array_equal(again((x[0], codes[0])), network((x[0], codes[0])))


def test_the_config_of_an_older_version_makes_the_same_network():
    config = made(parametric_activation=False).get_config()
    config["sharing"] = "separate"
    config["curved"] = config.pop("parametric_activation")
    assert not TabularNetwork.from_config(config).config.parametric_activation
    config["sharing"] = "batch-ensemble"
    with pytest.raises(InputError, match=r"made by kerasnn 0\.1\.0; load them with"):
        TabularNetwork.from_config(config)


# --- initial weights --------------------------------------------------------------


def test_units_have_variance_one_on_the_training_rows():
    network = made(initialized=False)
    x, codes, _ = rows_of_members(network, rows=300)
    network.initialize(x.numpy(), codes.numpy(), range(MEMBERS))
    z = network.embedded(x, codes)
    for block in network.blocks:
        units = z @ block.kernel / np.sqrt(z.shape[-1]) + block.bias
        deviation = np.std(units - block.bias, axis=1)
        np.testing.assert_allclose(deviation, 1, rtol=1e-4)
        # The kink of a unit lies among the rows: none is dead, none is linear.
        if block is not network.blocks[-1]:
            signs = np.sign(units)
            assert (signs.min(axis=1) < 0).all()
            assert (signs.max(axis=1) > 0).all()
            z = network._hidden(block, z)


def test_a_member_begins_as_it_would_alone():
    together = made(members=3, initialized=False)
    x, codes, _ = rows_of_members(together)
    together.initialize(x.numpy(), codes.numpy(), [7, 8, 9])
    alone = made(members=1, initialized=False)
    alone.initialize(x[1:2].numpy(), codes[1:2].numpy(), [8])
    for one, all_ in zip(alone.trained, together.trained, strict=True):
        np.testing.assert_allclose(one.variable[0], all_.variable[1], rtol=1e-5, atol=1e-6)


def test_other_seeds_give_other_weights():
    network = made(initialized=False)
    x, codes, _ = rows_of_members(network)
    network.initialize(x.numpy(), codes.numpy(), [0, 0, 1])
    kernel = network.blocks[0].kernel.numpy()
    assert not np.allclose(kernel[0], kernel[2])


def test_a_unit_that_is_the_same_for_all_rows_stays_finite():
    network = made(initialized=False)
    x, codes, _ = rows_of_members(network)
    network.initialize(np.zeros_like(x), np.zeros_like(codes), range(MEMBERS))
    assert all(np.isfinite(value).all() for value in weights(network))


def test_initialize_wants_a_seed_and_rows_for_each_member():
    network = made(initialized=False)
    x, codes, _ = rows_of_members(network)
    with pytest.raises(InputError) as caught:
        network.initialize(x[:2].numpy(), codes[:2].numpy(), [0, 1])
    assert str(caught.value) == (
        "initialize takes a seed and rows for each of 3 members; got 2 seeds and rows for 2"
    )


def test_bins_lie_between_the_quantiles_of_each_member():
    numbers = np.array([[[0.0], [1.0], [2.0], [4.0], [8.0]]] * 2, np.float32)
    numbers[1] = 3.0  # constant: no bin is used
    starts, slopes = quantile_bins(numbers, 4)
    np.testing.assert_array_equal(starts[0], [[0, 1, 2, 4]])
    np.testing.assert_array_equal(slopes, [[[1, 1, 0.5, 0.25]], [[0, 0, 0, 0]]])


# --- answers ----------------------------------------------------------------------


def test_binary_probabilities_are_the_softmax_of_zero_and_the_logit():
    logits = tf.constant([[-90.0], [-1.5], [0.0], [3.0], [90.0]])
    both = tf.concat([tf.zeros_like(logits), logits], axis=1)
    ours = probabilities("binary", logits)
    np.testing.assert_allclose(ours, tf.nn.softmax(both), rtol=1e-6)
    labels = tf.constant([0, 1, 1, 0, 1])
    np.testing.assert_allclose(
        member_losses("binary", labels[None], logits[None])[0],
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels, both),
        rtol=1e-6,
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_smoothed_labels_are_those_of_keras(smoothing):
    logits = tf.constant([[[2.0, -1.0, 0.5], [0.1, 0.2, 0.3]]])
    labels = tf.constant([[0, 2]])
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing, reduction=None
    )
    expected = loss(tf.one_hot(labels, 3), logits)
    np.testing.assert_allclose(
        member_losses("multiclass", labels, logits, smoothing), expected, rtol=1e-6
    )
    two = tf.concat([tf.zeros([1, 2, 1]), logits[..., :1]], axis=-1)
    np.testing.assert_allclose(
        member_losses("binary", labels // 2, logits[..., :1], smoothing),
        loss(tf.one_hot(labels // 2, 2), two),
        rtol=1e-6,
    )


@pytest.mark.parametrize("task", get_args(TabularTask))
def test_the_answer_is_the_mean_of_the_members_answers(task):
    network = made(task=task)
    x, codes, _ = rows_of_members(network)
    same = [tf.repeat(part[:1], MEMBERS, axis=0) for part in (x, codes)]
    outputs = network.member_outputs(*same).numpy()
    answers = network.call((x[0], codes[0]))
    if task == "regression":
        each = outputs * [2, 3] + [5, -5]
    elif task == "binary":
        second = 1 / (1 + np.exp(-outputs))
        each = np.concatenate([1 - second, second], axis=-1)
    else:
        each = np.exp(outputs) / np.exp(outputs).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(answers, each.mean(axis=0), rtol=1e-5, atol=1e-5)


def test_values_of_a_regression_are_clipped_member_by_member():
    network = made(task="regression")
    network.target_low.assign([4.0, -6.0])
    network.target_high.assign([6.0, -4.0])
    outputs = tf.constant([[[-9.0, 9.0], [0.0, 0.0], [0.5, -9.0]]])
    expected = [[[4, -4], [5, -5], [6, -6]]]
    np.testing.assert_array_equal(network.member_answers(outputs), expected)


def test_a_sharper_network_is_surer():
    network = made(task="multiclass", members=1)
    logits = tf.constant([[[1.0, 0.0, -1.0]]])
    network.inverse_temperature.assign(2.0)
    np.testing.assert_allclose(
        network.member_answers(logits), tf.nn.softmax(2 * logits), rtol=1e-6
    )


def test_rows_without_codes_may_come_alone():
    network = made(cardinalities=())
    x = rows_of_members(network)[0][0]
    np.testing.assert_array_equal(network(x), network((x, tf.zeros([ROWS, 0], tf.int32))))


def test_one_trace_serves_any_number_of_rows():
    network = made()
    run = tf.function(
        network.call,
        input_signature=[(tf.TensorSpec([None, 4]), tf.TensorSpec([None, 2], tf.int32))],
    )
    x, codes, _ = rows_of_members(network)
    for rows in (1, 7, ROWS):
        np.testing.assert_allclose(
            run((x[0, :rows], codes[0, :rows])),
            network((x[0, :rows], codes[0, :rows])),
            rtol=1e-6,
        )
    assert run.experimental_get_tracing_count() == 1


# --- Keras ------------------------------------------------------------------------


@pytest.mark.parametrize("task", get_args(TabularTask))
def test_a_network_can_be_saved_and_pickled(task, tmp_path):
    network = made(task=task)
    x, codes, _ = rows_of_members(network)
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    unpickled = pickle.loads(pickle.dumps(network))
    for again in (loaded, unpickled):
        assert type(again) is TabularNetwork
        assert again.get_config() == network.get_config()
        assert_same_bits(weights(again), weights(network))
        np.testing.assert_array_equal(again((x[0], codes[0])), network((x[0], codes[0])))
        assert [t.rate for t in again.trained] == [t.rate for t in network.trained]


@pytest.mark.slow
@pytest.mark.parametrize("fit", [kerasnn.fit, keras.Model.fit], ids=["kerasnn", "keras"])
def test_one_member_can_be_trained_as_a_keras_model(fit):
    network = made(members=1, cardinalities=(), hidden_units=(8,))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int32) + (x[:, 1] > 0)
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    network.optimizer.learning_rate = 0.02
    history = fit(network, x, y, epochs=20, batch_size=20, verbose=0).history
    assert history["accuracy"][-1] > 0.9
    assert history["loss"][-1] < 0.5 * history["loss"][0]


def test_a_network_names_what_is_wrong():
    with pytest.raises(InputError) as caught:
        TabularConfig(3, 2, 2, task="binary")
    assert str(caught.value) == "n_in must be a whole number of at least 3; got 2"
    with pytest.raises(InputError) as caught:
        TabularConfig(1, 2, 2, task="binary", hidden_units=(8, 0))
    assert str(caught.value) == "hidden_units must be a whole number of at least 1; got 0"
    with pytest.raises(InputError) as caught:
        TabularConfig(1, 2, 2, task="binary", embedding="periodical")
    assert str(caught.value) == (
        "embedding must be one of 'periodic', 'piecewise-linear', 'none';"
        " got 'periodical'; did you mean 'periodic'?"
    )


@pytest.mark.parametrize("name", ["task", "activation", "embedding"])
def test_every_choice_is_checked(name):
    with pytest.raises(InputError, match=f"^{name} must be one of .*; got 'other'"):
        TabularConfig(1, 2, 2, **{"task": "binary"} | {name: "other"})


def test_mish_is_what_its_paper_says():
    """Misra, Mish (2019): z * tanh(softplus(z)); finite, with its slope, wherever z is."""
    z = np.linspace(-100, 100, 2001)
    variable = tf.constant(z, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        values = ACTIVATIONS["mish"](variable)
    expected = z * np.tanh(np.logaddexp(0, z))
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
    slopes = tape.gradient(values, variable)
    np.testing.assert_allclose(slopes[:100], 0, atol=1e-6)
    np.testing.assert_allclose(slopes[-100:], 1, rtol=1e-6)
    np.testing.assert_allclose(slopes, np.gradient(expected, z), atol=5e-3)
