"""Lesson 1: a network in NumPy, and its gradients by hand."""

# %% [markdown] lang="en"
# # A network in NumPy
#
# A neural network is a function with numbers inside that can be changed. *Training* means to change them, a little at a time, until the function's answers are close to the right ones. In this lesson you build a small one with nothing but NumPy, and you work out by hand in which direction each number must move.
#
# You need Python, arrays, and the derivative of a function as taught in school. `kerasnn`, the package of these lessons, only supplies the rows here.

# %% [markdown] lang="zh"
# # 用 NumPy 写一个神经网络
#
# 神经网络是一个函数，内部有一些可以调整的数。**训练**就是一点一点地调整这些数，直到函数的输出接近正确答案。这一课只用 NumPy 搭一个小网络，并亲手推导每个数应该往哪个方向调。
#
# 需要的预备知识：Python、数组，以及中学学过的导数。`kerasnn` 是这些课程所属的软件包，这一课只用它提供数据。

# %% [markdown] lang="en"
# ## The rows
#
# 150 irises were measured (Fisher, 1936): `X0` is the length of a sepal and `X1` its width, in centimetres. `Y` is the *target*: -1 for *Iris setosa*, 1 for the two other species. The network should compute `Y` from `X0` and `X1`.

# %% [markdown] lang="zh"
# ## 数据
#
# 这里有 150 朵鸢尾花的测量值（Fisher，1936）：`X0` 是萼片长度，`X1` 是萼片宽度，单位都是厘米。`Y` 是**目标**：山鸢尾（setosa）为 -1，另外两个品种为 1。网络要根据 `X0` 和 `X1` 算出 `Y`。

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from kerasnn import datasets

x, y = datasets.iris_perceptron()
print(pd.DataFrame(np.hstack([x, y]), columns=["X0", "X1", "Y"]).head())
print("x", x.shape, "  y", y.shape)

# %%
for label, marker in ((-1, "o"), (1, "^")):
    of_label = y[:, 0] == label
    plt.scatter(*x[of_label].T, marker=marker, s=18, label=f"Y = {label}")
plt.title("150 irises")
plt.xlabel("X0, sepal length")
plt.ylabel("X1, sepal width")
plt.legend()
plt.show()

# %% [markdown] lang="en"
# ## The network
#
# ![Two inputs, three hidden units and one output; every unit is joined to every unit of the next layer by a line with a weight](../figures/network-2-3-1.svg)
#
# Each circle holds a number. Those on the left are the two measurements of a row. Each line carries a *weight*. A unit on the right end of lines multiplies each number by the weight of its line, adds the products, and squeezes the sum into the range from 0 to 1. The circles in the middle are called *hidden*: they are neither given nor asked for. *Fully connected* means that every unit is joined to every unit of the next layer: 2 × 3 lines, then 3 × 1.
#
# The squeezing function is the *sigmoid*. Without it, two layers would be no more than one: a weighted sum of weighted sums is a weighted sum.
#
# $$\sigma(z) = \frac{1}{1 + e^{-z}} \qquad \sigma'(z) = \frac{e^{-z}}{(1 + e^{-z})^2} = \sigma(z)\,(1 - \sigma(z))$$

# %% [markdown] lang="zh"
# ## 网络
#
# ![两个输入、三个隐藏单元、一个输出；每个单元都用带权重的连线与下一层的所有单元相连](../figures/network-2-3-1.zh.svg)
#
# 每个圆圈里有一个数，左边两个就是一行数据的两个测量值。每条连线带一个**权重**。连线右端的单元把传来的每个数乘以连线的权重，求和，再把和压缩到 0 与 1 之间。中间的圆圈叫**隐藏单元**：它们的值既不由数据给出，也不是我们要的结果。**全连接**是指每个单元都与下一层的每个单元相连：先是 2 × 3 条连线，然后是 3 × 1 条。
#
# 起压缩作用的函数叫 **sigmoid**。没有它，两层并不比一层强：加权和的加权和仍然是加权和。
#
# $$\sigma(z) = \frac{1}{1 + e^{-z}} \qquad \sigma'(z) = \frac{e^{-z}}{(1 + e^{-z})^2} = \sigma(z)\,(1 - \sigma(z))$$


# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


z = np.linspace(-8, 8, 200)
plt.plot(z, sigmoid(z), label="sigmoid(z)")
plt.plot(z, sigmoid(z) * (1 - sigmoid(z)), label="its derivative")
plt.title("The sigmoid is flat where z is far from 0")
plt.xlabel("z")
plt.legend()
plt.show()

