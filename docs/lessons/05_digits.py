"""Lesson 5: handwritten digits, all rows at once."""

# %% [markdown] lang="en"
# # Handwritten digits
#
# Now everything comes together: real pictures, ten classes, hidden units of a better kind, biases, and rows that the network never learned from. The pieces are those of the lessons before; only Adam, the optimizer, is taken on trust until [lesson 6](06-adam.md).

# %% [markdown] lang="zh"
# # 手写数字
#
# 现在把前面的东西都用上：真实的图片，十个类别，更好的隐藏单元，偏置，还有网络从未学过的数据。各个部件都来自前几课；只有优化器 Adam 先拿来用，到[第 6 课](06-adam.md)再解释。

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

pixels, labels = load_digits(return_X_y=True)
print("pixels", pixels.shape, "from", pixels.min(), "to", pixels.max())
print("labels", labels.shape, labels[:10])

figure, axes = plt.subplots(2, 10, figsize=(6, 1.6))
for ax, image, label in zip(axes.flat, pixels, labels, strict=False):
    ax.imshow(image.reshape(8, 8))
    ax.set_title(label, fontsize=8)
    ax.axis("off")
figure.suptitle("Digits of 8 x 8 pixels, and their labels", fontsize=10)
plt.show()

# %% [markdown] lang="en"
# There are 1,797 pictures. Each is a row of 64 numbers, the darkness of its pixels.
#
# ## Rows to learn from, rows to test
#
# A network can learn its rows by heart. Whether it can read digits, only rows that it never saw can tell. So a fifth is put aside before anything else happens: scikit-learn's `train_test_split` shuffles the rows (`random_state` fixes how) and splits them 80 to 20. The labels become one-hot rows, as in [lesson 4](04-softmax.md).

# %% [markdown] lang="zh"
# 一共有 1,797 张图片。每张是一行 64 个数，即各像素的深浅。
#
# ## 训练集与测试集
#
# 网络可以把数据背下来。它到底会不会认数字，只有它没见过的数据才能说明。所以在做任何事之前，先留出五分之一：scikit-learn 的 `train_test_split` 把行打乱（`random_state` 固定打乱的方式），再按 80 比 20 划分。标签转换成独热向量，见[第 4 课](04-softmax.md)。

# %%
one_hot = np.eye(10)[labels]
x_train, x_test, y_train, y_test = (
    tf.constant(part, tf.float32)
    for part in train_test_split(
        pixels, one_hot, test_size=0.2, random_state=1
    )
)
print("train", x_train.shape, y_train.shape)
print("test ", x_test.shape, y_test.shape)

# %% tags=["test"]
from kerasnn import datasets

(ours, _), (_, theirs) = datasets.digits(scaled=False, one_hot=True)
np.testing.assert_array_equal(ours, x_train)
np.testing.assert_array_equal(theirs, y_test)

# %% [markdown] lang="en"
# ## The network
#
# ![64 pixels, 30 hidden units with ReLU, 10 logits; every unit is joined to every unit of the next layer](../figures/network-64-30-10.svg)
#
# For $N$ rows the shapes go from $(N, 64)$ through $(N, 30)$ to $(N, 10)$:
#
# $$H = \mathrm{ReLU}(X\,W_1 + b_1) \qquad Z = H\,W_2 + b_2$$
#
# - **ReLU** (*rectified linear unit*) is $\max(0, z)$. It is cheap, and for positive $z$ its derivative is 1, however large $z$ is: it does not saturate there, as the sigmoid does.
# - **Biases** are added to each row: $b_1$ has 30 numbers, $b_2$ has 10.
# - The outputs are **logits**; softmax is part of the loss.
# - Weights and biases are drawn from a normal distribution, so that no two units begin alike; the *seed* makes the draw repeatable.
# - The model **casts** its rows itself: whoever calls it may pass float64 from NumPy.

