"""Lesson 12: from a network in memory to a file that serves."""

# %% [markdown] lang="en"
# # A file that serves
#
# A trained network in a notebook is gone when the notebook is closed. To be of use it must become a file: complete, with the steps that prepare its rows, readable without the program that trained it, and able to answer over HTTP. TensorFlow's format for this is the *SavedModel*.

# %% [markdown] lang="zh"
# # 一个能提供服务的文件
#
# 笔记本里训练好的网络，笔记本一关就没了。要派上用场，就得把它变成一个文件：内容完整，连准备数据的步骤也在里面；没有训练它的程序也能读取；还能通过 HTTP 回答请求。TensorFlow 为此设计的格式是 **SavedModel**。

# %% [markdown] lang="en"
# ## What belongs in the file
#
# ![Training writes a SavedModel: raw columns in, scaling, network, class and probabilities out; several programs serve the same file](../figures/serving.svg)
#
# Our digits are trained on pixels from 0 to 1, but whoever asks will send 0 to 16. If the scaling lives in another program, sooner or later it will be forgotten or done twice, and the answers will be wrong without any error. So it belongs in the file.

# %% [markdown] lang="zh"
# ## 文件里该有什么
#
# ![训练写出一个 SavedModel：输入原始列，缩放，网络，输出类别和概率；多种程序可以用同一个文件提供服务](../figures/serving.zh.svg)
#
# 我们识别数字的网络用 0 到 1 的像素训练，而发来请求的人用的是 0 到 16。如果缩放写在另一个程序里，迟早会被忘掉，或者做了两次，答案错了，却不报任何错。所以缩放应当放进文件里。

# %%
import keras
import tensorflow as tf

import kerasnn
from kerasnn import datasets, models

(x_train, y_train), (x_test, y_test) = datasets.digits(scaled=False)
network = models.DigitsNetwork(seed=0)
kerasnn.fit(
    network,
    x_train / 16,
    y_train,
    optimizer="adam",
    epochs=40,
    seed=0,
    driver="graph",
    verbose=0,
)
folder = kerasnn.export(
    network,
    "my_models/digits",
    preprocessing=keras.layers.Rescaling(1 / 16),
)
print(folder)
for path in sorted(folder.rglob("*")):
    if path.is_file():
        print("  ", path.relative_to(folder))

# %% tags=["test"]
assert folder.name == "1"
assert (folder / "saved_model.pb").exists()

# %% [markdown] lang="en"
# - `saved_model.pb` is the graph: the operations of [lesson 9](09-compile.md), written down; `fingerprint.pb` has its hash.
# - `variables/` has the weights.
# - `assets.extra/` has what servers and people need: warm-up requests (run once before the first real one, which would be slow), and the manifest `kerasnn.json`, which says what this is and how it was made.
#
# `1` is a *version*. The next export becomes `2`, and the old one stays.
#
# ## Read it without kerasnn
#
# A *signature* is a function in the file, with named inputs and outputs. Plain TensorFlow can call it:

# %% [markdown] lang="zh"
# - `saved_model.pb` 是图，也就是[第 9 课](09-compile.md)里那些运算的记录；`fingerprint.pb` 里是它的哈希值。
# - `variables/` 里是权重。
# - `assets.extra/` 里是服务器和人需要的东西：预热请求（先执行一遍，免得第一个真正的请求很慢），以及清单 `kerasnn.json`，说明这是什么模型、怎样得来的。
#
# `1` 是**版本**。下一次导出是 `2`，旧的保留。
#
# ## 不用 kerasnn 也能读
#
# **签名**（signature）是文件里的一个函数，输入和输出都有名字。只用 TensorFlow 就能调用它：

# %%
loaded = tf.saved_model.load(str(folder))
print("signatures:", list(loaded.signatures))
predict = loaded.signatures["serving_default"]
outputs = predict(x=tf.constant(x_test[:3]))
print("class        ", outputs["class"].numpy(), " truth", y_test[:3])
print(
    "probabilities", outputs["probabilities"].numpy().max(axis=1).round(3)
)