# %% [markdown] lang="en"
# ## Forward
#
# Computing the output from the input is the *forward pass*. The weights of a layer are a matrix, one column for each unit, so that all rows and all units are one matrix product. $\sigma$ is taken of each element; Keras, and our code, call such a matrix a *kernel*:
#
# $$H = \sigma(X\,W_1) \qquad O = \sigma(H\,W_2)$$
#
# | | shape | what it is |
# | --- | --- | --- |
# | $X$ | (150, 2) | a row for each flower |
# | $W_1$ | (2, 3) | weights between inputs and hidden units |
# | $H$ | (150, 3) | hidden units of each flower |
# | $W_2$ | (3, 1) | weights between hidden units and output |
# | $O$ | (150, 1) | the output of each flower |
#
# How wrong is it? The *mean squared error* (MSE) is the mean of $(O - Y)^2$ over the rows. Such a number, small when the answers are right, is called a *loss*.

# %% [markdown] lang="zh"
# ## 前向传播
#
# 从输入算出输出，叫做**前向传播**。一层的权重写成一个矩阵，每个单元占一列，于是所有行、所有单元只需一次矩阵乘法。$\sigma$ 作用于每个元素；Keras 和我们的代码把这样的矩阵叫做 kernel：
#
# $$H = \sigma(X\,W_1) \qquad O = \sigma(H\,W_2)$$
#
# | | 形状 | 含义 |
# | --- | --- | --- |
# | $X$ | (150, 2) | 每朵花一行 |
# | $W_1$ | (2, 3) | 输入与隐藏单元之间的权重 |
# | $H$ | (150, 3) | 每朵花的隐藏单元 |
# | $W_2$ | (3, 1) | 隐藏单元与输出之间的权重 |
# | $O$ | (150, 1) | 每朵花的输出 |
#
# 误差有多大？**均方误差**（MSE）是 $(O - Y)^2$ 在所有行上的平均值。像这样答案越准就越小的数，叫做**损失**。

# %%
hidden_kernel, output_kernel = np.ones((2, 3)), np.ones((3, 1))
hidden = sigmoid(x @ hidden_kernel)
output = sigmoid(hidden @ output_kernel)
print("first flower", x[0])
print("hidden      ", hidden[0].round(4))
print("output      ", output[0].round(4))
print("loss of all ", np.mean((output - y) ** 2).round(4))

# %% [markdown] lang="en"
# ## Backward
#
# If one weight grows a little, how does the error change? That ratio is a derivative; the derivatives with respect to all weights together are the *gradient*. A weight does not touch the error directly. It changes a sum, the sum changes a unit, the unit changes the next sum, and so on to the error. The *chain rule* says: multiply the derivatives along the way.
#
# ![The values flow forward from X to the error E; the derivatives flow backward, and at each station they are multiplied by the derivative of that station](../figures/chain-rule.svg)
#
# Read the lower line from the right. Each station multiplies what comes to it by its own derivative, and hands it on; $\delta$ is what has reached the sums of a layer. $\partial E / \partial W$ holds the derivative of $E$ with respect to each weight, all others held fixed. $H^T$ is `H.T`, and $\odot$ multiplies element by element. We take the sum $E = \sum (O - Y)^2$; the mean has the same gradient, divided by 150:
#
# $$\delta_O = 2\,(O - Y) \odot O \odot (1 - O) \qquad \frac{\partial E}{\partial W_2} = H^T \delta_O$$
#
# $$\delta_H = (\delta_O\,W_2^T) \odot H \odot (1 - H) \qquad \frac{\partial E}{\partial W_1} = X^T \delta_H$$
#
# Where does each part come from? $2(O - Y)$ is the derivative of the square. $O(1 - O)$ is the derivative of the sigmoid. $\delta_O W_2^T$ sends the result back over the lines, each time multiplied by the line's weight. And $H^T \delta_O$ adds up, over all rows, what went into a weight times what came back to it. This is *backpropagation*.