# %% [markdown] lang="zh"
# ## 网络
#
# ![64 个像素、30 个 ReLU 隐藏单元、10 个 logits；每个单元都与下一层的每个单元相连](../figures/network-64-30-10.zh.svg)
#
# 对 $N$ 行数据，形状从 $(N, 64)$ 变为 $(N, 30)$，再变为 $(N, 10)$：
#
# $$H = \mathrm{ReLU}(X\,W_1 + b_1) \qquad Z = H\,W_2 + b_2$$
#
# - **ReLU**（rectified linear unit，修正线性单元）就是 $\max(0, z)$。它计算量小，而且 $z$ 为正时导数恒为 1，无论 $z$ 多大，都不会像 sigmoid 那样饱和。
# - **偏置**加到每一行上：$b_1$ 有 30 个数，$b_2$ 有 10 个。
# - 输出是 **logits**；softmax 放在损失函数里。
# - 权重和偏置从正态分布中随机抽取，这样任何两个单元的起点都不相同；**随机种子**（seed）让抽取的结果可以重现。
# - 模型自己**转换类型**：调用者可以直接传入 NumPy 的 float64。


# %%
class DigitsNetwork(tf.Module):
    def __init__(self, seed):
        rng = np.random.default_rng(seed)

        def normal(*shape):
            return tf.Variable(rng.normal(size=shape), dtype=tf.float32)

        self.hidden_kernel, self.hidden_bias = normal(64, 30), normal(30)
        self.output_kernel, self.output_bias = normal(30, 10), normal(10)

    def __call__(self, x):
        x = tf.cast(x, tf.float32)
        hidden = tf.nn.relu(x @ self.hidden_kernel + self.hidden_bias)
        return hidden @ self.output_kernel + self.output_bias


def cross_entropy(network, x, y):
    losses = tf.nn.softmax_cross_entropy_with_logits(y, network(x))
    return tf.reduce_mean(losses)


network = DigitsNetwork(seed=3)
print("logits", network(x_train).shape)
print("weights", sum(v.shape.num_elements() for v in network.variables))
print(f"loss {cross_entropy(network, x_train, y_train):.1f}")

# %% tags=["test"]
from kerasnn import models

ours = models.DigitsNetwork()
for layer, kernel, bias in zip(
    ours.layers,
    (network.hidden_kernel, network.output_kernel),
    (network.hidden_bias, network.output_bias),
    strict=True,
):
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
np.testing.assert_array_equal(ours(x_test), network(x_test))
np.testing.assert_allclose(
    tf.reduce_mean(ours.head.loss(y_train, ours(x_train))),
    cross_entropy(network, x_train, y_train),
    rtol=1e-6,
)

# %% [markdown] lang="en"
# A loss of hundreds, where guessing costs 2.30? Weights near 1 and pixels up to 16 make logits of hundreds. The network is as wrong as it is sure of itself.
#
# ## 200 epochs
#
# An *epoch* is once through all rows. Here each epoch is a single update, computed from all 1,437 rows: this is called *full batch*. The step is marked `@tf.function`, which compiles it; [lesson 9](09-compile.md) explains that, and without the mark you get the same numbers, slower. `optimizer.build` lets Adam make its own Variables before that.

# %% [markdown] lang="zh"
# 瞎猜只损失 2.30，这里怎么会有几百？权重约为 1、像素最大 16，logits 就会达到几百。网络错得离谱，却又十分自信。
#
# ## 200 个 epoch
#
# 一个 **epoch** 是把所有数据过一遍。这里每个 epoch 只做一次更新，由全部 1,437 行算出：这叫**全批量**（full batch）。训练步带有 `@tf.function` 标记，会被编译，[第 9 课](09-compile.md)再作解释。去掉这个标记，数值相同，只是慢一些。`optimizer.build` 让 Adam 在编译之前先建好它自己的变量。


# %%
def make_step(network, optimizer):
    variables = list(network.trainable_variables)
    optimizer.build(variables)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = cross_entropy(network, x, y)
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    return step


