"""Lesson 9: compile the loop: eager, graph, XLA, and what each costs."""

# %% [markdown] lang="en"
# # Compile the loop
#
# A training step of our digits network multiplies a few small matrices: about 300,000 multiplications, work for a fraction of a millisecond. Run line by line from Python it takes many times as long. Where does the time go, and how does one get it back?

# %% [markdown] lang="zh"
# # 编译训练循环
#
# 我们识别数字的网络，一个训练步只是几个小矩阵相乘：约三十万次乘法，本来用不了一毫秒。但从 Python 一行一行地执行，时间要长好多倍。时间花到哪里去了？怎样省下来？

# %%
import timeit

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from kerasnn import datasets, models

(x_train, y_train), _ = datasets.digits(one_hot=True)
x, y = tf.constant(x_train[:64]), tf.constant(y_train[:64])

# %% [markdown] lang="en"
# ## Three ways to run
#
# ![Eager: Python calls each operation. Graph: Python calls each step. Loop in the graph: Python calls once](../figures/drivers.svg)
#
# - **Eager**: Python calls each operation, and TensorFlow runs it at once. A step has some hundred operations, with Adam's, and each call costs several microseconds, whatever the size of the matrices. It is what you want with a debugger.
# - **Graph**: `@tf.function` calls your Python function once, with stand-ins for the tensors, and records the operations: that is *tracing*. Later calls run the recorded graph without Python.
# - **XLA** (*accelerated linear algebra*): with `jit_compile=True` the graph is compiled to machine code for these shapes. Many small operations are fused into one that goes through memory once.
#
# In all three the step is the same Python function:

# %% [markdown] lang="zh"
# ## 三种执行方式
#
# ![即时执行：Python 逐个调用运算。图：Python 逐个调用训练步。循环在图里：Python 只调用一次](../figures/drivers.zh.svg)
#
# - **即时执行（eager）**：Python 逐个调用运算，TensorFlow 立刻执行。加上 Adam，一步有一百来个运算，无论矩阵多小，每次调用都要几微秒。需要调试器时，就用这种方式。
# - **图**（graph，即计算图）：`@tf.function` 以张量的“替身”为参数，把你的 Python 函数调用一次，记录下各个运算，这叫**跟踪**（tracing）。之后的调用直接执行记录下的图，不再经过 Python。
# - **XLA**（accelerated linear algebra，加速线性代数）：加上 `jit_compile=True`，图会针对这些形状编译成机器码。许多小运算融合成一个，内存只需读写一遍。
#
# 三种方式的训练步都是同一个 Python 函数：


# %%
def make_step():
    network = models.DigitsNetwork(seed=0)
    optimizer = keras.optimizers.Adam(0.002)
    variables = list(network.trainable_variables)
    optimizer.build(variables)

    def step(x, y):
        with tf.GradientTape() as tape:
            losses = tf.nn.softmax_cross_entropy_with_logits(y, network(x))
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    return step


steps = {
    "eager": make_step(),
    "graph": tf.function(make_step()),
    "xla": tf.function(make_step(), jit_compile=True),
}
last = {}
for name, step in steps.items():
    for _ in range(20):
        last[name] = float(step(x, y))
    print(f"{name:6} loss after 20 steps {last[name]:.6f}")

# %% tags=["test"]
assert abs(last["eager"] - last["graph"]) < 1e-6
assert abs(last["eager"] - last["xla"]) < 1e-5

# %% [markdown] lang="en"
# The same numbers, to rounding. And the time of a step? (The first calls, with tracing and compiling, are behind us.)

# %% [markdown] lang="zh"
# 数值相同，只差舍入误差。每一步的时间呢？（首次调用包含跟踪和编译，前面已经做过，不计在内。）


# %% tags=["timing"]
def best_of_5(call, n_steps, steps_in_a_call=1):
    """Return microseconds a step; the fastest of five was disturbed least."""
    calls = n_steps // steps_in_a_call
    seconds = min(timeit.repeat(call, number=calls, repeat=5))
    return seconds / n_steps * 1e6


