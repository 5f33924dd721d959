"""Lesson 4: one-hot labels, softmax and cross-entropy."""

# %% [markdown] lang="en"
# # One-hot, softmax, cross-entropy
#
# So far a flower was one of two kinds. What if there are three kinds, or ten digits? Then a network needs one output for each class, a way to read the outputs as probabilities, and a loss for probabilities. These three pieces are in nearly every classifier.

# %% [markdown] lang="zh"
# # 独热编码、softmax 与交叉熵
#
# 到目前为止，花只分两类。如果有三类，或者十个数字呢？这时网络要为每一类准备一个输出，要有办法把输出解释为概率，还要有针对概率的损失函数。几乎每个分类器都有这三样东西。

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf

# %% [markdown] lang="en"
# ## One-hot labels
#
# The label of a digit is a number, but not a quantity: 9 is not more than 0, and a mistake between 3 and 4 is not smaller than one between 3 and 8. A network that must output the number 9 would have to pass through 8 on its way from 7. So each class gets a place of its own: a row of zeros with a single one. Such a row is called *one-hot*.

# %% [markdown] lang="zh"
# ## 独热编码
#
# 数字图片的标签虽然是一个数，却不表示大小：9 并不比 0“多”，把 3 错认成 4，也不比错认成 8 错得轻。如果要求网络输出数值 9，它从 7 变到 9 就必须经过 8。所以每一类都有自己的位置：一行中只有一个 1，其余全是 0。这样的一行叫**独热向量**（one-hot）。

# %%
table = pd.DataFrame(np.eye(10, dtype=int))
table.index.name = "label"
print(table)

# %% [markdown] lang="en"
# The table is the identity matrix: row 3 is the code of label 3. That gives a trick. Index the matrix by the labels, and NumPy picks a row for each. `argmax`, the position of the largest number, leads back:

# %% [markdown] lang="zh"
# 这张表就是单位矩阵：第 3 行就是标签 3 的编码。于是有一个小技巧：用标签去索引这个矩阵，NumPy 就为每个标签取出一行。`argmax` 给出最大的数所在的位置，用它又能变回标签：

# %%
labels = np.array([3, 0, 9])
one_hot = np.eye(10)[labels]
print(one_hot.astype(int))
print("and back:", one_hot.argmax(axis=1))

# %% tags=["test"]
from kerasnn import reference

np.testing.assert_array_equal(one_hot, reference.one_hot(labels, 10))
np.testing.assert_array_equal(one_hot, tf.one_hot(labels, 10))

# %% [markdown] lang="en"
# ## Softmax
#
# Imagine a network that has looked at an iris and gives three outputs, one for each species: -1.3 for *setosa*, 2.6 for *versicolor*, -0.9 for *virginica*. They are any numbers, called *logits*. We want probabilities: none below 0, the sum 1, and the order kept. Exponentiate, which makes all positive; then divide by the sum:
#
# $$\mathrm{softmax}(z)_k = \frac{e^{z_k}}{\sum_j \; e^{z_j}}$$

# %% [markdown] lang="zh"
# ## Softmax
#
# 设想一个网络看了一朵鸢尾花，给出三个输出，每个品种一个：*setosa* 为 -1.3，*versicolor* 为 2.6，*virginica* 为 -0.9。它们可以是任意的数，称为 **logits**。我们要的是概率：都不小于 0，总和为 1，并保持大小次序。先取指数，使它们都变成正数；再除以总和：
#
# $$\mathrm{softmax}(z)_k = \frac{e^{z_k}}{\sum_j \; e^{z_j}}$$


# %%
def softmax(logits):  # axis -1: along each row
    exponentials = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


logits = np.array([-1.3, 2.6, -0.9])
probabilities = softmax(logits)
print(probabilities.round(2))

species = ["setosa", "versicolor", "virginica"]
figure, axes = plt.subplots(1, 2, figsize=(6, 2.6))
axes[0].bar(species, logits)
axes[0].set_title("logits")
axes[1].bar(species, probabilities, color="C1")
axes[1].set_title("probabilities")
for ax in axes:
    ax.axhline(0, linewidth=0.8, color="gray")
    ax.tick_params(axis="x", labelsize=8)
plt.show()

# %% tags=["test"]
assert probabilities.round(2).tolist() == [0.02, 0.95, 0.03]
np.testing.assert_allclose(probabilities, reference.softmax(logits))
np.testing.assert_allclose(probabilities, tf.nn.softmax(logits))

