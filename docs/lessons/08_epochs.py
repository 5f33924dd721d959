"""Lesson 8: epoch, batch and iteration, and how large a batch should be."""

# %% [markdown] lang="en"
# # Epoch, batch, iteration
#
# Three words that are easily mixed up, one picture, and the question behind them: how large should a batch be?

# %% [markdown] lang="zh"
# # Epoch、批次与迭代
#
# 三个容易混淆的词，一张图，以及它们背后的问题：批次应该多大？

# %% [markdown] lang="en"
# ## The picture
#
# ![Ten rows are shuffled and cut into batches of four, three and three rows; each batch gives one update, an iteration; all of them together are an epoch](../figures/epoch.svg)
#
# | word | what it is | in the picture |
# | --- | --- | --- |
# | batch | the rows of one update | 4, 3 or 3 rows |
# | batch size | how many rows that is | 4 at most |
# | iteration, or step | one update: forward, backward, subtract | 3 in an epoch |
# | epoch | every row once | 10 rows, 3 iterations |
#
# A training of 500 epochs on 1,437 rows, in batches of 64:

# %% [markdown] lang="zh"
# ## 一张图
#
# ![十行数据打乱后切成四行、三行、三行的批次；每个批次做一次更新，即一次迭代；全部合起来是一个 epoch](../figures/epoch.zh.svg)
#
# | 词 | 含义 | 图中 |
# | --- | --- | --- |
# | 批次（batch） | 一次更新所用的行 | 4、3 或 3 行 |
# | 批次大小（batch size） | 一个批次有多少行 | 最多 4 行 |
# | 迭代（iteration），又称步（step） | 一次更新：前向、反向、减法 | 每个 epoch 3 次 |
# | epoch（轮） | 每行恰好一次 | 10 行，3 次迭代 |
#
# 在 1,437 行上训练 500 个 epoch，批次大小为 64：

# %%
rows, batch_size, epochs = 1437, 64, 500
whole, rest = divmod(rows, batch_size)
print(f"{whole} batches of {batch_size} rows and one of {rest}")
print(f"{(whole + 1) * epochs} iterations; with KFold {whole * epochs}")

# %% tags=["test"]
assert (whole, rest) == (22, 29)

# %% [markdown] lang="en"
# What to do with the 29 rows that are left over? There are three customs. Keep them as a short last batch (Keras, `tf.data`). Spread them over the others, as `KFold` does: 65 or 66 rows each. Or drop them (`drop_remainder=True`), which is harmless if the next epoch is shuffled anew, and convenient for a compiler that wants one shape.
#
# ## How far is a batch from the truth?
#
# The gradient of a batch is an estimate of the gradient of all rows. Statistics says that the error of a mean of $n$ values falls like $1/\sqrt{n}$. Let us look at a network that has learned a little. (`kerasnn.fit` is the loop of [lesson 7](07-mini-batches.md), compiled; `network.head.loss` is its cross-entropy, one value for each row. The length of a gradient is the root of the sum of its squares.)

# %% [markdown] lang="zh"
# 剩下的 29 行怎么办？常见的做法有三种：留作较短的最后一个批次（Keras、`tf.data`）；像 `KFold` 那样分摊给其他批次，每个 65 或 66 行；或者丢掉（`drop_remainder=True`），只要下一个 epoch 重新打乱就无妨，对希望形状固定的编译器也方便。
#
# ## 批次的梯度有多准？
#
# 一个批次的梯度是对全部数据的梯度的估计。统计学告诉我们，$n$ 个值的平均，其误差按 $1/\sqrt{n}$ 下降。我们用一个已经学了一点的网络来看看。（`kerasnn.fit` 就是[第 7 课](07-mini-batches.md)的循环，只是编译过；`network.head.loss` 是它的交叉熵，每行一个值。梯度的长度是各分量平方和的平方根。）

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import kerasnn
from kerasnn import datasets, models

(x_train, y_train), test = datasets.digits()
network = models.DigitsNetwork(seed=0)
kerasnn.fit(
    network, x_train, y_train, optimizer="adam", epochs=3, seed=0, verbose=0
)


