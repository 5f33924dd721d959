"""Lesson 2: the same network in TensorFlow, by hand and with an optimizer."""

# %% [markdown] lang="en"
# # The same in TensorFlow
#
# In [lesson 1](01-numpy.md) the forward pass took two lines, and its derivatives a page. TensorFlow watches the forward pass and works out the derivatives itself. You meet its four parts here: tensors, Variables, the tape and the optimizer. (`keras` is the library of layers, losses and optimizers that comes with TensorFlow; we take one loss and one optimizer from it.)

# %% [markdown] lang="zh"
# # 用 TensorFlow 再写一遍
#
# 在[第 1 课](01-numpy.md)里，前向传播只要两行，导数却推了一页。TensorFlow 会记录前向传播，自己求出导数。这一课认识它的四个部分：张量、变量、磁带（tape）和优化器。（`keras` 是随 TensorFlow 一起提供的库，包含层、损失函数和优化器；这里只用其中一个损失函数和一个优化器。）

# %%
import keras
import matplotlib.pyplot as plt
import tensorflow as tf

from kerasnn import datasets

x, y = datasets.iris_perceptron()

# %% [markdown] lang="en"
# ## Tensors
#
# A *tensor* is TensorFlow's array: it has a shape and a type, and cannot be changed. NumPy computes with 64 bits for each number, networks with 32: that is half the memory, and seven digits are more than a gradient needs. TensorFlow never converts types silently, because a silent conversion costs time or digits. So the rows are cast to float32 once, at the start.

# %% [markdown] lang="zh"
# ## 张量
#
# **张量**（tensor）是 TensorFlow 的数组：有形状、有类型、不可修改。NumPy 用 64 位表示一个数，神经网络用 32 位：内存减半，而七位有效数字对梯度来说绰绰有余。TensorFlow 从不悄悄转换类型，因为那会损失时间或精度。所以一开始就把数据转换成 float32，只转一次。

# %%
features = tf.constant(x, tf.float32)
targets = tf.constant(y, tf.float32)
print(features.shape, targets.shape, features.dtype)

try:
    tf.constant(x) @ tf.ones([2, 3])  # float64 times float32
except tf.errors.InvalidArgumentError as error:  # double is float64
    print("refused:", error.message.split("was ")[-1].split("[")[0])

# %% [markdown] lang="en"
# ## A model with Variables
#
# A `tf.Variable` is a tensor that can be assigned: that is what a weight must be. A class that derives from `tf.Module` finds its own Variables, also those of parts inside parts, and lists them in `trainable_variables`. Its call is the forward pass.

# %% [markdown] lang="zh"
# ## 带变量的模型
#
# `tf.Variable`（变量）是可以重新赋值的张量，权重正需要这一点。`tf.Module` 的子类会自动找到自己的变量（包括嵌套模块里的），列在 `trainable_variables` 里。调用模型就是做一次前向传播。


# %%
class SigmoidNetwork(tf.Module):
    def __init__(self):
        self.hidden_kernel = tf.Variable(tf.ones([2, 3]))
        self.output_kernel = tf.Variable(tf.ones([3, 1]))

    def __call__(self, x):
        x = tf.cast(x, tf.float32)  # callers may pass float64
        hidden = tf.sigmoid(x @ self.hidden_kernel)
        return tf.sigmoid(hidden @ self.output_kernel)


network = SigmoidNetwork()
print([tuple(variable.shape) for variable in network.trainable_variables])
print("output:", network(features).shape)

# %% [markdown] lang="en"
# The output has the shape of the target, (150, 1). That matters. If the target were (150,), the difference of the two would be stretched to (150, 150) by *broadcasting*, without any error, and the loss would be nonsense.
#
# ## The loss
#
# The loss is a function of model, rows and targets. `tf.reduce_mean` takes the mean over all elements; the name says that it *reduces* a tensor to one number. TensorFlow has the usual parts ready (names that are new to you come in lessons 4 and 5):
#
# | where | for example | what it gives |
# | --- | --- | --- |
# | `tf.math` | `squared_difference`, `log`, `reduce_mean` | arithmetic, element by element or reduced |
# | `tf.nn` | `sigmoid`, `relu`, `softmax`, `softmax_cross_entropy_with_logits` | what networks are made of; one loss for each row |
# | `keras.losses` | `MeanSquaredError`, `CategoricalCrossentropy` | objects that also take the mean over the rows |

