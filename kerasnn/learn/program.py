"""A training of the page as a few lines of Python, which give the same losses."""

from kerasnn.learn.rows import LearnRows
from kerasnn.learn.session import DEAD_BIAS
from kerasnn.learn.settings import LearnSettings

_TRAINER = (
    'trainer = Trainer(network, optimizer=training.make_optimizer("{optimizer}",'
    ' {learning_rate!r}), driver="graph")'
)
_FIT = "history = trainer.fit(x, y, epochs={epochs}, batch_size={batch_size}, seed={seed})"
# What the trap looks like in a loop of one's own.
_NEW_ADAM = """\
batches = training.make_plan("shuffled", len(x), {batch_size}, seed={seed}).batches
for epoch in range({epochs}):
    losses = []
    for rows in batches(epoch):
        adam = keras.optimizers.Adam({learning_rate!r})  # new: it remembers nothing
        batch = tf.constant(x[rows]), tf.constant(y[rows])
        losses += training.train_step(network, *batch, adam)[0].numpy().tolist()
    print(sum(losses) / len(losses))"""


def program(
    settings: LearnSettings,
    rows: LearnRows,
    *,
    epochs: int,
    file: str = "table.csv",
    target: str = "",
) -> str:
    """Return the program.

    Args:
        settings: of the training.
        rows: its rows.
        epochs: number of epochs.
        file: name of the reader's table.
        target: the column to predict.
    """
    forgets = settings.broken == "new-adam"
    names = ["datasets", "learn", "models", "training"]
    names.remove("datasets" if settings.data == "csv" else "learn")
    imports = ["import keras\nimport tensorflow as tf"] * forgets
    imports += [
        f"from kerasnn import {', '.join(names if forgets else ['Trainer', *names])}"
    ]
    values = vars(settings) | {"epochs": epochs}
    trained = [_NEW_ADAM] if forgets else [_TRAINER, _FIT, 'print(history.history["loss"])']
    lines = [*_data(settings, file, target), *_network(settings, rows)]
    return "\n".join([*imports, *lines, *(line.format(**values) for line in trained)])


def _data(settings: LearnSettings, file: str, target: str) -> list[str]:
    broken = settings.broken
    if settings.data == "csv":
        scaled = ", scaled=False" if broken == "no-scaling" else ""
        name, column = ascii(file), ascii(target)
        return [
            f"rows = learn.csv_rows({name}, target={column}{scaled})",
            "x, y = rows.x_train, rows.y_train",
        ]
    if settings.data == "digits":
        scaled = "scaled=False" if broken == "no-scaling" else ""
        leak = ["x[:, 0] = y  # the answer, in a pixel that is always white"]
        loaded = f"(x, y), (x_test, y_test) = datasets.digits({scaled})"
        return [loaded, *leak * (broken == "leak")]
    lines = ["x, y = datasets.iris_perceptron()"]
    if broken != "no-scaling":
        lines += ["x = (x - x.mean(0)) / x.std(0)"]
    if broken != "signed-labels":
        lines += ["y = (y + 1) / 2  # 0 and 1, not -1 and 1"]
    return lines


def _network(settings: LearnSettings, rows: LearnRows) -> list[str]:
    sizes = f"{rows.n_in}, ({settings.width},), {rows.n_out}"
    if settings.data == "iris":
        more = 'use_bias=True, initializer="glorot", '
        return [f"network = models.SigmoidNetwork({sizes}, {more}seed={settings.seed})"]
    kind = "models.DigitsNetwork" if rows.task == "classification" else "learn.ValueNetwork"
    lines = [f"network = {kind}({sizes}, seed={settings.seed})"]
    if settings.broken == "dead-relu":
        lines += [f"network.layers[0].bias.assign([{DEAD_BIAS}] * {settings.width})"]
    return lines