microseconds = {}
for name, n_steps in (("eager", 5), ("graph", 100), ("xla", 100)):
    step = steps[name]
    microseconds[name] = best_of_5(lambda step=step: step(x, y), n_steps)
    print(f"{name:6}{microseconds[name]:8.0f} microseconds a step")

# %% [markdown] lang="en"
# ## Put the loop inside
#
# A call of a graph still costs Python a few hundred microseconds: arguments are checked, tensors are handed over. For a step this small that is most of the time. So let Python call once, and put the loop itself into the graph. Inside a `tf.function`, `for ... in tf.range(...)` becomes a loop of the graph:

# %% [markdown] lang="zh"
# ## 把循环放进图里
#
# 每次调用图，Python 仍要花几百微秒：检查参数，传递张量。对这么小的一步来说，大部分时间就花在这里。所以让 Python 只调用一次，把循环本身放进图里。在 `tf.function` 内部，`for ... in tf.range(...)` 会变成图里的循环：


# %%
def make_loop(jit_compile):
    step = make_step()

    @tf.function(jit_compile=jit_compile)
    def loop(x, y, n_steps):
        loss = tf.constant(0.0)
        for _ in tf.range(n_steps):
            loss = step(x, y)
        return loss

    return loop


loops = {"loop, graph": make_loop(False), "loop, xla": make_loop(True)}
for name, loop in loops.items():
    last[name] = float(loop(x, y, tf.constant(20)))
    print(f"{name:12} loss after 20 steps {last[name]:.6f}")

# %% tags=["test"]
np.testing.assert_allclose(list(last.values()), last["eager"], rtol=1e-5)

# %% tags=["timing"]
thousand = tf.constant(1000)
for name, loop in loops.items():
    microseconds[name] = best_of_5(
        lambda loop=loop: loop(x, y, thousand).numpy(), 1000, 1000
    )
    print(f"{name:12}{microseconds[name]:8.0f} microseconds a step")

plt.barh(list(microseconds)[::-1], list(microseconds.values())[::-1])
plt.xscale("log")
plt.title("One training step of 64-30-10, batch 64")
plt.xlabel("microseconds, logarithmic")
plt.show()

# %% [markdown] lang="en"
# From eager to the compiled loop it is a factor of a hundred or more, and not one formula has changed. This is what `kerasnn.fit` does: whole epochs run inside one graph, with row orders drawn outside and the rows gathered inside. The price is the compilation, one to two seconds for XLA. So a short run is best as a graph, a long one with XLA, and a debugger wants eager: `driver="graph"`, `"xla"`, `"eager"`. With `"auto"` kerasnn chooses.
#
# ## Traced once, or again and again
#
# Python code inside a `tf.function` runs while it is traced, not when the graph runs. A `print` shows it:

# %% [markdown] lang="zh"
# 从即时执行到编译好的循环，相差一百倍甚至更多，而公式一个也没有改。`kerasnn.fit` 就是这样做的：整个 epoch 都在一张图里执行，行的次序在外面抽好，数据在里面按次序取。代价是编译，XLA 要一两秒。所以短的训练用图，长的训练用 XLA，调试时用即时执行：`driver="graph"`、`"xla"`、`"eager"`。用 `"auto"` 则由 kerasnn 选择。
#
# ## 跟踪一次，还是反复跟踪
#
# `tf.function` 里的 Python 代码在跟踪时执行，而不是在执行图的时候。用 `print` 就能看到：

# %%
traced = []


@tf.function
def scaled(x, factor):
    kind = "number" if isinstance(factor, float) else "tensor"
    print("tracing with a", kind)
    traced.append(factor)
    return x * factor


for rate in (0.1, 0.2, 0.3):
    scaled(x, rate)
for rate in (0.1, 0.2, 0.3):
    scaled(x, tf.constant(rate))
print("traced", len(traced), "times")

# %% tags=["test"]
assert len(traced) == 4

