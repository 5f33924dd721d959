"""Lesson 3: why the loss stops at 8/9."""

# %% [markdown] lang="en"
# # Why 8/9?
#
# Both networks, in [NumPy](01-numpy.md) and in [TensorFlow](02-tensorflow.md), end at a loss of 0.8889. The code is right, the gradient is checked, the loss fell. And yet the network has learned nothing about flowers. This lesson is a small detective story, with a habit to take away: compare every loss with that of an answer that needs no network.

# %% [markdown] lang="zh"
# # 为什么是 8/9？
#
# 无论用 [NumPy](01-numpy.md) 还是用 [TensorFlow](02-tensorflow.md)，损失都停在 0.8889。代码没有错，梯度经过检验，损失也确实下降了。然而网络对花一无所知。这一课像一个小侦探故事，希望你从中养成一个习惯：看到任何损失，都先与“不用网络的答案”比一比。

# %%
import matplotlib.pyplot as plt
import numpy as np

from kerasnn import datasets
from kerasnn.reference import NeuralNetwork, sigmoid

x, y = datasets.iris_perceptron()
network = NeuralNetwork()  # of lesson 1; fit is its training loop
losses = network.fit(x, y, epochs=200, learning_rate=0.001)
output = network.forward(x)
print(f"loss {losses[-1]:.4f}")
print(f"outputs from {output.min():.4f} to {output.max():.4f}")

# %% [markdown] lang="en"
# The first clue: every flower gets nearly the same output, 1/3.
#
# ## The best constant
#
# Suppose the answer is a constant $c$, whatever the flower. 50 targets are -1 and 100 are 1, so the loss is
#
# $$L(c) = \frac{50\,(c + 1)^2 + 100\,(c - 1)^2}{150} \qquad L'(c) = 2c - \frac{2}{3}$$
#
# The derivative is 0 at $c = 1/3$, the mean of the targets, and there $L = 8/9$. So 8/9 is the loss of the best answer that does not look at the flower at all.

# %% [markdown] lang="zh"
# 第一条线索：每朵花的输出几乎都一样，都在 1/3 附近。
#
# ## 最好的常数
#
# 假设无论什么花，答案都是常数 $c$。目标中有 50 个 -1、100 个 1，于是损失为
#
# $$L(c) = \frac{50\,(c + 1)^2 + 100\,(c - 1)^2}{150} \qquad L'(c) = 2c - \frac{2}{3}$$
#
# 导数在 $c = 1/3$ 处为 0，这正是目标的平均值，此时 $L = 8/9$。所以，根本不看花而能给出的最好答案，损失就是 8/9。

# %%
c = np.linspace(-1, 1, 101)
# (150, 1) - (101,) broadcasts: each target with each c
loss_of_constant = np.mean((y - c) ** 2, axis=0)
plt.plot(c, loss_of_constant)
plt.plot(1 / 3, 8 / 9, "o")
plt.annotate("c = 1/3, loss 8/9", (1 / 3, 8 / 9), (0.05, 1.25))
plt.title("The loss of a constant answer")
plt.xlabel("c")
plt.ylabel("loss")
plt.show()

# %% tags=["test"]
assert abs(loss_of_constant.min() - 8 / 9) < 1e-3
assert abs(np.mean((y - 1 / 3) ** 2) - 8 / 9) < 1e-12
assert abs(output - 1 / 3).max() < 0.02

# %% [markdown] lang="en"
# ## Four suspects
#
# **The targets.** The output is a sigmoid, between 0 and 1. It can never be -1. Even a perfect network would answer 0 there, and keep a loss of 1/3.
#
# **The size of the inputs.** With all weights equal to 1, a hidden unit sees `X0 + X1`, about 9. There the sigmoid is flat:

# %% [markdown] lang="zh"
# ## 四个嫌疑
#
# **目标。** 输出是 sigmoid，介于 0 与 1 之间，永远到不了 -1。即使是完美的网络，遇到目标为 -1 的花也只能回答 0，损失仍有 1/3。
#
# **输入的大小。** 权重全是 1 时，隐藏单元看到的是 `X0 + X1`，约为 9。sigmoid 在那里是平的：