# %% [markdown] lang="zh"
# 输出的形状与目标相同，都是 (150, 1)。这一点很重要：如果目标是 (150,)，两者之差会被**广播**成 (150, 150)，不报任何错，而损失就成了一个毫无意义的数。
#
# ## 损失函数
#
# 损失是模型、数据和目标的函数。`tf.reduce_mean` 对所有元素求平均；名字里的 reduce 表示把一个张量**归约**成一个数。常用的部件 TensorFlow 都已备好（没见过的名字，第 4、5 课会讲）：
#
# | 在哪里 | 例如 | 作用 |
# | --- | --- | --- |
# | `tf.math` | `squared_difference`、`log`、`reduce_mean` | 逐元素的运算，或归约 |
# | `tf.nn` | `sigmoid`、`relu`、`softmax`、`softmax_cross_entropy_with_logits` | 组成网络的部件；损失按行给出 |
# | `keras.losses` | `MeanSquaredError`、`CategoricalCrossentropy` | 是对象，还会对各行求平均 |


# %%
def mse(network, features, targets):
    squares = tf.math.squared_difference(network(features), targets)
    return tf.reduce_mean(squares)


print(f"{mse(network, features, targets).numpy():.4f}")
keras_mse = keras.losses.MeanSquaredError()(targets, network(features))
print(f"{keras_mse.numpy():.4f}, Keras's")

# %% [markdown] lang="en"
# ## The tape
#
# Every computation is a *computation graph*: operations joined by the tensors that pass between them. Here is the one of our loss, the same stations as in lesson 1:
#
# ![The computation graph of the loss: rows and Variables go into products and sigmoids, then into the loss; the tape walks the same graph backward](../figures/computation-graph.svg)
#
# For each kind of operation TensorFlow knows the derivative. While a `tf.GradientTape` is open it notes each operation on a Variable; asked for the gradient, it walks the notes backward and multiplies, by the chain rule. This is *automatic differentiation*. The result is as exact as the formula by hand, unlike that of the numerical trick, and nobody has to derive anything.

# %% [markdown] lang="zh"
# ## 磁带
#
# 任何计算都是一张**计算图**：运算是节点，张量在节点之间传递。下面是我们这个损失函数的计算图，其中的各站与第 1 课完全相同：
#
# ![损失的计算图：数据和变量进入乘法与 sigmoid，最后进入损失；磁带沿同一张图往回走](../figures/computation-graph.zh.svg)
#
# TensorFlow 知道每种运算的导数。`tf.GradientTape`（梯度带）打开期间，会记下作用在变量上的每个运算；求梯度时，它沿着记录倒着走一遍，按链式法则把导数乘起来。这就是**自动微分**。结果与手推公式一样精确，不像数值梯度只是近似，而且谁也不必动手推导。

# %%
with tf.GradientTape() as tape:
    loss = mse(network, features, targets)
gradients = tape.gradient(loss, network.trainable_variables)
# the second one, of output_kernel
print("by the tape", [f"{g:.6f}" for g in gradients[1].numpy()[:, 0]])

# %% [markdown] lang="en"
# Compare with the formulas of lesson 1. There the error was a sum over the rows, here it is a mean, so we divide by 150. (`reference.NeuralNetwork` is the class of lesson 1; its gradients have names.)

# %% [markdown] lang="zh"
# 与第 1 课的公式比一比。那里的误差是对各行求和，这里是求平均，所以要除以 150。（`reference.NeuralNetwork` 就是第 1 课的那个类，只是它的各个梯度有名字。）

# %%
from kerasnn import reference

by_hand = reference.NeuralNetwork().backward(x, y)
of_one_row = by_hand.output_kernel[:, 0] / 150
print("by hand    ", [f"{g:.6f}" for g in of_one_row])

# %% tags=["test"]
import numpy as np

for ours, theirs in zip(gradients, by_hand, strict=True):
    np.testing.assert_allclose(ours, theirs / 150, rtol=1e-4)
assert abs(float(loss) - 1.2723) < 1e-4

# %% [markdown] lang="en"
# ## Training by hand
#
# Record, ask for the gradients, subtract (`assign_sub` subtracts from a Variable in place). A round over all rows, as in lesson 1, is called an *epoch*. The learning rate 0.1 looks a hundred times larger than in lesson 1, but a mean of 150 rows is 150 times smaller than their sum: 0.1 here is 0.00067 there.

# %% [markdown] lang="zh"
# ## 手工训练
#
# 记录，求梯度，减去（`assign_sub` 在变量上就地做减法）。像第 1 课那样把所有行过一遍，叫做一个 **epoch**。学习率 0.1 看上去是第 1 课的一百倍，但 150 行的平均只有总和的 150 分之一：这里的 0.1 相当于那里的 0.00067。