# %% [markdown] lang="zh"
# ## 反向传播
#
# 如果一个权重增大一点点，误差会怎样变化？这个比值就是导数；对所有权重的导数合在一起叫**梯度**。权重并不直接影响误差：它先改变一个加权和，加权和改变一个单元的值，单元的值再改变下一个加权和，就这样一直传到误差。**链式法则**告诉我们：把沿途的导数乘起来。
#
# ![数值从 X 向前流到误差 E；导数向后流，每一站都乘上这一站自己的导数](../figures/chain-rule.zh.svg)
#
# 下面那一行请从右往左读。每一站把传来的量乘以自己的导数，再传给下一站；传到某一层加权和处的量记作 $\delta$。$\partial E / \partial W$ 是 $E$ 对每个权重的导数，其余权重固定不变；$H^T$ 就是 `H.T`，$\odot$ 表示逐元素相乘。我们取总和 $E = \sum (O - Y)^2$；若取平均，梯度只是再除以 150：
#
# $$\delta_O = 2\,(O - Y) \odot O \odot (1 - O) \qquad \frac{\partial E}{\partial W_2} = H^T \delta_O$$
#
# $$\delta_H = (\delta_O\,W_2^T) \odot H \odot (1 - H) \qquad \frac{\partial E}{\partial W_1} = X^T \delta_H$$
#
# 各部分从哪里来？$2(O - Y)$ 是平方的导数；$O(1 - O)$ 是 sigmoid 的导数；$\delta_O W_2^T$ 把结果沿连线送回去，每条连线乘上自己的权重；$H^T \delta_O$ 则把“进入权重的量”乘以“返回权重的量”，再对所有行求和。这就是**反向传播**。

# %% [markdown] lang="en"
# ## The whole network
#
# Where a derivative is positive, the error grows with the weight. So the update goes the other way, downhill: `W -= learning_rate * dW`. The *learning rate* says how far. (`forward` keeps the hidden units, because `backward` needs them.)

# %% [markdown] lang="zh"
# ## 完整的网络
#
# 导数为正时，权重增大，误差也增大，所以更新要往反方向走，也就是下坡：`W -= learning_rate * dW`。**学习率**决定一步走多远。（`forward` 会留下隐藏单元的值，因为 `backward` 要用。）


# %%
class NeuralNetwork:
    def __init__(self, n_in=2, n_hidden=3, n_out=1):
        self.hidden_kernel = np.ones((n_in, n_hidden))
        self.output_kernel = np.ones((n_hidden, n_out))

    def forward(self, x):
        self.hidden = sigmoid(x @ self.hidden_kernel)
        return sigmoid(self.hidden @ self.output_kernel)

    def backward(self, x, y):
        output = self.forward(x)
        d_output = 2 * (output - y) * output * (1 - output)
        d_hidden = (
            (d_output @ self.output_kernel.T)
            * self.hidden
            * (1 - self.hidden)
        )
        return x.T @ d_hidden, self.hidden.T @ d_output

    def update(self, x, y, learning_rate):
        d_hidden_kernel, d_output_kernel = self.backward(x, y)
        self.hidden_kernel -= learning_rate * d_hidden_kernel
        self.output_kernel -= learning_rate * d_output_kernel


network = NeuralNetwork()
losses = []
for _ in range(200):
    losses.append(np.mean((network.forward(x) - y) ** 2))
    network.update(x, y, learning_rate=0.001)

plt.plot(losses)
plt.title(f"The loss after 200 rounds: {losses[-1]}")
plt.xlabel("round")
plt.ylabel("mean squared error")
plt.show()

# %% tags=["test"]
from kerasnn import reference

assert abs(losses[-1] - 0.8889049031629646) < 1e-12
ours = reference.NeuralNetwork()
np.testing.assert_allclose(
    ours.fit(x, y, epochs=200, learning_rate=0.001), losses
)
np.testing.assert_allclose(network.hidden_kernel, ours.hidden_kernel)
np.testing.assert_allclose(network.output_kernel, ours.output_kernel)

# %% [markdown] lang="en"
# The loss falls from 1.27 and comes to rest at 0.8889. Is that good? [Lesson 3](03-eight-ninths.md) shows that it is not, and why.
#
# ## Is the derivation right?
#
# A derivation by hand needs a check. Move one weight a little up and a little down, and compare the change of the error with the gradient: this *numerical gradient* needs no chain rule. It is far too slow for training (two forward passes for each weight), and perfect for a test.

# %% [markdown] lang="zh"
# 损失从 1.27 下降，停在 0.8889。这算好吗？不算好，原因见[第 3 课](03-eight-ninths.md)。
#
# ## 推导对吗？
#
# 手工推导需要检验。把一个权重调大一点、再调小一点，看误差的变化与梯度是否一致：这样得到的**数值梯度**不需要链式法则。它太慢，不能用来训练（每个权重都要做两次前向传播），但用来检验再好不过。

# %%
network = NeuralNetwork()
by_hand = network.backward(x, y)[0][0, 0]
errors = []
for step in (1e-5, -1e-5):
    network.hidden_kernel[0, 0] = 1 + step
    errors.append(np.sum((network.forward(x) - y) ** 2))
by_trying = (errors[0] - errors[1]) / 2e-5
print(f"by the chain rule {by_hand:.8f}")
print(f"by trying         {by_trying:.8f}")

# %% tags=["test"]
assert abs(by_hand - by_trying) < 1e-7

