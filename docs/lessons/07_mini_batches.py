"""Lesson 7: mini-batches, cut by KFold, then by tf.data."""

# %% [markdown] lang="en"
# # Mini-batches
#
# In [lesson 5](05-digits.md) each update was computed from all rows. With a million rows that is slow, and may not fit into memory: the tape keeps the hidden units of every row until the backward pass. But a gradient is a mean over rows, and a few dozen rows are enough to estimate a mean ([lesson 8](08-epochs.md) measures how well). So take a few, update, take the next few. These few are a *mini-batch*, or *batch* for short.
#
# Two gains: memory for 64 rows instead of 1,437, and 22 updates for the price of one. Often there is a third: the small disagreements between batches shake the weights out of poor places, and the result is better.

# %% [markdown] lang="zh"
# # 小批量
#
# 在[第 5 课](05-digits.md)里，每次更新都由全部数据算出。如果有一百万行，这样既慢，又可能装不进内存：磁带要把每一行的隐藏单元的值一直留到反向传播。但梯度是对各行的平均，几十行就足以估计这个平均值（估得有多准，[第 8 课](08-epochs.md)会测量）。所以：取几行，更新一次，再取下几行。这几行就是一个**小批量**（mini-batch），简称**批次**。
#
# 好处有两个：内存只需装 64 行而不是 1,437 行；花一次更新的代价做 22 次更新。往往还有第三个：批次之间的微小差异会把权重从不好的位置“晃”出来，结果更好。

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from sklearn.model_selection import KFold

from kerasnn import datasets, models

(x_train, y_train), (x_test, y_test) = datasets.digits(
    scaled=False, one_hot=True
)

# %% [markdown] lang="en"
# ## Shuffle and cut
#
# Mini-batches must not be alike, nor sorted by class. So shuffle the row numbers at each epoch, and cut them into pieces. scikit-learn's `KFold` is made for cross-validation, where it splits rows into equal folds; here it cuts a shuffled deck. $1437 / 64$ is 22 with a remainder, so we ask for 22 folds. `split` gives pairs, all other rows and the fold; we need the fold.

# %% [markdown] lang="zh"
# ## 打乱，再切开
#
# 各批次不应雷同，也不应按类别排好。所以每个 epoch 都把行号打乱，再切成几段。scikit-learn 的 `KFold` 本是为交叉验证而设，把数据分成大小相同的几折；这里用它来切一副洗好的牌。$1437 / 64$ 等于 22 还有余数，于是要 22 折。`split` 每次给出一对：其余各行，以及这一折；我们只要这一折。