# %% [markdown] lang="en"
# A Python number is part of the program, so each new one is a new trace. A tensor is a value, and one trace serves all. A new shape means a new trace, too. Rule: what changes between calls is a tensor; batches have one shape.
#
# ## Exercises
#
# **1.** Time a larger network: 64-1024-1024-10. How much does the graph gain over eager now? Say first what you expect.

# %% [markdown] lang="zh"
# Python 的数是程序的一部分，每换一个就要重新跟踪。张量只是一个值，跟踪一次就够了。新的形状也会引起重新跟踪。规则：每次调用会变的东西用张量；批次的形状保持不变。
#
# ## 练习
#
# **1.** 给更大的网络计时：64-1024-1024-10。现在图比即时执行快多少？先说出你的预期。

# %% tags=["solution", "timing"]
large = models.DigitsNetwork(hidden_units=(1024, 1024))
forward = {"eager": large.__call__, "graph": tf.function(large.__call__)}
for name, call in forward.items():
    call(x)
    taken = best_of_5(lambda call=call: call(x), 10)
    print(f"{name}: {taken:.0f} microseconds")

# %% [markdown] lang="en" tags=["solution"]
# Little: now the time goes into the multiplications, which are the same in both. Compiling helps small networks most.

# %% [markdown] lang="zh" tags=["solution"]
# 快不了多少：现在时间都花在乘法上，而两者的乘法是一样的。编译对小网络帮助最大。

# %% tags=["test"]
np.testing.assert_allclose(
    *(call(x) for call in forward.values()), rtol=1e-5
)

# %% [markdown] lang="en"
# **2.** Why does this function always return the same random number? Mend it.
#
# ```python
# @tf.function
# def noise():
#     return tf.constant(np.random.default_rng().normal())
# ```

# %% [markdown] lang="zh"
# **2.** 为什么下面这个函数总是返回同一个随机数？把它改好。
#
# ```python
# @tf.function
# def noise():
#     return tf.constant(np.random.default_rng().normal())
# ```


# %% tags=["solution"]
@tf.function
def frozen():
    return tf.constant(np.random.default_rng().normal())


@tf.function
def noise(seed):
    return tf.random.stateless_normal([], seed=seed)


always = {float(frozen()) for _ in range(5)}
print("frozen:", len(always), "value")
drawn = {float(noise(tf.constant([0, i]))) for i in range(5)}
print("noise: ", len(drawn), "values")

# %% [markdown] lang="en" tags=["solution"]
# NumPy drew the number while the function was traced; the graph holds it as a constant. An operation of TensorFlow draws at each call. A stateless one draws from a seed that you give, so that a run can be repeated.

# %% [markdown] lang="zh" tags=["solution"]
# 那个数是跟踪时由 NumPy 抽取的，图里存的只是一个常量。TensorFlow 的随机运算则每次调用都重新抽取。无状态（stateless）的运算由你给的种子产生随机数，因此结果可以重现。

# %% tags=["test"]
assert len(drawn) == 5
assert len(always) == 1

# %% [markdown] lang="en"
# ## Summary
#
# - Eager calls each operation from Python, a graph each step, a loop in the graph the whole training.
# - XLA compiles for one shape: slow to begin, fastest after.
# - Python inside a `tf.function` runs while tracing. What changes must be a tensor.
#
# In the package: `kerasnn/training/compiled/loop.py`; [how it works](../../how-it-works.md) has the measurements. More: TensorFlow's guides to [tf.function](https://www.tensorflow.org/guide/function) and [XLA](https://openxla.org/xla).

# %% [markdown] lang="zh"
# ## 小结
#
# - 即时执行时，Python 逐个调用运算；用图时，逐个调用训练步；循环也放进图里，整个训练只调用一次。
# - XLA 针对一种形状编译：起步慢，之后最快。
# - `tf.function` 里的 Python 在跟踪时执行。会变的东西必须是张量。
#
# 在本软件包中：`kerasnn/training/compiled/loop.py`；测量结果见[工作原理（英文）](../../how-it-works.md)。更多：TensorFlow 的 [tf.function](https://www.tensorflow.org/guide/function) 和 [XLA](https://openxla.org/xla) 指南。