# %% tags=["test"]
import numpy as np

ours = tf.nn.softmax(network(x_test / 16))
theirs = predict(x=tf.constant(x_test))["probabilities"]
np.testing.assert_allclose(ours, theirs, atol=1e-5)
accuracy = np.mean(theirs.numpy().argmax(axis=1) == y_test)
assert accuracy > 0.95

# %% [markdown] lang="en"
# The file takes raw pixels, any number of rows, and answers with names (`classify` takes and gives them in TensorFlow Serving's form for classifiers). A notebook, a C program and TensorFlow Serving get the same numbers from it.
#
# ## Serve it
#
# `kerasnn serve` answers for all models in a folder. In a terminal you would write `kerasnn serve my_models`; here Python starts it (port 0 takes any free port; gRPC, a second protocol, stays off) and reads the line in which it says where it listens:

# %% [markdown] lang="zh"
# 这个文件接受原始像素，行数不限，输出都有名字（`classify` 的输入输出是 TensorFlow Serving 为分类器规定的形式）。笔记本、C 程序和 TensorFlow Serving 从它得到的数值都一样。
#
# ## 提供服务
#
# `kerasnn serve` 为一个文件夹里的所有模型提供服务。在终端里写 `kerasnn serve my_models` 即可；这里由 Python 启动它（端口 0 表示任取一个空闲端口；另一种协议 gRPC 关掉），并读取它报告地址的那一行：

# %%
import re
import subprocess
import sys

command = [sys.executable, "-m", "kerasnn", "serve", "my_models"]
options = ["--rest-port", "0", "--grpc-port", "off"]
server = subprocess.Popen(
    [*command, *options], stdout=subprocess.PIPE, text=True
)
line = server.stdout.readline()
address = re.search(r"http://[\w.:]+", line)[0]
print(line.replace(address, "http://127.0.0.1:...").strip())

# %% [markdown] lang="en"
# Ask as any client would, with a few lines of JSON over HTTP:

# %% [markdown] lang="zh"
# 和任何客户端一样，通过 HTTP 发几行 JSON 来提问：

# %%
import json
import urllib.request


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(address + path, data) as answer:
        return json.load(answer)


rows = {"instances": x_test[:3].tolist()}
for prediction in ask("/v1/models/digits:predict", rows)["predictions"]:
    print(prediction["class"], round(max(prediction["probabilities"]), 3))

# %% [markdown] lang="en"
# In the terminal the same question is
#
# ```console
# $ curl -s -d '{"instances": [[0, 0, 5, ...]]}' http://127.0.0.1:8501/v1/models/digits:predict
# ```
#
# Open the address in a browser, and there is a page to try the model: you can draw a digit. A wrong request gets a sentence that says what is wrong, not a crash:

# %% [markdown] lang="zh"
# 在终端里，同样的请求这样写
#
# ```console
# $ curl -s -d '{"instances": [[0, 0, 5, ...]]}' http://127.0.0.1:8501/v1/models/digits:predict
# ```
#
# 在浏览器里打开这个地址，会看到一个试用模型的页面：可以画一个数字。遇到错误的请求，服务器会用一句话说明错在哪里，而不会崩溃：

# %%
try:
    ask("/v1/models/digits:predict", {"instances": [[1, 2, 3]]})
except urllib.error.HTTPError as error:
    refused = json.load(error)["error"]
    print(error.code, refused)

# %% tags=["test"]
assert "64" in refused

# %% [markdown] lang="en"
# ## A better version
#
# Train longer and export again: version 2 is complete before it appears under its number. A running server takes it up by itself, and no request is lost.

# %% [markdown] lang="zh"
# ## 更好的版本
#
# 再训练久一点，再导出一次：版本 2 完整写好之后，才以它的编号出现。正在运行的服务器会自动换上它，不丢失任何请求。

