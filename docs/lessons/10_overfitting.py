"""Lesson 10: overfitting, validation and dropout."""

# %% [markdown] lang="en"
# # Overfitting, validation, dropout
#
# A network with enough weights can learn its rows by heart, errors and accidents included. That is *overfitting*: good on the rows it knows, worse on all others. In this lesson you make it happen, see it in a curve, and try three remedies.

# %% [markdown] lang="zh"
# # 过拟合、验证与 dropout
#
# 权重足够多的网络能把数据背下来，连同其中的错误和巧合。这就是**过拟合**：在学过的数据上表现很好，在其他数据上较差。这一课先让过拟合发生，在曲线上看清它，再试三种对策。

# %% [markdown] lang="en"
# ## Three kinds of rows
#
# ![Most rows are for training; some for validation, by which you choose; some for the test, asked once](../figures/split.svg)
#
# The weights learn from the *training rows*. You, who choose among networks and settings, learn too: whatever you choose by the score of some rows fits these rows a little too well. So choose by the *validation rows*, and ask the *test rows* once, at the end.
#
# To make overfitting easy, we train on 150 digits only, with a network of 55,000 weights. (The rows from 150 to 1,000 wait for exercise 1.)

# %% [markdown] lang="zh"
# ## 三种数据
#
# ![大部分数据用来训练；一些用来验证，据此做选择；一些用来测试，只用一次](../figures/split.zh.svg)
#
# 权重从**训练集**学习。在不同网络和设置之间做选择的你，也在学习：凡是根据某些数据上的得分选出来的，总会对这些数据拟合得稍好一点。所以用**验证集**来选择，而**测试集**只在最后用一次。
#
# 为了让过拟合容易发生，我们只用 150 张数字图片来训练一个有 55,000 个权重的网络。（第 150 到 1,000 行留给练习 1。）

# %%
from itertools import pairwise

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from kerasnn import datasets

(x, y), (x_test, y_test) = datasets.digits(one_hot=True)
x_train, y_train = x[:150], y[:150]
x_validation, y_validation = x[1000:], y[1000:]
for rows in (x_train, x_validation, x_test):
    print(len(rows), end=" ")

# %% [markdown] lang="en"
# ## Dropout, by hand
#
# One remedy is built into the network, so it comes first. *Dropout* (Srivastava and others, 2014) switches off each hidden unit with probability $r$, drawn anew for each row and each step. No unit can rely on one other unit, and the network cannot build a fragile chain for one single row.
#
# ![In each step some hidden units are crossed out; in prediction all work](../figures/dropout.svg)
#
# In prediction all units work. Then the sums of the next layer would be larger than in training, by $1 / (1 - r)$. So during training the units that remain are multiplied by just that. (*Stateless* random numbers follow from a seed that we pass, so that a run can be repeated.)

# %% [markdown] lang="zh"
# ## 手写 dropout
#
# 有一种对策在网络内部，先讲它。**Dropout**（又译“随机失活”或“暂退法”；Srivastava 等，2014）以概率 $r$ 随机关闭每个隐藏单元，对每一行、每一步都重新抽取。这样，任何单元都不能依赖某一个别的单元，网络也就无法专为某一行搭起一条脆弱的链条。
#
# ![每一步都有一些隐藏单元被划掉；预测时全部工作](../figures/dropout.zh.svg)
#
# 预测时所有单元都工作。这样，下一层的加权和会是训练时的 $1 / (1 - r)$ 倍。所以训练时把留下的单元正好乘以这个倍数。（**无状态**（stateless）的随机数由传入的种子决定，因此结果可以重现。）


# %%
def dropout(units, rate, seed):
    keep = tf.random.stateless_uniform(tf.shape(units), seed) >= rate
    return units * tf.cast(keep, tf.float32) / (1 - rate)


class Network(tf.Module):
    def __init__(self, seed=0, n_hidden=200):
        rng = np.random.default_rng(seed)
        sizes = [64, n_hidden, n_hidden, 10]
        self.kernels, self.biases = [], []
        for n_in, n_out in pairwise(sizes):
            # the more inputs, the smaller (He's rule)
            kernel = rng.normal(size=(n_in, n_out)) * np.sqrt(2 / n_in)
            self.kernels.append(tf.Variable(kernel, dtype=tf.float32))
            self.biases.append(tf.Variable(tf.zeros([n_out])))

    def __call__(self, x, rate=0.0, seed=(0, 0)):
        for i in (0, 1):
            x = tf.nn.relu(x @ self.kernels[i] + self.biases[i])
            if rate > 0:  # another seed for each layer
                x = dropout(x, rate, tf.stack([seed[0] + i, seed[1]]))
        return x @ self.kernels[2] + self.biases[2]


units = tf.ones([1, 10])
print(dropout(units, 0.5, [0, 1]).numpy()[0])
mean = tf.reduce_mean(dropout(tf.ones([1000, 100]), 0.5, [0, 2]))
print(f"mean of many: {mean:.3f}")

