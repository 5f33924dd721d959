"""Training side by side: optimizer, plan, and members that end as they would alone."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnn.ensembles.members.learner import MemberLearner, member_weights
from kerasnn.ensembles.members.optimizer import (
    BETA_1,
    BETA_2,
    EPSILON,
    MemberAdam,
    adam_update,
    cyclic_rate,
    flat_then_cosine,
)
from kerasnn.ensembles.plan import BatchShape, member_plan
from kerasnn.layers import raw_variables
from kerasnn.models import TabularConfig, TabularNetwork, member_losses
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.runner import Runner
from tests.recipes import recipe_of

# --- the optimizer ----------------------------------------------------------------


def adam_by_hand(value, gradients, *, learning_rate, decay=0.0):
    """Algorithm 1 of Kingma and Ba, in float64."""
    mean = square = np.zeros_like(value)
    for step, gradient in enumerate(gradients, start=1):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.95 * square + 0.05 * gradient**2
        unbiased_mean = mean / (1 - 0.9**step)
        unbiased_square = square / (1 - 0.95**step)
        change = learning_rate * unbiased_mean / (np.sqrt(unbiased_square) + 1e-8)
        value = value * (1 - decay) - change
    return value


def adam_of_ours(value, gradients, *, learning_rate, decay=0.0):
    value = tf.constant(value, tf.float32)
    mean = square = tf.zeros_like(value)
    for step, gradient in enumerate(gradients, start=1):
        value, mean, square = adam_update(
            value,
            tf.constant(gradient, tf.float32),
            mean,
            square,
            step=tf.constant(step, tf.float32),
            learning_rate=tf.constant(learning_rate),
            decay=decay,
        )
    return value.numpy()


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_adam_is_the_papers(rng, decay):
    value, gradients = rng.normal(size=6), rng.normal(size=(20, 6))
    ours = adam_of_ours(value, gradients, learning_rate=0.03, decay=decay)
    expected = adam_by_hand(value, gradients, learning_rate=0.03, decay=decay)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


def test_adam_is_that_of_keras(rng):
    value, gradients = rng.normal(size=6), rng.normal(size=(20, 6))
    variable = keras.Variable(value.astype(np.float32))
    theirs = keras.optimizers.Adam(0.03, BETA_1, BETA_2, EPSILON)
    for gradient in gradients:
        theirs.apply_gradients([(tf.constant(gradient, tf.float32), variable)])
    ours = adam_of_ours(value, gradients, learning_rate=0.03)
    np.testing.assert_allclose(ours, variable.numpy(), rtol=1e-5, atol=1e-6)


def test_the_learning_rate_goes_in_waves_each_twice_as_long():
    # Four waves end at 1/15, 3/15, 7/15 and 1; the peak of the last is where
    # log2(1 + 15 t) = 3.5.
    progress = np.array(
        [0, 1 / 15, 3 / 15, 7 / 15, 1, (2**3.5 - 1) / 15, (2**0.5 - 1) / 15]
    )
    ours = cyclic_rate(tf.constant(progress, tf.float64), 4)
    np.testing.assert_allclose(ours, [0, 0, 0, 0, 0, 1, 1], atol=1e-12)
    among = tf.linspace(0.0, 1.0, 101)
    graph = tf.function(cyclic_rate)(among, 4)
    np.testing.assert_array_equal(graph, cyclic_rate(among, 4))
    one = cyclic_rate(tf.constant([0, math.sqrt(2) - 1, 2**0.25 - 1], tf.float64), 1)
    np.testing.assert_allclose(one, [0, 1, 0.5], atol=1e-12)


def test_decay_and_dropout_are_flat_for_half_of_the_training():
    progress = tf.constant([0.0, 0.3, 0.5, 0.75, 1.0], tf.float64)
    np.testing.assert_allclose(flat_then_cosine(progress), [1, 1, 1, 0.5, 0], atol=1e-12)


def small_network(members=3, **options):
    options = {"n_frequencies": 4, "hidden_units": (6,)} | options
    return TabularNetwork(
        TabularConfig(2, 3, 3, "multiclass", cardinalities=(4,), members=members, **options)
    )


def test_each_variable_has_a_rate_and_a_decay_of_its_own():
    network = small_network()
    optimizer = MemberAdam(network.trained, cycles=1)
    optimizer.begin(steps=2, learning_rate=0.02, weight_decay=0.5)
    for trained in network.trained:
        trained.variable.assign(tf.ones_like(trained.variable))
    gradients = [tf.ones(t.variable.shape) for t in network.trained]
    optimizer.progress.assign(math.sqrt(2) - 1)  # the peak of the wave
    optimizer.apply(gradients)
    for trained in network.trained:
        # The first step of Adam is the learning rate, whatever the gradient.
        decay = 0.02 * 0.5 * trained.rate**2 if trained.decays else 0
        expected = 1 - decay - 0.02 * trained.rate
        np.testing.assert_allclose(trained.variable, expected, rtol=1e-5)
    rates = {t.variable.name: (t.rate, t.decays) for t in network.trained}
    assert rates == {
        "frequencies": (0.1, True),
        "phases": (0.1, False),
        "wave_kernel": (0.1, True),
        "wave_bias": (0.1, False),
        "code_table_0": (0.1, True),
        "scale": (6.0, True),
        "kernel_0": (1.0, True),
        "bias_0": (0.1, False),
        "curvature_0": (0.1, False),
        "kernel_1": (1.0, True),
        "bias_1": (0.1, False),
    }


def test_the_schedule_ends_with_the_training_also_when_it_is_shortened():
    network = small_network()
    optimizer = MemberAdam(network.trained, cycles=1)
    optimizer.begin(steps=10, learning_rate=0.02, weight_decay=0.5)
    gradients = [tf.ones(t.variable.shape) for t in network.trained]
    for _ in range(5):
        optimizer.apply(gradients)
    assert float(optimizer.progress) == pytest.approx(0.5)
    optimizer.remaining_steps(2)
    optimizer.apply(gradients)
    assert float(optimizer.progress) == pytest.approx(0.75)
    optimizer.apply(gradients)
    assert float(optimizer.progress) == pytest.approx(1.0)
    optimizer.begin(steps=4, learning_rate=0.02, weight_decay=0.5)  # nothing is remembered
    assert float(optimizer.progress) == 0
    assert int(optimizer.step) == 0
    assert not any(np.any(slot) for slot in (*optimizer.means, *optimizer.squares))


# --- the plan ---------------------------------------------------------------------

PADDING = 10_000


@st.composite
def plans(draw):
    """Rows of some members, their seeds, and the batch size."""
    members = draw(st.integers(1, 4))
    most = draw(st.integers(1, 60))
    counts = [draw(st.integers(max(1, most - 3), most)) for _ in range(members)]
    rows = [np.arange(n, dtype=np.int32) * 3 + m for m, n in enumerate(counts)]
    seeds = draw(st.lists(st.integers(0, 2**32 - 1), min_size=members, max_size=members))
    return rows, seeds, draw(st.integers(1, 64))


@settings(deadline=None)
@given(plans(), st.integers(0, 5))
def test_an_epoch_is_a_permutation_of_each_members_rows(case, epoch):
    rows, seeds, batch_size = case
    shape = BatchShape.of(max(map(len, rows)), batch_size)
    assert shape.width <= batch_size
    plan = member_plan(rows, seeds, shape, padding=PADDING)
    batches = [b.reshape(len(rows), shape.width) for b in plan.batches(epoch)]
    assert len(batches) == shape.steps == plan.steps
    for m, own in enumerate(rows):
        seen = np.concatenate([batch[m] for batch in batches])
        real = np.sort(seen[seen != PADDING])
        np.testing.assert_array_equal(real, own)
        counts = [np.count_nonzero(batch[m] != PADDING) for batch in batches]
        assert max(counts) - min(counts) <= 1


@given(plans())
def test_the_row_order_of_a_member_does_not_depend_on_the_others(case):
    rows, seeds, batch_size = case
    shape = BatchShape.of(max(map(len, rows)), batch_size)
    together = member_plan(rows, seeds, shape, padding=PADDING).batches(2)
    for m, (own, seed) in enumerate(zip(rows, seeds, strict=True)):
        alone = member_plan([own], [seed], shape, padding=PADDING).batches(2)
        for batch, own_batch in zip(together, alone, strict=True):
            np.testing.assert_array_equal(batch.reshape(len(rows), -1)[m], own_batch)


def test_epochs_differ_and_are_the_same_again():
    shape = BatchShape.of(50, 16)
    plan = member_plan([np.arange(50, dtype=np.int32)], [1], shape, padding=50)
    assert plan.sizes == (13,) * 4
    np.testing.assert_array_equal(plan.row_order(3), plan.row_order(3))
    assert not np.array_equal(plan.row_order(3), plan.row_order(4))


# --- the learner ------------------------------------------------------------------

N_ROWS = 45
SEEDS = [5, 6, 7]


def rows_of_all():
    """x, codes, labels and weights of all rows, and the padding row at the end."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(N_ROWS + 1, 3)).astype(np.float32)
    codes = rng.integers(4, size=(N_ROWS + 1, 1)).astype(np.int32)
    labels = (x[:, 0] > 0).astype(np.int32) + (x[:, 1] > 0)
    weights = rng.uniform(0.5, 1.5, size=N_ROWS + 1).astype(np.float32)
    weights[-1] = 0
    return x, codes, labels, weights