# %%
losses = []
for epoch in range(200):
    with tf.GradientTape() as tape:
        loss = mse(network, features, targets)
    variables = [network.hidden_kernel, network.output_kernel]
    gradients = tape.gradient(loss, variables)
    for variable, gradient in zip(variables, gradients, strict=True):
        variable.assign_sub(0.1 * gradient)
    losses.append(float(loss))
    if epoch == 0 or (epoch + 1) % 100 == 0:
        print(f"Epoch [{epoch + 1}/200], Loss: [{losses[-1]:.4f}]")

# %% tags=["test"]
assert np.round([losses[0], losses[99], losses[199]], 4).tolist() == [
    1.2723,
    0.9051,
    0.8889,
]

# %% [markdown] lang="en"
# ## With an optimizer
#
# An *optimizer* is the object that turns gradients into updates. `SGD` (*stochastic gradient descent*; lesson 8 explains the first word) subtracts, as we did by hand; [lesson 6](06-adam.md) shows a cleverer one. `apply_gradients` takes pairs of gradient and Variable.

# %% [markdown] lang="zh"
# ## 使用优化器
#
# **优化器**负责根据梯度更新变量。`SGD`（stochastic gradient descent，随机梯度下降；“随机”二字见第 8 课）就是我们手工做的减法；[第 6 课](06-adam.md)会介绍一个更聪明的。`apply_gradients` 接受由梯度和变量组成的一个个配对。

# %%
network = SigmoidNetwork()
optimizer = keras.optimizers.SGD(learning_rate=0.1)
variables = list(network.trainable_variables)
losses = []
for epoch in range(200):
    with tf.GradientTape() as tape:
        loss = mse(network, features, targets)
    gradients = tape.gradient(loss, variables)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    losses.append(float(loss))
    if epoch == 0 or (epoch + 1) % 100 == 0:
        print(f"Epoch [{epoch + 1}/200], Loss: [{losses[-1]:.4f}]")

plt.plot(losses)
plt.title(f"TensorFlow, SGD: the loss of epoch 200 is {losses[-1]:.4f}")
plt.xlabel("epoch")
plt.ylabel("mean squared error")
plt.show()

# %% tags=["test"]
from kerasnn import models
from kerasnn.training import make_optimizer, train_step

assert np.round([losses[0], losses[99], losses[199]], 4).tolist() == [
    1.2723,
    0.9051,
    0.8889,
]
ours, theirs = SigmoidNetwork(), models.SigmoidNetwork()
sgd = make_optimizer("sgd", learning_rate=0.1)
sgd.build(theirs.trainable_variables)
np.testing.assert_array_equal(ours(x), theirs(x))
for _ in range(5):
    train_step(theirs, features, targets, sgd)
    with tf.GradientTape() as tape:
        loss = mse(ours, features, targets)
    grads = tape.gradient(loss, ours.trainable_variables)
    for variable, gradient in zip(
        ours.trainable_variables, grads, strict=True
    ):
        variable.assign_sub(0.1 * gradient)
np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-6)

# %% [markdown] lang="en"
# ## All of it, once more
#
# Without the talk, the whole program is this short:

# %% [markdown] lang="zh"
# ## 完整程序
#
# 去掉解说，整个程序就这么短：

# %%
x, y = datasets.iris_perceptron()
features, targets = tf.constant(x, tf.float32), tf.constant(y, tf.float32)
network = SigmoidNetwork()
optimizer = keras.optimizers.SGD(learning_rate=0.1)
for _ in range(200):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((network(features) - targets) ** 2)
    variables = network.trainable_variables
    gradients = tape.gradient(loss, variables)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
print(f"{loss.numpy():.4f}")

# %% tags=["test"]
assert round(float(loss), 4) == 0.8889

# %% [markdown] lang="en"
# ## The two compared
#
# | step | NumPy | TensorFlow |
# | --- | --- | --- |
# | 1 | data: arrays | data: float32 tensors |
# | 2 | forward pass | model: Variables, and a call that is the forward pass |
# | 3 | derive the gradients on paper | loss: one function |
# | 4 | backward pass: program what you derived | |
# | 5 | update: subtract | optimizer: apply the tape's gradients |
# | 6 | repeat | repeat |
#
# What the framework takes away is the derivation. It does not take away the choice of model, loss and learning rate, nor the question whether 0.8889 is any good.
#
# ## Exercises
#
# **1.** Add a *bias* to both layers, a number for each unit that is added to its sum: $\sigma(XW + b)$. What else must you change?