step = make_step(network, keras.optimizers.Adam(learning_rate=0.02))
losses = []
for epoch in range(200):
    losses.append(float(step(x_train, y_train)))
    if epoch == 0 or (epoch + 1) % 50 == 0:
        print(f"Epoch [{epoch + 1}/200], Loss: [{losses[-1]:.4f}]")

plt.plot(losses)
plt.yscale("log")
plt.title(f"From {losses[0]:.0f} to {losses[-1]:.2f} in 200 epochs")
plt.xlabel("epoch")
plt.ylabel("cross-entropy")
plt.show()

# %% tags=["test"]
assert 300 < losses[0] < 400
assert losses[-1] < 4

# %% [markdown] lang="en"
# ## Accuracy
#
# The loss is what training needs; what people ask is how often the network is right. Its answer is the class with the largest logit, `argmax`. Compare that with the position of the one in the label, and take the mean of the matches. We train once more from the same start, for 500 epochs, and watch the test rows on the way. (Watching is fine; choosing by them is not, says [lesson 10](10-overfitting.md).)

# %% [markdown] lang="zh"
# ## 准确率
#
# 损失是训练需要的；人们关心的却是网络答对的比例。它的回答是 logit 最大的那一类，即 `argmax`。把它与标签中 1 的位置比较，再对“是否相符”求平均。我们从同样的起点再训练 500 个 epoch，途中看看测试集。（看可以，据此做选择不行，见[第 10 课](10-overfitting.md)。）


# %%
def accuracy(network, x, y):
    predicted = tf.argmax(network(x), axis=1)
    hits = tf.equal(predicted, tf.argmax(y, axis=1))
    return float(tf.reduce_mean(tf.cast(hits, tf.float32)))


network = DigitsNetwork(seed=3)
step = make_step(network, keras.optimizers.Adam(learning_rate=0.02))
accuracies = []
for epoch in range(500):
    loss = step(x_train, y_train)
    accuracies.append(accuracy(network, x_test, y_test))
    if epoch == 0 or (epoch + 1) % 100 == 0:
        shown = f"Accuracy: [{accuracies[-1]:.2f}], Loss: [{loss:.4f}]"
        print(f"Epoch [{epoch + 1}/500], {shown}")

plt.plot(accuracies)
plt.title(f"Test accuracy: {accuracies[-1]:.3f} after 500 epochs")
plt.xlabel("epoch")
plt.ylabel("accuracy")
plt.show()

# %% tags=["test"]
assert accuracies[0] < 0.2
assert 0.88 < accuracies[-1] < 0.93
hits = ours.head.metrics["accuracy"](y_test, network(x_test))
assert abs(accuracies[-1] - float(tf.reduce_mean(hits))) < 1e-6

# %% [markdown] lang="en"
# From guessing (one in ten) to nine in ten. How much of that is luck? Over 100 seeds the mean is 0.899, with a standard deviation of 0.03. A single run that is 0.02 better than another proves nothing.
#
# ## What does it get wrong?
#
# Look at the errors before you change anything: a number cannot show what pictures show.

# %% [markdown] lang="zh"
# 从瞎猜（十个对一个）到十个对九个。其中有多少是运气？100 个随机种子的平均是 0.899，标准差 0.03。某一次比另一次好 0.02，什么也说明不了。
#
# ## 它错在哪里？
#
# 动手改之前先看错误：图片能告诉你的，一个数值告诉不了你。

# %%
predicted = tf.argmax(network(x_test), axis=1).numpy()
truth = tf.argmax(y_test, axis=1).numpy()
wrong = np.flatnonzero(predicted != truth)
figure, axes = plt.subplots(2, 8, figsize=(6, 2))
for ax, row in zip(axes.flat, wrong, strict=False):
    ax.imshow(x_test[row].numpy().reshape(8, 8))
    ax.set_title(f"{truth[row]} read as {predicted[row]}", fontsize=8)
    ax.axis("off")