# %%
def kfold_batches(n_rows, batch_size, rng):
    order = rng.permutation(n_rows)
    for _, fold in KFold(n_rows // batch_size).split(order):
        yield order[fold]


rng = np.random.default_rng(0)
batches = list(kfold_batches(len(x_train), 64, rng))
print(len(batches), "batches of", {len(batch) for batch in batches}, "rows")
seen = np.sort(np.concatenate(batches))
print("every row once:", np.array_equal(seen, np.arange(1437)))
print("the first batch:", batches[0][:8], "...")

# %% tags=["test"]
from kerasnn import reference

assert len(batches) == 22
assert {len(batch) for batch in batches} == {65, 66}
same = reference.kfold_batches(1437, 64, seed=0)
assert [len(b) for b in same] == [len(b) for b in batches]

# %% [markdown] lang="en"
# ## Training
#
# Two loops now: over epochs, and inside over batches. The network is that of lesson 5, with weights from a normal distribution; here it comes from the package. `Progbar` is Keras's progress bar; it moves in a terminal and in a notebook, and its *step* is an epoch here. Batches have 65 or 66 rows; `reduce_retracing` lets one compiled step serve both (see [lesson 9](09-compile.md)).

# %% [markdown] lang="zh"
# ## 训练
#
# 现在有两层循环：外层是 epoch，内层是批次。网络与第 5 课相同，权重取自正态分布；这里直接用软件包里的。`Progbar` 是 Keras 的进度条，在终端和笔记本里都会动，它的 step 在这里指一个 epoch。批次有 65 或 66 行；`reduce_retracing` 让同一个编译好的训练步能处理两种（见[第 9 课](09-compile.md)）。


# %%
def make_step(network, optimizer):
    variables = list(network.trainable_variables)
    optimizer.build(variables)

    @tf.function(reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            losses = tf.nn.softmax_cross_entropy_with_logits(y, network(x))
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    return step


def accuracy(network, x, y):
    return np.mean(network(x).numpy().argmax(axis=1) == y.argmax(axis=1))


# %% tags=["timing"]
epochs = 100
network = models.DigitsNetwork(initializer="normal", seed=0)
step = make_step(network, keras.optimizers.Adam(learning_rate=0.02))
rng = np.random.default_rng(0)
history = []
bar = keras.utils.Progbar(epochs)
for epoch in range(epochs):
    for batch in kfold_batches(len(x_train), 64, rng):
        step(x_train[batch], y_train[batch])
    history.append(accuracy(network, x_test, y_test))
    bar.update(epoch + 1, values=[("accuracy", history[-1])])

# %% [markdown] lang="en"
# The accuracy along the way:

# %% [markdown] lang="zh"
# 训练过程中的准确率：

# %%
for epoch in (1, 10, 50, 100):
    print(f"Epoch [{epoch}/100], Accuracy: [{history[epoch - 1]:.2f}]")

plt.plot(history)
plt.axhline(0.899, color="gray", linewidth=1, linestyle="--")
plt.annotate("full batch, 500 epochs: 0.899", (1, 0.91), color="gray")
plt.title(f"Mini-batches: test accuracy {history[-1]:.3f} after 100 epochs")
plt.xlabel("epoch")
plt.ylabel("accuracy")
plt.show()

# %% tags=["test"]
assert 0.2 < history[0] < 0.8
assert 0.91 < history[-1] < 0.97

# %% [markdown] lang="en"
# After 50 epochs it is where the full batch was after 200, and after 100 it is better than the full batch ever was: an epoch reads the same rows, but makes 22 updates. After 500 epochs it stands at 0.945 (mean of 40 seeds, `scripts/train_digits_minibatch.py` shows one of them), the full batch at 0.899.
#
# ## The framework's own: tf.data
#
# Cutting by `KFold` is for teaching: it shows that an epoch is a partition of the rows. In a real program let the framework feed the rows. A `tf.data.Dataset` is a recipe, a chain of stages; nothing runs until somebody takes batches from it, and the stages run in C++ beside the training.

# %% [markdown] lang="zh"
# 50 个 epoch 之后，它就达到了全批量 200 个 epoch 的水平；100 个之后，已超过全批量有过的最好成绩：每个 epoch 读的行一样，却做了 22 次更新。500 个 epoch 之后它是 0.945（40 个种子的平均，`scripts/train_digits_minibatch.py` 给出其中一个），全批量是 0.899。
#
# ## 框架自带的：tf.data
#
# 用 `KFold` 来切是为了教学：它表明一个 epoch 就是对所有行的一次划分。实际的程序应当让框架来输送数据。`tf.data.Dataset` 像一份菜谱，由若干步骤串成；在有人取批次之前，什么也不会执行；各步骤在 C++ 中运行，与训练同时进行。

# %%
dataset = tf.data.Dataset.from_tensor_slices((x_train, y_train))
dataset = dataset.shuffle(len(x_train), seed=0)  # anew at each epoch
dataset = dataset.batch(64)
# Make the next batches while this one trains; AUTOTUNE chooses how many.
dataset = dataset.prefetch(tf.data.AUTOTUNE)

sizes = [len(x) for x, _ in dataset]
print(len(sizes), "batches;", sizes[0], "rows, the last", sizes[-1])

# %%
network = models.DigitsNetwork(initializer="normal", seed=0)
step = make_step(network, keras.optimizers.Adam(learning_rate=0.02))
for _ in range(40):
    for x, y in dataset:
        step(x, y)
of_tf_data = accuracy(network, x_test, y_test)
print(f"40 epochs: {of_tf_data:.2f}, KFold's {history[39]:.2f}")

# %% tags=["test"]
assert sizes == [64] * 22 + [29]
assert abs(of_tf_data - history[39]) < 0.05

# %% [markdown] lang="en"
# The order of the stages matters. `shuffle` before `batch` shuffles rows; after it, it would shuffle whole batches, and the same rows would stay together for ever. Its first argument is a buffer: if it is smaller than the table, a row cannot move far, and a sorted table stays half sorted.
#
# ## Exercises
#
# **1.** What happens without shuffling, on rows sorted by class? Train one network on sorted and one on shuffled rows, 5 epochs each, with pixels from 0 to 1.

# %% [markdown] lang="zh"
# 步骤的次序很重要。`shuffle` 放在 `batch` 之前，打乱的是行；放在之后，打乱的就只是批次的先后，同一批次里永远是同样的行。它的第一个参数是缓冲区大小：如果小于总行数，每一行就移动不了多远，原本按序排列的数据，打乱后仍大致有序。
#
# ## 练习
#
# **1.** 如果数据按类别排序，又不打乱，会怎样？把像素缩放到 0 到 1，在排序的和打乱的数据上各训练 5 个 epoch。

# %% tags=["solution"]
scores = {}
x, y = x_train / 16, y_train
by_class = np.argsort(y.argmax(axis=1), kind="stable")
for name in ("sorted", "shuffled"):
    network = models.DigitsNetwork(seed=0)
    step = make_step(network, keras.optimizers.Adam(learning_rate=0.01))
    rng = np.random.default_rng(0)
    for _ in range(5):
        order = by_class if name == "sorted" else rng.permutation(1437)
        for batch in np.array_split(order, 22):
            step(x[batch], y[batch])
    scores[name] = accuracy(network, x_test / 16, y_test)
    print(f"{name:9}{scores[name]:.2f}")

# %% [markdown] lang="en" tags=["solution"]
# A sorted batch asks for one class only, and each update undoes a part of what the other classes wanted. The network learns all the same, but much more slowly.

# %% [markdown] lang="zh" tags=["solution"]
# 排序之后，每个批次只教一个类别，每次更新都会抵消一部分为其他类别所做的改变。网络仍在学，只是慢得多。

# %% tags=["test"]
assert scores["sorted"] + 0.2 < scores["shuffled"]

# %% [markdown] lang="en"
# **2.** The mean of the batch losses is not the mean over the rows, if the last batch is shorter. By how much do they differ for 22 batches of 64 rows with loss 0.1, and one of 29 with loss 0.5?

# %% [markdown] lang="zh"
# **2.** 如果最后一个批次较短，各批次损失的平均就不等于对各行的平均。设 22 个 64 行的批次损失为 0.1，一个 29 行的批次损失为 0.5，两者相差多少？

# %% tags=["solution"]
losses = np.array([0.1] * 22 + [0.5])
rows = np.array([64] * 22 + [29])
by_batches, by_rows = losses.mean(), np.average(losses, weights=rows)
print(f"batches {by_batches:.4f}, rows {by_rows:.4f}")

# %% tags=["test"]
assert round(by_batches, 4) == 0.1174
assert round(by_rows, 4) == 0.1081

# %% [markdown] lang="en"
# ## Summary
#
# - A batch is enough for a useful gradient: less memory, more updates, often better results.
# - Shuffle at each epoch; every row exactly once.
# - `KFold` shows the idea, `tf.data` does the work: `shuffle`, then `batch`, then `prefetch`.
#
# In the package: `kerasnn/reference/batching.py`, `kerasnn/training/feeds/plan.py`. The program in one file: `scripts/train_digits_minibatch.py`. More: TensorFlow's guide to [tf.data](https://www.tensorflow.org/guide/data).

# %% [markdown] lang="zh"
# ## 小结
#
# - 一个批次就足以给出有用的梯度：占用内存更少，更新次数更多，结果往往更好。
# - 每个 epoch 都重新打乱；每行恰好用一次。
# - `KFold` 说明思路，`tf.data` 负责干活：先 `shuffle`，再 `batch`，再 `prefetch`。
#
# 在本软件包中：`kerasnn/reference/batching.py`、`kerasnn/training/feeds/plan.py`。单文件程序：`scripts/train_digits_minibatch.py`。更多：TensorFlow 的 [tf.data](https://www.tensorflow.org/guide/data) 指南。