def member_rows():
    """A third left out by each of three members: of 30 rows, the last of 28."""
    everything = np.arange(N_ROWS, dtype=np.int32)
    rows = [everything[everything % 3 != m] for m in range(3)]
    return [rows[0], rows[1], rows[2][:-2]]


def trained(members, *, driver="graph", data=None, epochs=17, has_dropout=True, **options):
    """The weights of some of the three members after 51 steps, and the last losses."""
    network = small_network(len(members), **options)
    data = data or rows_of_all()
    rows, seeds = [member_rows()[m] for m in members], [SEEDS[m] for m in members]
    shape = BatchShape.of(30, 10)
    sample = np.stack([np.resize(own, 64) for own in rows])
    network.initialize(data[0][sample], data[1][sample], seeds)
    learner = MemberLearner(
        network, cycles=2, label_smoothing=0.05, has_dropout=has_dropout
    )
    recipe = recipe_of(learning_rate=0.02, weight_decay=0.02, dropout=0.2)
    learner.begin(recipe, seeds, steps=epochs * shape.steps)
    plan = member_plan(rows, seeds, shape, padding=N_ROWS)
    feed = ArrayFeed(tuple(map(tf.constant, data)), plan, planned=epochs)
    runner = Runner(programs_of(learner), "train_step", wanted=driver, driver=driver)
    logs, _ = runner.run(feed.whole(range(epochs)), epochs=epochs)
    return member_weights(network, slice(0, len(members))), logs[-1]["loss"]


