"""Lesson 6: Adam, what it remembers, and what happens when it forgets."""

# %% [markdown] lang="en"
# # Adam and its memory
#
# Gradient descent gives each weight a step in proportion to its gradient. That is hard to get right for all weights at once. *Adam* (Kingma and Ba, 2014; the name stands for *adaptive moment estimation*) adapts the size of the step to each weight, from what it remembers. You will write it in ten lines, and see a common mistake: to throw the memory away.

# %% [markdown] lang="zh"
# # Adam 与它的记忆
#
# 在梯度下降中，每个权重的步长与梯度成正比，很难同时照顾到所有权重。**Adam**（Kingma 与 Ba，2014；全名 adaptive moment estimation，自适应矩估计）根据它记住的东西，为每个权重调整步长。这一课用十行代码把它写出来，并看一个常见的错误：把记忆丢掉。

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from kerasnn import datasets

# %% [markdown] lang="en"
# ## A narrow valley
#
# Take a loss of two weights, $L = a^2 + 50\,b^2$: flat along $a$, steep along $b$. With a step small enough for $b$, gradient descent crawls along $a$; a little larger, and it jumps from wall to wall.

# %% [markdown] lang="zh"
# ## 狭窄的山谷
#
# 取一个只有两个权重的损失 $L = a^2 + 50\,b^2$：沿 $a$ 平缓，沿 $b$ 陡峭。步长小到适合 $b$ 时，梯度下降沿 $a$ 就像爬行；稍大一点，它又在两壁之间跳来跳去。


# %%
def path(optimizer, steps=60):
    weights = tf.Variable([-4.0, 1.0])
    places = [weights.numpy()]
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = weights[0] ** 2 + 50 * weights[1] ** 2
        gradient = tape.gradient(loss, weights)
        optimizer.apply_gradients([(gradient, weights)])
        places.append(weights.numpy())
    return np.array(places)


a, b = np.meshgrid(np.linspace(-4.4, 1, 80), np.linspace(-1.3, 1.3, 80))
plt.contour(a, b, a**2 + 50 * b**2, 12, colors="gray", linewidths=0.5)
paths = {
    "SGD 0.0185": path(keras.optimizers.SGD(0.0185)),
    "Adam 0.2": path(keras.optimizers.Adam(0.2)),
}
for name, places in paths.items():
    a, b = places[-1]
    print(f"{name:11} loss after 60 steps {a**2 + 50 * b**2:.3f}")
    plt.plot(*places.T, ".-", linewidth=1, label=name)
plt.title("60 steps in a narrow valley")
plt.xlabel("a")
plt.ylabel("b")
plt.legend()
plt.show()

# %% tags=["test"]
assert abs(paths["SGD 0.0185"][-1, 0]) > 0.3
assert abs(paths["Adam 0.2"][-1, 0]) < abs(paths["SGD 0.0185"][-1, 0])

# %% [markdown] lang="en"
# The lowest point is (0, 0). SGD creeps up to it, and with a rate above 0.02 each jump across would be longer than the one before. Adam rolls past like a ball, turns back, and is lower in the end.
#
# ## The formulas
#
# Adam keeps two numbers for each weight $w$, its *moments*: $m$ is a running mean of the gradient $g$, and $v$ a running mean of its square. At step $t$, with $\leftarrow$ for "becomes":
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1)\,g \qquad v \leftarrow \beta_2 v + (1 - \beta_2)\,g^2$$
#
# $$\hat{m} = \frac{m}{1 - \beta_1^t} \qquad \hat{v} = \frac{v}{1 - \beta_2^t} \qquad w \leftarrow w - \alpha\,\frac{\hat{m}}{\sqrt{\hat{v}} + \epsilon}$$
#
# - $\alpha$ is the learning rate; $\beta_1 = 0.9$, $\beta_2 = 0.999$ say how long it remembers: about 10 and 1,000 steps. $\epsilon$ is tiny, so that nothing is divided by 0.
# - Both means begin at 0, so at step $t$ they are too small by the factor $1 - \beta^t$ ($\beta$ to the power $t$). The hats correct that.
# - **Adaptive** is the quotient. A gradient that always points the same way has $\hat{m} = \pm\sqrt{\hat{v}}$, and the step is $\alpha$, however small the gradient. One that changes sign all the time has $\hat{m}$ near 0, and the step is small: across the valley the jumps cancel out, along it the steps add up.