# %%
import time

kerasnn.fit(
    network,
    x_train / 16,
    y_train,
    optimizer="adam",
    epochs=40,
    seed=1,
    driver="graph",
    verbose=0,
)
kerasnn.export(
    network,
    "my_models/digits",
    preprocessing=keras.layers.Rescaling(1 / 16),
)
states = {}
for _ in range(300):
    status = ask("/v1/models/digits")["model_version_status"]
    states = {one["version"]: one["state"] for one in status}
    if states.get("2") == "AVAILABLE":
        break
    time.sleep(0.1)
print("version 2 is", states.get("2"))

server.terminate()
print("the server ended with", server.wait(timeout=60))
server.stdout.close()

# %% tags=["test"]
assert states["2"] == "AVAILABLE"

# %% [markdown] lang="en"
# ## Exercises
#
# **1.** What does the manifest say about the inputs?

# %% [markdown] lang="zh"
# ## 练习
#
# **1.** 清单里对输入是怎么说的？

# %% tags=["solution"]
manifest = json.loads(
    (folder / "assets.extra" / "kerasnn.json").read_text()
)
inputs = manifest["inputs"]["x"]
print(inputs["dtype"], inputs["shape"], inputs["columns"][:3], "...")

# %% tags=["test"]
assert inputs["shape"] == [None, 64]

# %% [markdown] lang="en"
# **2.** Somebody sends pixels that are already divided by 16. Is there an error? What becomes of the accuracy?

# %% [markdown] lang="zh"
# **2.** 有人发来已经除以 16 的像素。会报错吗？准确率会怎样？

# %% tags=["solution"]
for name, pixels in (("once", x_test), ("twice", x_test / 16)):
    outputs = predict(x=tf.constant(pixels))
    right = tf.reduce_mean(tf.cast(outputs["class"] == y_test, tf.float32))
    sure = tf.reduce_mean(tf.reduce_max(outputs["probabilities"], axis=1))
    print(
        f"scaled {name:5}: accuracy {right:.2f}, mean probability {sure:.2f}"
    )

# %% [markdown] lang="en" tags=["solution"]
# There is no error. The network sees nearly empty pictures: more of its answers are wrong, and its probabilities are close to guessing. This is why the scaling belongs in the file, and why the manifest says what to send. For tables, `kerasnn check` notices that new rows are [unlike those of the training](../../drift.md).

# %% [markdown] lang="zh" tags=["solution"]
# 不报错。网络看到的几乎是空白图片：错误增多，概率接近瞎猜。所以缩放应当放进文件，清单也要写明该发送什么。对表格，`kerasnn check` 能发现新数据[与训练数据不同（英文）](../../drift.md)。

# %% tags=["test"]
assert right < accuracy
assert sure < 0.3

# %% [markdown] lang="en"
# ## Summary
#
# - A SavedModel holds graph, weights and signatures; the preparation of the rows belongs inside.
# - Versions are numbered; a server takes up a new one by itself.
# - The file needs neither kerasnn nor Keras to answer.
#
# Where to go on: [serving](../../serving.md), [how it works](../../how-it-works.md), the [glossary](../../glossary.md). You have come from three sigmoid units to a served network, and there was no step that you could not have written yourself.

# %% [markdown] lang="zh"
# ## 小结
#
# - SavedModel 包含图、权重和签名；数据的准备步骤应放在里面。
# - 版本有编号；服务器会自动换上新版本。
# - 这个文件回答问题时，既不需要 kerasnn，也不需要 Keras。
#
# 接下来：[服务（英文）](../../serving.md)、[工作原理（英文）](../../how-it-works.md)、[术语表（英文）](../../glossary.md)。从三个 sigmoid 单元，到一个能提供服务的网络，一路走来，没有哪一步是你自己写不出来的。