# %%
hidden = sigmoid(x @ np.ones((2, 3)))
print(f"hidden units: {hidden.min():.5f} to {hidden.max():.5f}")
slope = (hidden * (1 - hidden)).max()
print(f"derivative of the sigmoid there: at most {slope:.5f}")

# %% [markdown] lang="en"
# All flowers look alike to the second layer, and almost no gradient comes back through the first. Such a unit is called *saturated*.
#
# **The start.** Three units that begin with the same weights get the same gradient and stay the same ([exercise 3 of lesson 1](01-numpy.md#exercises)).
#
# **No bias.** $\sigma(XW)$ is 1/2 where $XW = 0$: the border between the two answers always runs through the origin. A *bias*, a number added to the sum, lets it run anywhere. It is the weight of an input that is always 1.
#
# ## One repair after the other
#
# Each training now has 1,000 rounds at the learning rate 0.01. An output above 1/2 says 1. The bias goes to the hidden units, as the weight of a third input.

# %% [markdown] lang="zh"
# 在第二层看来，所有的花都一个样，而能穿过第一层传回来的梯度几乎为零。这样的单元称为**饱和**。
#
# **初始权重。** 三个单元的初始权重相同，得到的梯度也相同，于是永远相同（[第 1 课练习 3](01-numpy.md#练习)）。
#
# **没有偏置。** $\sigma(XW)$ 在 $XW = 0$ 处等于 1/2：两种答案的分界线总要穿过原点。**偏置**是加到加权和上的一个数，有了它，分界线可以落在任何位置。它相当于给一个恒为 1 的输入配上的权重。
#
# ## 逐一修复
#
# 现在每次训练 1,000 轮，学习率 0.01。输出大于 1/2，就算回答 1。偏置加在隐藏单元上，写成第三个输入的权重。


# %%
def train(x, y, start="ones"):
    network = NeuralNetwork(n_in=x.shape[1])
    if start == "random":
        rng = np.random.default_rng(0)
        network.hidden_kernel = rng.normal(size=network.hidden_kernel.shape)
        network.output_kernel = rng.normal(size=network.output_kernel.shape)
    losses = network.fit(x, y, epochs=1000, learning_rate=0.01)
    says_1 = network.forward(x) > 0.5
    return losses, np.mean(says_1 == (y > 0))


zero_one = (y + 1) / 2
scaled = (x - x.mean(axis=0)) / x.std(axis=0)
with_bias = np.hstack([scaled, np.ones((150, 1))])
results = {
    "as in lesson 1": train(x, y),
    "targets 0 and 1": train(x, zero_one),
    "... and scaled inputs": train(scaled, zero_one),
    "... and random weights": train(scaled, zero_one, "random"),
    "... and a bias": train(with_bias, zero_one, "random"),
}
for name, (losses, accuracy) in results.items():
    print(f"{name:23} loss {losses[-1]:.4f}, right {accuracy:.0%}")

# %%
for name, (losses, _) in results.items():
    plt.plot(losses, label=name)
plt.yscale("log")
plt.title("Four repairs, one after the other")
plt.xlabel("round")
plt.ylabel("loss")
plt.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% tags=["test"]
ends = [losses[-1] for losses, _ in results.values()]
np.testing.assert_allclose(
    ends, [8 / 9, 2 / 9, 0.0890, 0.0056, 0.0023], atol=1e-3
)
assert [round(a, 3) for _, a in results.values()] == [
    0.333,
    0.667,
    0.667,
    1,
    1,
]

# %% [markdown] lang="en"
# The second line needs a second look. 0.2222 seems a great success after 0.8889. But with targets 0 and 1 the best constant, 2/3, has the loss 2/9: the network still says the same for every flower. A loss says nothing before you know what a constant gets. The third line is no constant any more, yet it sides with the same class everywhere. Only with random weights do the hidden units become different from each other.
#
# These repairs are so common that the coming lessons make them without a word: targets that the output can reach, inputs about as large as 1, random weights, biases.
#
# ## Exercises
#
# **1.** With targets -1 and 1, use an output that can reach both: $\tanh(z) = 2\sigma(2z) - 1$. Which constant and which loss does a network reach that has learned nothing?