# %% [markdown] lang="zh"
# 最低点是 (0, 0)。SGD 慢慢爬过去；学习率若大于 0.02，横跨山谷的跳动就会一次比一次大。Adam 像球一样滚过头，再折回来，最后到达更低的位置。
#
# ## 公式
#
# Adam 为每个权重 $w$ 记两个数，称为**矩**：$m$ 是梯度 $g$ 的滑动平均，$v$ 是梯度平方的滑动平均。第 $t$ 步（$\leftarrow$ 表示“变为”）：
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1)\,g \qquad v \leftarrow \beta_2 v + (1 - \beta_2)\,g^2$$
#
# $$\hat{m} = \frac{m}{1 - \beta_1^t} \qquad \hat{v} = \frac{v}{1 - \beta_2^t} \qquad w \leftarrow w - \alpha\,\frac{\hat{m}}{\sqrt{\hat{v}} + \epsilon}$$
#
# - $\alpha$ 是学习率；$\beta_1 = 0.9$、$\beta_2 = 0.999$ 表示记多久：大约 10 步和 1,000 步。$\epsilon$ 很小，只为避免除以 0。
# - 两个平均都从 0 开始，所以在第 $t$ 步只有应有值的 $1 - \beta^t$ 倍（$\beta$ 的 $t$ 次方）。带帽子的量修正了这一点。
# - **自适应**就体现在这个商上。如果梯度的方向始终不变，则 $\hat{m} = \pm\sqrt{\hat{v}}$，无论梯度多小，步长都是 $\alpha$。如果梯度不断变号，$\hat{m}$ 就接近 0，步长也小：横跨山谷的跳动相互抵消，沿着山谷的步子不断累积。


# %%
class Adam:
    def __init__(self, variables, learning_rate, beta_1=0.9, beta_2=0.999):
        self.variables = variables
        self.rate, self.beta_1, self.beta_2 = learning_rate, beta_1, beta_2
        self.means = [tf.Variable(tf.zeros_like(w)) for w in variables]
        self.squares = [tf.Variable(tf.zeros_like(w)) for w in variables]
        self.t = tf.Variable(0.0)

    def apply(self, gradients):
        self.t.assign_add(1.0)
        for g, w, m, v in zip(
            gradients, self.variables, self.means, self.squares, strict=True
        ):
            m.assign(self.beta_1 * m + (1 - self.beta_1) * g)
            v.assign(self.beta_2 * v + (1 - self.beta_2) * g**2)
            m_hat = m / (1 - self.beta_1**self.t)
            v_hat = v / (1 - self.beta_2**self.t)
            w.assign_sub(self.rate * m_hat / (tf.sqrt(v_hat) + 1e-7))


ours, keras_s = tf.Variable([-4.0, 1.0]), tf.Variable([-4.0, 1.0])
adam, keras_adam = Adam([ours], 0.2), keras.optimizers.Adam(0.2)
rng = np.random.default_rng(0)
for _ in range(10):
    gradient = tf.constant(rng.normal(size=2), tf.float32)
    adam.apply([gradient])
    keras_adam.apply_gradients([(gradient, keras_s)])
print("ours   ", ours.numpy().round(4))
print("Keras's", keras_s.numpy().round(4))

# %% tags=["test"]
np.testing.assert_allclose(ours, keras_s, rtol=1e-5)

# %% [markdown] lang="en"
# ## The trap: a new Adam at each step
#
# An optimizer is an object with a memory. It must be made once, before the loop. A program that writes `Adam(0.02).apply_gradients(...)` inside the loop makes a new one at each step, and raises no error. What does a newborn Adam do? At $t = 1$ both hats give back the gradient itself, $\hat{m} = g$ and $\hat{v} = g^2$, so that
#
# $$w \leftarrow w - \alpha\,\frac{g}{|g| + \epsilon}$$
#
# Every weight moves by 0.02, up or down, whatever the size of its gradient. Nothing is left of Adam but the sign.

# %% [markdown] lang="zh"
# ## 陷阱：每一步都新建一个 Adam
#
# 优化器是有记忆的对象，必须在循环之前创建一次。如果在循环里写 `Adam(0.02).apply_gradients(...)`，每一步都会新建一个，而且不报错。刚建好的 Adam 会怎样更新？$t = 1$ 时，两个带帽子的量就是梯度本身：$\hat{m} = g$，$\hat{v} = g^2$，于是
#
# $$w \leftarrow w - \alpha\,\frac{g}{|g| + \epsilon}$$
#
# 每个权重都移动 0.02，或上或下，与梯度的大小无关。Adam 什么也没剩下，只剩梯度的符号。

# %%
weights = tf.Variable([1.0, 1.0, 1.0])
gradient = tf.constant([1000.0, -1.0, 0.1])
keras.optimizers.Adam(0.02).apply_gradients([(gradient, weights)])
print("moved by", (weights - 1).numpy().round(4))

# %% tags=["test"]
np.testing.assert_allclose(weights - 1, [-0.02, 0.02, -0.02], atol=1e-5)

# %% [markdown] lang="en"
# On the digits, all rows at once, with the network and the split of [lesson 5](05-digits.md):

# %% [markdown] lang="zh"
# 用在手写数字上：全批量，网络和数据划分同[第 5 课](05-digits.md)：

# %%
(x_train, y_train), (x_test, y_test) = datasets.digits(
    scaled=False, one_hot=True
)