figure.suptitle("Test digits that the network gets wrong", fontsize=10)
plt.show()

# %% [markdown] lang="en"
# ## Exercises
#
# **1.** Divide the pixels by 16. What happens to the first loss, and why?

# %% [markdown] lang="zh"
# ## 练习
#
# **1.** 把像素除以 16。最初的损失有什么变化？为什么？

# %% tags=["solution"]
network = DigitsNetwork(seed=3)
for scale in (1, 16):
    loss = cross_entropy(network, x_train / scale, y_train)
    print(f"pixels / {scale:<2}: first loss {loss:.1f}")

# %% [markdown] lang="en" tags=["solution"]
# The logits are 16 times smaller, and the loss with them. It is still far above 2.30: weights of size 1 are too large for 64 inputs. `kerasnn train digits` also draws smaller weights (Glorot's rule: the more lines, the smaller), and starts at about 2.3.

# %% [markdown] lang="zh" tags=["solution"]
# logits 缩小到约 1/16，损失也随之变小。它仍远高于 2.30：对 64 个输入来说，大小为 1 的权重太大了。`kerasnn train digits` 还会取更小的初始权重（Glorot 规则：连线越多，权重越小），起点约为 2.3。

# %% tags=["test"]
assert 10 < float(loss) < 40

# %% [markdown] lang="en"
# **2.** What accuracy has a network without a hidden layer? Count its weights, too.

# %% [markdown] lang="zh"
# **2.** 没有隐藏层的网络准确率是多少？也数一数它的权重。


# %% tags=["solution"]
class Linear(tf.Module):
    def __init__(self):
        self.kernel = tf.Variable(tf.zeros([64, 10]))
        self.bias = tf.Variable(tf.zeros([10]))

    def __call__(self, x):
        return x @ self.kernel + self.bias


linear = Linear()
step = make_step(linear, keras.optimizers.Adam(learning_rate=0.02))
for _ in range(200):
    step(x_train, y_train)
print(f"accuracy {accuracy(linear, x_test, y_test):.3f}")
print("weights", 64 * 10 + 10)

# %% [markdown] lang="en" tags=["solution"]
# It beats our network, with less than a third of the weights. (Zeros are a fine start here: without a hidden layer no two units are alike, since each has its own class.) So the hidden layer is not what made us good; scaling, smaller weights and mini-batches will. Always try the simple model.

# %% [markdown] lang="zh" tags=["solution"]
# 它胜过我们的网络，权重却不到后者的三分之一。（这里从 0 开始没有问题：没有隐藏层，每个单元对应自己的类别，彼此并不相同。）可见目前的成绩并不靠隐藏层；缩放、更小的权重和小批量才会带来提高。任何时候都要先试试简单的模型。

# %% tags=["test"]
assert accuracy(linear, x_test, y_test) > 0.94

# %% [markdown] lang="en"
# ## Summary
#
# - Put test rows aside first; learn from the rest.
# - 64-30-10: ReLU inside, logits at the end, softmax and cross-entropy in the loss.
# - Accuracy: argmax, equal, mean. Look at the errors, and at more than one seed.
#
# In the package: `kerasnn/models/digits.py` is this network. The program in one file: `scripts/train_digits.py`. The digits: [UCI](https://archive.ics.uci.edu/dataset/80), packaged with scikit-learn.

# %% [markdown] lang="zh"
# ## 小结
#
# - 先留出测试集，再用其余的数据学习。
# - 64-30-10：内部用 ReLU，末端是 logits，softmax 与交叉熵放在损失函数里。
# - 准确率：argmax，比较，求平均。要看错在哪里，也要多试几个随机种子。
#
# 在本软件包中：`kerasnn/models/digits.py` 就是这个网络。单文件程序：`scripts/train_digits.py`。手写数字数据集：[UCI](https://archive.ics.uci.edu/dataset/80)，随 scikit-learn 提供。