# %% [markdown] lang="zh"
# 第二行值得再看一眼。相对于 0.8889，0.2222 似乎是巨大的成功。但目标为 0 和 1 时，最好的常数是 2/3，它的损失就是 2/9：网络对每朵花给出的仍是同一个答案。在知道常数答案的损失之前，损失本身说明不了什么。第三行的输出已不是常数，却仍把所有的花都判为同一类。只有随机权重才让各隐藏单元彼此不同。
#
# 这些修复太常见了，以后的课都会默认采用：取值在输出范围之内的目标、大小约为 1 的输入、随机初始化的权重、偏置。
#
# ## 练习
#
# **1.** 目标仍为 -1 和 1，换一个两者都能达到的输出：$\tanh(z) = 2\sigma(2z) - 1$。什么也没学到的网络会停在哪个常数、哪个损失？

# %% tags=["solution"]
constant = y.mean()
print(f"constant {constant:.4f}, loss {np.mean((y - constant) ** 2):.4f}")

# %% [markdown] lang="en" tags=["solution"]
# The same, 1/3 and 8/9: the best constant depends on the targets alone. The tanh removes one suspect. It can now go below 8/9, down to 0.

# %% [markdown] lang="zh" tags=["solution"]
# 还是 1/3 和 8/9：最好的常数只取决于目标。tanh 排除了一个嫌疑，现在损失可以低于 8/9，一直降到 0。

# %% [markdown] lang="en"
# **2.** Which repair matters most? Start from the complete network and take back one repair at a time.

# %% [markdown] lang="zh"
# **2.** 哪一项修复最重要？从完整的网络出发，每次撤回一项。

# %% tags=["solution"]
raw_with_bias = np.hstack([x, np.ones((150, 1))])
without = {
    "targets": train(with_bias, y, "random"),
    "scaled inputs": train(raw_with_bias, zero_one, "random"),
    "random weights": train(with_bias, zero_one),
    "bias": train(scaled, zero_one, "random"),
}
for name, (losses, accuracy) in without.items():
    print(f"without {name:15} loss {losses[-1]:.4f}, right {accuracy:.0%}")

# %% [markdown] lang="en" tags=["solution"]
# The random weights: without them a third of the flowers are wrong. The wrong targets keep the loss at 1/3, but the border is right all the same.

# %% [markdown] lang="zh" tags=["solution"]
# 随机权重：没有它，三分之一的花会判错。错误的目标让损失停在 1/3，但分界线仍然正确。

# %% tags=["test"]
assert without["random weights"][1] < 0.7
assert (
    min(without[name][1] for name in ("targets", "scaled inputs", "bias"))
    > 0.99
)
assert 1 / 3 < without["targets"][0][-1] < 0.34

# %% [markdown] lang="en"
# ## Summary
#
# - A loss is only good or bad beside the loss of the best constant. With mean squared error that constant is the mean of the targets.
# - Targets must be within reach of the output; inputs near 1 keep the units out of saturation; random weights make them different; biases set the border free.
# - A falling loss, and a right gradient, do not prove that anything was learned.
#
# In the package: `kerasnn train` shows such a constant beside each network's score.
#
# To read on: [Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks](https://proceedings.mlr.press/v9/glorot10a.html) (2010), on saturation and the size of initial weights.

# %% [markdown] lang="zh"
# ## 小结
#
# - 损失的好坏，只有与最好的常数相比才知道。用均方误差时，这个常数是目标的平均值。
# - 目标要在输出的取值范围之内；大小约为 1 的输入使单元不饱和；随机权重使单元各不相同；偏置让分界线不必经过原点。
# - 损失在下降、梯度没有错，都不能证明网络学到了东西。
#
# 在本软件包中：`kerasnn train` 会在网络的得分旁边显示这样一个常数的得分。
#
# 延伸阅读：[Glorot 与 Bengio，Understanding the difficulty of training deep feedforward neural networks（英文）](https://proceedings.mlr.press/v9/glorot10a.html)（2010），讲饱和与初始权重的大小。