def train(forgets, seed=0, epochs=300):
    rng = np.random.default_rng(seed)
    weights = [
        tf.Variable(rng.normal(size=shape), dtype=tf.float32)
        for shape in ((64, 30), (30,), (30, 10), (10,))
    ]
    adam = Adam(weights, 0.02)

    def network(x):
        return (
            tf.nn.relu(x @ weights[0] + weights[1]) @ weights[2]
            + weights[3]
        )

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                tf.nn.softmax_cross_entropy_with_logits(y, network(x))
            )
        gradients = tape.gradient(loss, weights)
        if forgets:  # as if Adam were made anew
            for slot in (*adam.means, *adam.squares, adam.t):
                slot.assign(tf.zeros_like(slot))
        adam.apply(gradients)
        return loss

    rows, targets = tf.constant(x_train), tf.constant(y_train)
    losses = [float(step(rows, targets)) for _ in range(epochs)]
    hits = tf.argmax(network(x_test), 1) == y_test.argmax(axis=1)
    return losses, float(tf.reduce_mean(tf.cast(hits, tf.float32)))


results = {"one Adam": train(False), "a new one at each step": train(True)}
for name, (losses, accuracy) in results.items():
    print(f"{name:23} loss {losses[-1]:.3f}, accuracy {accuracy:.3f}")
    plt.plot(losses, label=name)
plt.yscale("log")
plt.title("Steps of a fixed size cannot settle")
plt.xlabel("epoch")
plt.ylabel("loss")
plt.legend()
plt.show()

# %% tags=["test"]
kept, forgot = (losses[-1] for losses, _ in results.values())
assert forgot > 3 * kept
assert min(accuracy for _, accuracy in results.values()) > 0.85

# %% [markdown] lang="en"
# The loss of the forgetful one stays several times higher: near the bottom, every weight still jumps by 0.02. And now the nasty part: the test accuracy hardly differs. On all rows at once the forgetful one even ends a little higher (0.907 against 0.899, means of 20 and 100 seeds); on [mini-batches](07-mini-batches.md) it ends lower (0.939 against 0.945). Such a mistake can live in a program for years. Look at the loss, not only at the score.
#
# ## Exercises
#
# **1.** How much memory does Adam need for a network of a million float32 weights?

# %% [markdown] lang="zh"
# 健忘的 Adam，损失始终是正常的好几倍：到了谷底附近，每个权重仍在以 0.02 的幅度跳动。更麻烦的是，测试准确率几乎没有差别。全批量时，健忘的 Adam 甚至略高（0.907 对 0.899，分别是 20 个和 100 个种子的平均）；用[小批量](07-mini-batches.md)时则较低（0.939 对 0.945）。这样的错误可以在程序里藏好几年。要看损失，不要只看得分。
#
# ## 练习
#
# **1.** 网络有一百万个 float32 权重时，Adam 需要多少内存？

# %% tags=["solution"]
optimizer = keras.optimizers.Adam()
optimizer.build([tf.Variable(tf.zeros([1000, 1000]))])
floats = sum(int(np.prod(v.shape)) for v in optimizer.variables)
print(f"{floats * 4 / 1e6:.0f} MB, beside 4 MB of weights")

# %% tags=["test"]
assert floats - 2_000_000 < 10

# %% [markdown] lang="en"
# **2.** Set $\beta_1 = \beta_2 = 0$ in our `Adam`. Which optimizer is that?

# %% [markdown] lang="zh"
# **2.** 在我们的 `Adam` 里令 $\beta_1 = \beta_2 = 0$。这是哪个优化器？

# %% tags=["solution"]
weights = tf.Variable([1.0, 1.0, 1.0])
forgetful = Adam([weights], 0.02, beta_1=0.0, beta_2=0.0)
for _ in range(10):
    forgetful.apply([gradient])
print("moved by", (weights - 1).numpy().round(4))

# %% [markdown] lang="en" tags=["solution"]
# The forgetful one: ten steps of 0.02, by the sign alone.

# %% [markdown] lang="zh" tags=["solution"]
# 就是那个健忘的 Adam：走了十步，每步 0.02，只看梯度的符号。

# %% tags=["test"]
np.testing.assert_allclose(weights - 1, [-0.2, 0.2, -0.2], atol=1e-4)

# %% [markdown] lang="en"
# ## Summary
#
# - Adam divides a running mean of the gradient by the root of a running mean of its square. So every weight gets a step of about the learning rate, shorter where the gradients disagree.
# - Without its memory it is not Adam. Make one optimizer, before the loop; save it with the weights if you want to resume.
# - A program can be wrong and still score well.
#
# In the package: Keras's Adam, made once (`kerasnn/training/optimizers.py`). Source: [Kingma and Ba, Adam: A Method for Stochastic Optimization](https://arxiv.org/abs/1412.6980) (2014).

# %% [markdown] lang="zh"
# ## 小结
#
# - Adam 用梯度的滑动平均，除以梯度平方的滑动平均的平方根。于是每个权重的步长都约等于学习率，梯度方向不一致时步长更小。
# - 没有记忆，就不是 Adam。在循环之前只创建一个优化器；想中断后继续训练，就把它和权重一起保存。
# - 程序写错了，得分也可能不低。
#
# 在本软件包中：使用 Keras 的 Adam，只创建一次（`kerasnn/training/optimizers.py`）。出处：[Kingma 与 Ba，Adam: A Method for Stochastic Optimization](https://arxiv.org/abs/1412.6980)（2014）。