# %% [markdown] lang="en"
# Look at what it cost. One hidden layer took a page of derivatives. A second layer, another loss or another squeezing function, and you begin again. In the next lesson TensorFlow takes this work over.
#
# ## Exercises
#
# **1.** How many weights has this network? How many with five hidden units?

# %% [markdown] lang="zh"
# 看看我们付出的代价：只有一个隐藏层，导数就推了一页。再加一层，换一种损失或换一种压缩函数，又要从头推导。下一课把这项工作交给 TensorFlow。
#
# ## 练习
#
# **1.** 这个网络有多少个权重？如果有五个隐藏单元呢？

# %% tags=["solution"]
for n_hidden in (3, 5):
    network = NeuralNetwork(n_hidden=n_hidden)
    weights = network.hidden_kernel.size + network.output_kernel.size
    print(n_hidden, "hidden units:", weights, "weights")

# %% tags=["test"]
assert weights == 15

# %% [markdown] lang="en"
# **2.** Train with learning rates ten times smaller and a thousand times larger. What happens to the loss?

# %% [markdown] lang="zh"
# **2.** 把学习率缩小到十分之一，再放大到一千倍，分别训练。损失会怎样？

# %% tags=["solution"]
ends = []
for learning_rate in (0.0001, 0.001, 1.0):
    network = NeuralNetwork()
    for _ in range(200):
        network.update(x, y, learning_rate)
    ends.append(np.mean((network.forward(x) - y) ** 2))
    print(f"learning rate {learning_rate:<6}: loss {ends[-1]:.4f}")

# %% [markdown] lang="en" tags=["solution"]
# Too small: it is still on its way. Too large: the first step overshoots so far that all outputs are 0. There the sigmoid is flat, the gradient is almost 0, and nothing moves any more.

# %% [markdown] lang="zh" tags=["solution"]
# 太小：还在半路上。太大：第一步就迈过了头，所有输出都变成 0。sigmoid 在那里是平的，梯度几乎为 0，于是再也动不了。

# %% tags=["test"]
assert ends[0] > 0.95
assert ends[1] < 0.889
np.testing.assert_allclose(ends[2], 1)  # all outputs are 0

# %% [markdown] lang="en"
# **3.** All weights begin at one. Print the three columns of `hidden_kernel` after the training. What do you notice, and why must it be so?

# %% [markdown] lang="zh"
# **3.** 所有权重的初始值都是 1。训练之后打印 `hidden_kernel` 的三列。你发现了什么？为什么必然如此？

# %% tags=["solution"]
network = NeuralNetwork()
for _ in range(200):
    network.update(x, y, 0.001)
print(network.hidden_kernel.round(4))

# %% [markdown] lang="en" tags=["solution"]
# The columns are equal: three units that begin alike get the same gradient and stay alike. The network might as well have a single hidden unit. That is why weights are drawn at random.

# %% [markdown] lang="zh" tags=["solution"]
# 三列完全相同：起点一样的三个单元得到同样的梯度，就永远一样。这个网络和只有一个隐藏单元没有区别。所以权重要随机初始化。

# %% tags=["test"]
np.testing.assert_allclose(
    network.hidden_kernel, network.hidden_kernel[:, :1].repeat(3, 1)
)

# %% [markdown] lang="en"
# ## Summary
#
# 1. Data: rows of features, and targets.
# 2. Forward: weighted sums and sigmoids, layer by layer.
# 3. Loss: one number that says how wrong the outputs are.
# 4. Backward: the gradient by hand, with the chain rule, from the loss to the first weights.
# 5. Update: each weight moves against its gradient. Repeat from 2.
#
# In the package: `kerasnn/reference/network.py` is this class, and `tests/test_reference.py` holds its gradient against the numerical one.
#
# To read on: [Nielsen, Neural Networks and Deep Learning, chapter 2](http://neuralnetworksanddeeplearning.com/chap2.html), the same derivation for any number of layers.

# %% [markdown] lang="zh"
# ## 小结
#
# 1. 数据：每行一组特征，以及对应的目标。
# 2. 前向传播：逐层计算加权和与 sigmoid。
# 3. 损失：用一个数衡量输出错了多少。
# 4. 反向传播：用链式法则手工求梯度，从损失一直回到第一层权重。
# 5. 更新：每个权重沿负梯度方向移动。回到第 2 步，重复进行。
#
# 在本软件包中：`kerasnn/reference/network.py` 就是这个类，`tests/test_reference.py` 用数值梯度检验它。
#
# 延伸阅读：[Nielsen，Neural Networks and Deep Learning，第 2 章（英文）](http://neuralnetworksanddeeplearning.com/chap2.html)，同样的推导，适用于任意多层。