# %% tags=["test"]
assert abs(float(mean) - 1) < 0.02
count = sum(v.shape.num_elements() for v in Network().trainable_variables)
assert round(count, -3) == 55_000

# %% [markdown] lang="en"
# ## Watch two losses
#
# After each epoch the loss is computed twice, without dropout: on the training rows, and on the validation rows. `train` also keeps the weights of the lowest validation loss, for later.

# %% [markdown] lang="zh"
# ## 看两条损失曲线
#
# 每个 epoch 之后，在不使用 dropout 的情况下计算两次损失：一次在训练集上，一次在验证集上。`train` 还留下验证损失最低时的权重，以备后用。


# %%
def cross_entropy(logits, y):
    losses = tf.nn.softmax_cross_entropy_with_logits(y, logits)
    return tf.reduce_mean(losses)


def accuracy(logits, y):
    hits = tf.argmax(logits, axis=1) == tf.argmax(y, axis=1)
    return tf.reduce_mean(tf.cast(hits, tf.float32))


def train(optimizer, rate=0.0, epochs=200):
    network = Network()
    variables = list(network.trainable_variables)
    optimizer.build(variables)
    rows, labels = tf.constant(x_train), tf.constant(y_train)

    @tf.function
    def step(epoch):
        with tf.GradientTape() as tape:
            logits = network(rows, rate, (0, epoch))
            loss = cross_entropy(logits, labels)
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return (
            cross_entropy(network(rows), labels),
            cross_entropy(network(x_validation), y_validation),
        )

    losses, lowest, kept = [], np.inf, None
    for epoch in range(epochs):
        losses.append([float(v) for v in step(tf.constant(epoch))])
        if losses[-1][1] < lowest:
            lowest = losses[-1][1]
            kept = [variable.numpy() for variable in variables]
    return network, np.array(losses), kept


network, losses, kept = train(keras.optimizers.Adam(0.002))
best = losses[:, 1].argmin()
plt.plot(losses, label=["training rows", "validation rows"])
plt.plot(best, losses[best, 1], "o", color="C1")
plt.ylim(0, 1)
plt.title(f"The validation loss is lowest after {best + 1} epochs")
plt.xlabel("epoch")
plt.ylabel("cross-entropy")
plt.legend()
plt.show()
print(f"epoch {best + 1}: validation loss {losses[best, 1]:.3f}")
print(f"epoch 200: validation loss {losses[-1, 1]:.3f}")
print(f"           training loss   {losses[-1, 0]:.4f}")

# %% tags=["test"]
assert 15 < best < 60
assert losses[-1, 1] > 1.1 * losses[best, 1]
assert losses[-1, 0] < 0.002

# %% [markdown] lang="en"
# This is the picture of overfitting. The training loss goes on falling; it is nearly 0. The validation loss falls with it, turns around, and rises: the network becomes more and more sure, also where it is wrong.
#
# ## Three remedies
#
# - **Early stopping.** Stop where the validation loss is lowest, and keep the weights of that epoch.
# - **Weight decay.** Pull each weight a little toward 0 at each step, so that only what many rows confirm stays large. `AdamW` does it: here by a thousandth, 0.5 times the learning rate.
# - **Dropout**, as above.

# %% [markdown] lang="zh"
# 这就是过拟合的样子。训练损失一直下降，几乎到 0。验证损失跟着下降，然后掉头上升：网络越来越自信，连答错时也一样。
#
# ## 三种对策
#
# - **早停（early stopping）**：在验证损失最低处停下，保留那个 epoch 的权重。
# - **权重衰减（weight decay）**：每一步把每个权重往 0 拉一点，只有得到许多行支持的权重才能保持较大。`AdamW` 会这样做：这里每步减去权重自身的千分之一，即 0.5 乘以学习率。
# - **Dropout**，见上文。

# %%
runs = {
    "none": (network, losses, kept),
    "weight decay": train(keras.optimizers.AdamW(0.002, weight_decay=0.5)),
    "dropout 0.5": train(keras.optimizers.Adam(0.002), rate=0.5),
}
print("remedy          lowest (epoch)   at the end")
for name, (_, run, _) in runs.items():
    lowest = run[:, 1].argmin()
    print(f"{name:16}{run[lowest, 1]:.3f} ({lowest + 1:3})", end="     ")
    print(f"{run[-1, 1]:.3f}")
    plt.plot(run[:, 1], label=name)
plt.ylim(0.25, 0.6)
plt.title("Validation loss with each remedy")
plt.xlabel("epoch")
plt.ylabel("cross-entropy")
plt.legend()
plt.show()

# %% tags=["test"]
lowest = {name: run[:, 1].min() for name, (_, run, _) in runs.items()}
assert lowest["dropout 0.5"] < lowest["none"]
assert runs["weight decay"][1][-1, 1] < runs["none"][1][-1, 1]