# %% [markdown] lang="en"
# The network says: 95 % versicolor. The program subtracts the largest logit first. The quotient does not change, since $e^{-m}$ cancels out, but no exponential can overflow.
#
# ## Cross-entropy
#
# How wrong is a probability? Look only at the one given to the class that is true, $p$. If $p = 1$ there is nothing to learn, and the loss should be 0. The nearer $p$ comes to 0, the worse; and to call the truth impossible should be unforgivable. The *surprise* $-\log p$ (the natural logarithm) does just that:

# %% [markdown] lang="zh"
# 网络说：95% 是 versicolor。程序先减去最大的 logit：商不变，因为 $e^{-m}$ 会约掉，但指数运算不会再溢出。
#
# ## 交叉熵
#
# 一个概率错了多少，怎样衡量？只看给真实类别的那个概率 $p$。如果 $p = 1$，就没有什么可学的了，损失应为 0。$p$ 越接近 0 越糟；断言真实类别绝不可能，则不可原谅。**惊异程度**（surprise）$-\log p$（自然对数）恰好符合这些要求：

# %%
p = np.linspace(0.01, 1, 200)
plt.plot(p, -np.log(p))
plt.plot(probabilities, -np.log(probabilities), "o")
for name, q in zip(species, probabilities, strict=True):
    shift = {"setosa": 0.05, "virginica": -0.25}.get(name, 0.25)
    place = (min(q + 0.03, 0.8), -np.log(q) + shift)
    plt.annotate(f"if {name} is true", place, fontsize=9)
plt.title("Surprise: -log p, p the probability of the true class")
plt.xlabel("p")
plt.ylabel("loss")
plt.show()

# %% [markdown] lang="en"
# Let $p_{nk}$ be the probability of class $k$ in row $n$, and $t_{nk}$ the one-hot label: 1 for the true class, else 0. Then the choice of the true class is a sum in which all terms but one are 0, and the mean over the $N$ rows is the *cross-entropy*:
#
# $$L = -\frac{1}{N} \; \sum_{n=1}^{N} \; \sum_k \; t_{nk} \log p_{nk}$$
#
# A network that knows nothing gives each of ten equally frequent classes 1/10, and has $\log 10 = 2.30$: the best constant, as in [lesson 3](03-eight-ninths.md).
#
# ## Both in one function
#
# Softmax and cross-entropy belong together, and not only because they come one after the other. Separately they break: when a logit is 200 below another, its probability is 0 in float32, and $\log 0$ is $-\infty$. Together, with $c$ for the true class, the logarithm of the exponential cancels:
#
# $$-\log p_c = \log \; \sum_j \; e^{z_j} - z_c$$

# %% [markdown] lang="zh"
# 设 $p_{nk}$ 是第 $n$ 行第 $k$ 类的概率，$t_{nk}$ 是独热标签：真实类别为 1，其余为 0。于是“只取真实类别”就可以写成一个求和，其中只有一项不为 0；再对 $N$ 行求平均，就是**交叉熵**：
#
# $$L = -\frac{1}{N} \; \sum_{n=1}^{N} \; \sum_k \; t_{nk} \log p_{nk}$$
#
# 一无所知的网络给十个同样常见的类别各 1/10 的概率，交叉熵为 $\log 10 = 2.30$：这就是最好的常数答案，与[第 3 课](03-eight-ninths.md)一样。
#
# ## 合成一个函数
#
# softmax 和交叉熵应当合在一起计算，不只是因为它们前后相接。分开计算会出问题：当一个 logit 比另一个小 200 时，它的概率在 float32 中是 0，而 $\log 0$ 是 $-\infty$。合在一起，用 $c$ 表示真实类别，对数与指数就抵消了：
#
# $$-\log p_c = \log \; \sum_j \; e^{z_j} - z_c$$

# %%
extreme = tf.constant([[0.0, 200.0]])
truth = tf.constant([[1.0, 0.0]])
apart = -tf.reduce_sum(truth * tf.math.log(tf.nn.softmax(extreme)))
together = tf.nn.softmax_cross_entropy_with_logits(truth, extreme)
print(f"apart {apart:.1f}, together {together[0]:.1f}")

# %% [markdown] lang="en"
# That is why networks end in logits, without a softmax layer, and the loss function of TensorFlow is called `..._with_logits`. It gives one value for each row; `tf.reduce_mean` makes one number of them. With integer labels instead of one-hot rows, the same is `sparse_softmax_cross_entropy_with_logits`.
#
# The two together have the simplest gradient of all: probability minus truth. In the formula above, the derivative of the first term with respect to $z_k$ is the softmax $p_k$; that of $z_c$ is 1 if $k$ is the true class, else 0. For one row:
#
# $$\frac{\partial L}{\partial z_k} = p_k - t_k$$