@tf.function(reduce_retracing=True)
def gradient(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(network.head.loss(y, network(x)))
    gradients = tape.gradient(loss, network.trainable_variables)
    # all derivatives in one row
    return tf.concat([tf.reshape(g, [-1]) for g in gradients], axis=0)


of_all = gradient(x_train, y_train)
rng = np.random.default_rng(0)
sizes = [4, 16, 64, 256]
errors = []
for size in sizes:
    draws = [rng.choice(1437, size, replace=False) for _ in range(30)]
    differences = [gradient(x_train[d], y_train[d]) - of_all for d in draws]
    squares = [tf.reduce_sum(difference**2) for difference in differences]
    errors.append(float(np.sqrt(np.mean(squares)) / tf.norm(of_all)))
    print(f"{size:4} rows: error {errors[-1]:.2f} of the gradient's length")

plt.loglog(sizes, errors, "o-", label="measured")
plt.loglog(
    sizes, errors[0] * np.sqrt(4 / np.array(sizes)), "--", label="1/sqrt(n)"
)
plt.title("How far the gradient of a batch is from that of all rows")
plt.xlabel("rows of a batch")
plt.ylabel("relative error")
plt.legend()
plt.show()

# %% tags=["test"]
assert errors == sorted(errors, reverse=True)
assert 3 < errors[0] / errors[2] < 5.5

# %% [markdown] lang="en"
# Sixteen times the rows, a quarter of the error (a little less, since all draws come from the same 1,437 rows). Even with 64 rows the error is as long as the gradient itself, and a single step may go astray. But the errors of many steps point all ways and cancel, while what is true in them adds up.
#
# So a larger batch has a diminishing return: 256 rows cost four times as much as 64, and are only twice as exact. Meanwhile the small batch has made four updates.
#
# ## The same rows, or the same updates?
#
# To compare batch sizes, say what you hold fixed. With the same number of *epochs*, small batches get more updates; with the same number of *iterations*, large batches see more rows.

# %% [markdown] lang="zh"
# 行数变成十六倍，误差变成四分之一（还略小一点，因为抽来抽去都是同样的 1,437 行）。即使有 64 行，误差也和梯度本身一样长，单独一步很可能走偏。但许多步的误差朝着各个方向，会相互抵消，而其中正确的成分不断累积。
#
# 所以增大批次的收益是递减的：256 行的代价是 64 行的四倍，精度却只提高到两倍。而这时小批次已经做了四次更新。
#
# ## 同样的行数，还是同样的更新次数？
#
# 比较批次大小时，要说明什么保持不变。**epoch** 数相同，小批次的更新更多；**迭代**次数相同，大批次看到的行更多。


# %%
def score(batch_size, epochs):
    network = models.DigitsNetwork(seed=0)
    kerasnn.fit(
        network,
        x_train,
        y_train,
        optimizer=keras.optimizers.Adam(0.002),
        epochs=epochs,
        batch_size=batch_size,
        seed=0,
        driver="graph",  # see lesson 9
        verbose=0,
    )
    return kerasnn.evaluate(network, *test)["accuracy"]


table = {}
print("batch   20 epochs      220 iterations")
for batch_size in (16, 64, 256):
    steps = -(-1437 // batch_size)  # rounded up
    few = max(1, 220 // steps)
    table[batch_size] = score(batch_size, 20), score(batch_size, few)
    by_rows, by_steps = table[batch_size]
    print(f"{batch_size:5}   {by_rows:.3f}", end="          ")
    print(f"{by_steps:.3f} ({few} epochs)")

# %% tags=["test"]
assert table[16][0] > table[256][0]
assert table[16][1] < table[256][1]

# %% [markdown] lang="en"
# With equal epochs the largest batch comes last, with equal iterations it comes first. Neither is wrong; a claim that "small batches are better" is unfinished until it says at what price. (One run each: a difference of 0.02 would prove nothing, as in [lesson 5](05-digits.md).) 32 to 256 is a common start.
#
# ## Exercises
#
# **1.** You have 50,000 rows, batches of 128, and time for 10,000 iterations. How many epochs is that?

# %% [markdown] lang="zh"
# epoch 数相同时，最大的批次垫底；迭代次数相同时，它排第一。两种比法都没有错；但说“小批次更好”而不说明代价，这句话就没有说完。（每种只训练了一次：若只差 0.02，就什么也说明不了，见[第 5 课](05-digits.md)。）通常先从 32 到 256 之间试起。
#
# ## 练习
#
# **1.** 你有 50,000 行，批次大小 128，时间够做 10,000 次迭代。这是多少个 epoch？

# %% tags=["solution"]
in_an_epoch = -(-50_000 // 128)
print(in_an_epoch, "iterations an epoch")
print(f"{10_000 / in_an_epoch:.1f} epochs")

# %% tags=["test"]
assert in_an_epoch == 391

# %% [markdown] lang="en"
# **2.** What is the batch size of a full batch, and how many iterations are in its epoch? And with batches of one row?

# %% [markdown] lang="zh"
# **2.** 全批量的批次大小是多少？一个 epoch 有几次迭代？每批一行时又如何？

# %% tags=["solution"]
for batch_size in (1437, 1):
    print("batch size", batch_size, "iterations", 1437 // batch_size)

# %% [markdown] lang="en" tags=["solution"]
# The second one is *stochastic gradient descent* in the strict sense; the S of `SGD` comes from it.

# %% [markdown] lang="zh" tags=["solution"]
# 后者是严格意义上的**随机梯度下降**（stochastic gradient descent），`SGD` 的 S 就来自它。

# %% tags=["test"]
assert 1437 // batch_size == 1437

# %% [markdown] lang="en"
# ## Summary
#
# - Batch: the rows of an update. Iteration: an update. Epoch: every row once.
# - The error of a batch's gradient falls like $1/\sqrt{n}$: small batches are a bargain.
# - Compare batch sizes at equal rows or at equal updates, and say which.
#
# To read on: [Masters and Luschi, Revisiting Small Batch Training for Deep Neural Networks](https://arxiv.org/abs/1804.07612) (2018).

# %% [markdown] lang="zh"
# ## 小结
#
# - 批次：一次更新所用的行。迭代：一次更新。Epoch：每行恰好一次。
# - 批次梯度的误差按 $1/\sqrt{n}$ 下降：小批次很划算。
# - 比较批次大小，要么行数相同，要么更新次数相同，并说明是哪一种。
#
# 延伸阅读：[Masters 与 Luschi，Revisiting Small Batch Training for Deep Neural Networks（英文）](https://arxiv.org/abs/1804.07612)（2018）。