@pytest.fixture(scope="module")
def side_by_side():
    return trained([0, 1, 2])


def test_a_member_ends_beside_others_as_it_would_alone(side_by_side):
    together, losses = side_by_side
    assert losses.shape == (3,)
    for m in range(3):
        alone, loss = trained([m])
        np.testing.assert_allclose(loss[0], losses[m], rtol=1e-5)
        for one, of_all in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], of_all[m], rtol=0, atol=1e-5)


def test_members_have_learned(side_by_side):
    _, losses = side_by_side
    _, initial = trained([0, 1, 2], epochs=1)
    assert (losses < 0.7 * initial).all()


# A graph multiplies the constants of a gradient together before it uses them.
@pytest.mark.slow
@pytest.mark.parametrize(("driver", "atol"), [("eager", 1e-6), ("xla", 1e-5)])
def test_every_driver_trains_alike(side_by_side, driver, atol):
    graph, losses = side_by_side
    ours, our_losses = trained([0, 1, 2], driver=driver)
    np.testing.assert_allclose(our_losses, losses, rtol=0, atol=atol)
    for a, b in zip(ours, graph, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


def test_what_the_padding_row_holds_does_not_matter(side_by_side):
    x, codes, labels, weights = rows_of_all()
    x[-1], codes[-1], labels[-1] = 1000.0, 3, 2
    other, losses = trained([0, 1, 2], data=(x, codes, labels, weights))
    np.testing.assert_array_equal(losses, side_by_side[1])
    for a, b in zip(other, side_by_side[0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_row_without_weight_changes_no_gradient():
    x, codes, labels, weights = (part[:36] for part in rows_of_all())
    weights[::4] = 0
    other = x.copy()
    other[::4] = 50.0
    network = small_network()
    network.initialize(x.reshape(3, 12, 3), codes.reshape(3, 12, 1), SEEDS)
    learner = MemberLearner(network, cycles=1, label_smoothing=0.0, has_dropout=False)
    changed = []
    for given_x in (x, other):
        recipe = recipe_of(learning_rate=0.1, weight_decay=0.0, dropout=0.0)
        learner.begin(recipe, SEEDS, steps=4)
        learner.train_step(tuple(map(tf.constant, (given_x, codes, labels, weights))))
        changed.append([mean.numpy() for mean in learner.optimizer.means])
    for one, of_other in zip(*changed, strict=True):
        np.testing.assert_array_equal(one, of_other)
        assert np.abs(one).max() > 0


def float64_loss(values, x, codes, labels, weights):
    """The loss of one member in NumPy, from the values of its Variables by name."""
    v = {name: value.astype(np.float64) for name, value in values.items()}
    angles = 2 * np.pi * x[:, :2, None] * v["frequencies"] + v["phases"]
    waves = np.einsum("bnf,nfu->bnu", np.cos(angles), v["wave_kernel"]) + v["wave_bias"]
    parts = [x, waves.reshape(len(x), -1), v["code_table_0"][codes[:, 0]]]
    z = np.concatenate(parts, axis=1) * v["scale"]
    z = z @ v["kernel_0"] / np.sqrt(z.shape[1]) + v["bias_0"]
    z = z + v["curvature_0"] * (z * np.tanh(np.logaddexp(0, z)) - z)
    logits = z @ v["kernel_1"] / np.sqrt(z.shape[1]) + v["bias_1"]
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    smoothed = 0.9 * np.eye(3)[labels] + 0.1 / 3
    return np.mean(weights * -(smoothed * logs).sum(axis=1))


def test_the_gradient_of_a_member_is_that_of_its_own_loss(rng):
    """By central differences in float64, for entries of every Variable of each member."""
    network = small_network(activation="mish")
    x, codes, labels, weights = (part[:36] for part in rows_of_all())
    by_member = [
        part.reshape(3, 12, *part.shape[1:]) for part in (x, codes, labels, weights)
    ]
    network.initialize(by_member[0], by_member[1], SEEDS)
    with tf.GradientTape() as tape:
        outputs = network.member_outputs(*map(tf.constant, by_member[:2]))
        losses = member_losses("multiclass", tf.constant(by_member[2]), outputs, 0.1)
        loss = tf.reduce_sum(tf.reduce_mean(by_member[3] * losses, axis=1))
    gradients = tape.gradient(loss, raw_variables(t.variable for t in network.trained))
    names = [t.variable.name for t in network.trained]
    values = [t.variable.numpy() for t in network.trained]
    for m in range(3):
        own = {
            name: value[m].astype(np.float64)
            for name, value in zip(names, values, strict=True)
        }
        rows = [part[m] for part in by_member]
        for name, gradient in zip(names, gradients, strict=True):
            gradient = tf.convert_to_tensor(gradient).numpy()[m]
            for place in {tuple(rng.integers(gradient.shape)) for _ in range(4)}:
                ends = []
                for step in (1e-5, -1e-5):
                    moved = own[name].copy()
                    moved[place] += step
                    ends.append(float64_loss(own | {name: moved}, *rows))
                numeric = (ends[0] - ends[1]) / 2e-5
                assert gradient[place] == pytest.approx(numeric, rel=2e-4, abs=2e-6), name


def test_the_running_loss_is_the_weighted_mean_of_each_member():
    network = small_network()
    x, codes, labels, weights = (part[:36] for part in rows_of_all())
    network.initialize(x.reshape(3, 12, 3), codes.reshape(3, 12, 1), SEEDS)
    learner = MemberLearner(network, cycles=1, label_smoothing=0.5, has_dropout=False)
    outputs = network.member_outputs(x.reshape(3, 12, 3), codes.reshape(3, 12, 1))
    losses = member_losses("multiclass", labels.reshape(3, 12), outputs).numpy()
    expected = np.average(losses, weights=weights.reshape(3, 12), axis=1)
    for part in np.split(np.arange(36).reshape(3, 12), 3, axis=1):  # three batches
        rows = part.reshape(-1)
        data = tuple(tf.constant(t[rows]) for t in (x, codes, labels, weights))
        logs = learner.test_step(data)
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)
    learner.reset_metrics()
    np.testing.assert_array_equal(learner.get_metrics_result()["loss"], [0, 0, 0])


def test_outputs_for_rows_of_its_own(monkeypatch):
    network = small_network()
    x, codes, *_ = rows_of_all()
    network.initialize(x[:36].reshape(3, 12, 3), codes[:36].reshape(3, 12, 1), SEEDS)
    learner = MemberLearner(network, cycles=1, label_smoothing=0.0, has_dropout=False)
    rows = np.array([np.arange(20), np.arange(20, 40), np.arange(10, 30)], np.int32)
    expected = network.member_outputs(x[rows], codes[rows])
    monkeypatch.setattr("kerasnn.ensembles.members.learner.MAX_OUTPUT_ROWS", 7)
    outputs = learner.outputs_for(tf.constant(x), tf.constant(codes), rows)
    assert outputs.shape == (3, 20, 3)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