# %% [markdown] lang="zh"
# 所以网络以 logits 结尾，不带 softmax 层；TensorFlow 的损失函数也因此叫做 `..._with_logits`。它对每一行给出一个值，再用 `tf.reduce_mean` 变成一个数。如果标签是整数而不是独热向量，对应的函数是 `sparse_softmax_cross_entropy_with_logits`。
#
# 两者合在一起，梯度再简单不过：预测概率减去真实标签。上式第一项对 $z_k$ 的导数正是 softmax，即 $p_k$；$z_c$ 的导数在 $k$ 是真实类别时为 1，否则为 0。对一行来说：
#
# $$\frac{\partial L}{\partial z_k} = p_k - t_k$$

# %%
z = tf.Variable([logits])
truth = tf.constant([[0.0, 1.0, 0.0]], tf.float64)
with tf.GradientTape() as tape:
    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(truth, z))
print("loss    ", f"{loss:.4f}")
print("gradient", tape.gradient(loss, z).numpy().round(4)[0])
print("p - t   ", (probabilities - truth.numpy()).round(4)[0])

# %% tags=["test"]
assert np.isinf(apart)
assert abs(together[0] - 200) < 1e-3
np.testing.assert_allclose(
    loss, reference.cross_entropy([[0, 1, 0]], [logits])
)
np.testing.assert_allclose(loss, -np.log(probabilities[1]))

# %% [markdown] lang="en"
# ## Exercises
#
# **1.** Add 100 to all three logits. What do the probabilities do? What follows for the ten outputs of a digit network?

# %% [markdown] lang="zh"
# ## 练习
#
# **1.** 给三个 logit 都加上 100。概率会怎样？由此对识别数字的网络，能得出关于它十个输出的什么结论？

# %% tags=["solution"]
print(softmax(logits + 100).round(2))

# %% [markdown] lang="en" tags=["solution"]
# Nothing changes: only differences between logits count. So nine outputs would be enough; the tenth could be fixed at 0. With two classes that leaves a single output, and softmax becomes the sigmoid.

# %% [markdown] lang="zh" tags=["solution"]
# 毫无变化：起作用的只是 logits 之间的差。所以九个输出就够了，第十个可以固定为 0。两个类别时只剩一个输出，softmax 就变成了 sigmoid。

# %% tags=["test"]
np.testing.assert_allclose(softmax(logits + 100), probabilities)
np.testing.assert_allclose(
    softmax(np.array([1.3, 0.0]))[0], reference.sigmoid(1.3)
)

# %% [markdown] lang="en"
# **2.** Divide the logits by a *temperature* of 0.5, 1 and 5 before the softmax. Which is the most cautious?

# %% [markdown] lang="zh"
# **2.** 在 softmax 之前，把 logits 分别除以**温度** 0.5、1、5。哪一个最谨慎？

# %% tags=["solution"]
for temperature in (0.5, 1, 5):
    print(temperature, softmax(logits / temperature).round(2))

# %% [markdown] lang="en" tags=["solution"]
# A high temperature brings the probabilities together, a low one drives them apart; the order stays. kerasnn uses it to make an over-confident network honest: a temperature fitted on rows that were left out.

# %% [markdown] lang="zh" tags=["solution"]
# 温度越高，各概率越接近；温度越低，差距越大；次序不变。kerasnn 用它来校正过分自信的网络：在留出的数据上拟合一个温度。

# %% [markdown] lang="en"
# ## Summary
#
# - One-hot rows give each class a place of its own; `np.eye(n)[labels]` makes them.
# - Softmax turns logits into probabilities; cross-entropy is the mean surprise at the truth.
# - Compute both from logits, in one function. Its gradient is probability minus truth.
#
# In the package: `kerasnn/reference/functions.py` and `kerasnn/losses.py`. Source: C. Bishop, *Pattern Recognition and Machine Learning* (2006), section 4.3.4.
#
# To read on: [Goodfellow, Bengio and Courville, Deep Learning](https://www.deeplearningbook.org/) (2016), section 6.2.2.

# %% [markdown] lang="zh"
# ## 小结
#
# - 独热向量让每一类都有自己的位置；`np.eye(n)[labels]` 就能得到。
# - softmax 把 logits 变成概率；交叉熵是看到真实类别时的平均惊异程度。
# - 两者都从 logits 出发，用一个函数计算。它的梯度是预测概率减去真实标签。
#
# 在本软件包中：`kerasnn/reference/functions.py` 和 `kerasnn/losses.py`。出处：C. Bishop，*Pattern Recognition and Machine Learning*（2006），4.3.4 节。
#
# 延伸阅读：[Goodfellow、Bengio 与 Courville，Deep Learning（英文）](https://www.deeplearningbook.org/)（2016），6.2.2 节。