# %% [markdown] lang="en"
# The lowest validation loss is that of dropout, at epoch 77. So we choose dropout with early stopping. Only now, the test rows, once, with two others for comparison:

# %% [markdown] lang="zh"
# 验证损失最低的是 dropout，在第 77 个 epoch。所以我们选 dropout 加早停。直到现在才动用测试集，而且只用一次，另外两个用来对比：


# %%
def ask_test_rows(name, network):
    logits = network(x_test)
    tested[name] = float(cross_entropy(logits, y_test))
    right = accuracy(logits, y_test)
    print(f"{name:24} loss {tested[name]:.3f}, accuracy {right:.3f}")


tested = {}
ask_test_rows("no remedy, epoch 200", runs["none"][0])
for name, run in (
    ("early stopping", "none"),
    ("early stopping, dropout", "dropout 0.5"),
):
    network, _, kept = runs[run]
    for variable, weights in zip(
        network.trainable_variables, kept, strict=True
    ):
        variable.assign(weights)
    ask_test_rows(name, network)

# %% tags=["test"]
values = list(tested.values())
assert values == sorted(values, reverse=True)

# %% [markdown] lang="en"
# The loss falls with each remedy; the accuracy differs by three digits of 360, which is luck. Over 20 seeds the means of the three losses are 0.322, 0.292 and 0.278, those of the accuracies 0.924, 0.916 and 0.921. So the remedies make the network less sure where it is wrong; they do not make it right more often here.
#
# The best remedy of all is not in the list: more rows. Nothing in this lesson comes near to what 850 more digits do (exercise 1).
#
# ## Exercises
#
# **1.** Train without any remedy on 1,000 rows instead of 150.

# %% [markdown] lang="zh"
# 每加一项对策，损失都会下降；准确率只差 360 张图片里的三张，那是运气。20 个种子的平均：三个损失是 0.322、0.292 和 0.278，三个准确率是 0.924、0.916 和 0.921。可见，这些对策让网络在答错时不那么自信，但在这里并没有让它答对得更多。
#
# 最好的对策不在表里：更多的数据。这一课的任何办法，都比不上再多 850 张图片（练习 1）。
#
# ## 练习
#
# **1.** 不用任何对策，用 1,000 行而不是 150 行来训练。

# %% tags=["solution"]
x_train, y_train = x[:1000], y[:1000]
more_rows, _, _ = train(keras.optimizers.Adam(0.002), epochs=100)
ask_test_rows("1,000 rows", more_rows)

# %% tags=["test"]
assert tested["1,000 rows"] < min(values) / 2
assert accuracy(more_rows(x_test), y_test) > 0.96

# %% [markdown] lang="en"
# **2.** Is the score on the validation rows, of the epoch with the lowest validation loss, an honest estimate for new rows?

# %% [markdown] lang="zh"
# **2.** 验证损失最低的那个 epoch，它在验证集上的得分，能如实反映在新数据上的表现吗？

# %% tags=["solution"]
rng = np.random.default_rng(0)
guesses = rng.integers(0, 10, size=(300, 437))  # 300 networks that guess
scores = (guesses == y_validation.argmax(axis=1)).mean(axis=1)
print(f"mean {scores.mean():.3f}, the best of 300: {scores.max():.3f}")

# %% [markdown] lang="en" tags=["solution"]
# No. The best of 300 is partly lucky, even among networks that only guess. The more you choose from, the larger the luck. That is what the test rows are for.

# %% [markdown] lang="zh" tags=["solution"]
# 不能。300 个里最好的那个，多少靠了运气，哪怕它们全是瞎猜。可选的越多，运气的成分越大。测试集就是为此而留的。

# %% tags=["test"]
assert abs(scores.mean() - 0.1) < 0.005
assert scores.max() > 0.13

# %% [markdown] lang="en"
# ## Summary
#
# - Overfitting shows in two curves: training loss falls, validation loss turns up.
# - Early stopping, weight decay and dropout lower the loss on new rows; more rows lower it most.
# - Choose by validation rows; ask the test rows once.
#
# In the package: networks for tables use all three remedies by default, see [the recipe](../../recipe.md). Source: [Srivastava and others, Dropout](https://jmlr.org/papers/v15/srivastava14a.html) (2014).

# %% [markdown] lang="zh"
# ## 小结
#
# - 过拟合要看两条曲线：训练损失下降，验证损失掉头上升。
# - 早停、权重衰减和 dropout 降低新数据上的损失；增加数据降得最多。
# - 用验证集做选择；测试集只用一次。
#
# 在本软件包中：表格网络默认同时使用这三种对策，见[配方（英文）](../../recipe.md)。出处：[Srivastava 等，Dropout](https://jmlr.org/papers/v15/srivastava14a.html)（2014）。