# %% [markdown] lang="zh"
# ## 两者对照
#
# | 步骤 | NumPy | TensorFlow |
# | --- | --- | --- |
# | 1 | 数据：数组 | 数据：float32 张量 |
# | 2 | 前向传播 | 模型：变量，调用即前向传播 |
# | 3 | 在纸上推导梯度 | 损失：一个函数 |
# | 4 | 反向传播：把推导写成程序 | |
# | 5 | 更新：做减法 | 优化器：用磁带给出的梯度更新 |
# | 6 | 重复 | 重复 |
#
# 框架替我们省去的是推导。模型、损失和学习率的选择，以及 0.8889 到底好不好这个问题，它都省不掉。
#
# ## 练习
#
# **1.** 给两层都加上**偏置**，即每个单元各有一个数，加到它的加权和上：$\sigma(XW + b)$。还有哪些地方要改？


# %% tags=["solution"]
class WithBiases(SigmoidNetwork):
    def __init__(self):
        super().__init__()
        self.hidden_bias = tf.Variable(tf.zeros([3]))
        self.output_bias = tf.Variable(tf.zeros([1]))

    def __call__(self, x):
        hidden = tf.sigmoid(x @ self.hidden_kernel + self.hidden_bias)
        return tf.sigmoid(hidden @ self.output_kernel + self.output_bias)


network = WithBiases()
with tf.GradientTape() as tape:
    loss = mse(network, features, targets)
gradients = tape.gradient(loss, network.trainable_variables)
print([tuple(gradient.shape) for gradient in gradients])

# %% [markdown] lang="en" tags=["solution"]
# Nothing else: the module finds the new Variables (in the order of their names), the tape their gradients. In NumPy you would derive two more formulas.

# %% [markdown] lang="zh" tags=["solution"]
# 其他都不用改：模块会找到新变量（按名字排序），磁带会求出它们的梯度。用 NumPy 则要再推导两个公式。

# %% tags=["test"]
assert len(network.trainable_variables) == 4

# %% [markdown] lang="en"
# **2.** Give `mse` targets of shape (150,). What is the loss, and which check would have caught it?

# %% [markdown] lang="zh"
# **2.** 把形状为 (150,) 的目标交给 `mse`。损失是多少？什么样的检查能发现这个错误？

# %% tags=["solution"]
network = SigmoidNetwork()
flat = tf.squeeze(targets)  # (150, 1) becomes (150,)
print(f"loss {mse(network, features, flat).numpy():.4f}")
print("differences", (network(features) - flat).shape)

# %% [markdown] lang="en" tags=["solution"]
# Each output is compared with each target: 22,500 differences. Here the loss even looks the same, since the untrained outputs are almost equal; it is nonsense all the same. `assert outputs.shape == targets.shape` catches it. The losses of kerasnn check it each time they are called.

# %% [markdown] lang="zh" tags=["solution"]
# 每个输出都与每个目标相减：共 22,500 个差。由于未训练的各个输出几乎相等，损失看上去甚至没有变，但它毫无意义。`assert outputs.shape == targets.shape` 就能发现。kerasnn 的损失函数每次调用都会检查。

# %% tags=["test"]
assert (network(features) - flat).shape == (150, 150)

# %% [markdown] lang="en"
# ## Summary
#
# - Tensors hold values, Variables hold weights; types are never converted silently.
# - A model is a class with Variables whose call is the forward pass; a loss is a function of model, rows and targets.
# - The tape notes operations and gives exact gradients; the optimizer applies them.
#
# In the package: `kerasnn/models/sigmoid.py` is this network, `kerasnn/training/steps.py` this step. The program in one file: `scripts/train_iris.py`. TensorFlow's own guides: [automatic differentiation](https://www.tensorflow.org/guide/autodiff), [Variables](https://www.tensorflow.org/guide/variable).

# %% [markdown] lang="zh"
# ## 小结
#
# - 张量保存数值，变量保存权重；类型从不悄悄转换。
# - 模型是带变量的类，调用它就是前向传播；损失是模型、数据和目标的函数。
# - 磁带记录运算，给出精确的梯度；优化器用梯度更新变量。
#
# 在本软件包中：`kerasnn/models/sigmoid.py` 是这个网络，`kerasnn/training/steps.py` 是这个训练步。单文件程序：`scripts/train_iris.py`。TensorFlow 官方指南：[自动微分](https://www.tensorflow.org/guide/autodiff)、[变量](https://www.tensorflow.org/guide/variable)。
