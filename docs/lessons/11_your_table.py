"""Lesson 11: a table with words, gaps and dates: your own."""

# %% [markdown] lang="en"
# # Your own table
#
# Irises and digits come as clean numbers. Your table does not: it has words, empty cells, columns on different scales, and perhaps a column that gives the answer away. This lesson leads from such a table to a prediction, with `kerasnn.NetworkClassifier`: the networks of these lessons, with the repairs built in.

# %% [markdown] lang="zh"
# # 你自己的表格
#
# 鸢尾花和手写数字，拿来就是干净的数值。你的表格却不是这样：里面有文字，有空单元格，各列的量级不同，也许还有一列泄露了答案。这一课从这样一张表格出发，一直做到预测，用的是 `kerasnn.NetworkClassifier`：也就是这些课里的网络，并内置了各项修复。

# %% [markdown] lang="en"
# ## A table
#
# 600 people on their way to work: do they take the bike or the car? The table is made up. That has an advantage for once: we know the rule behind it, and so the best score that anybody can reach.

# %% [markdown] lang="zh"
# ## 一张表格
#
# 600 个人去上班：骑车还是开车？这张表格是虚构的。这一回倒有个好处：我们知道背后的规律，也就知道谁都无法超过的最好成绩。

# %%
import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
n = 600
days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
table = pd.DataFrame(
    {
        "distance_km": rng.gamma(2, 2.5, n).round(1),
        "weather": rng.choice(
            ["dry", "rain", "snow"], n, p=[0.6, 0.3, 0.1]
        ),
        "day": rng.choice(days, n),
        "age": rng.integers(18, 75, n).astype(float),
    }
)
score = (
    3.0
    - 0.8 * table.distance_km
    - 2.0 * (table.weather == "rain")
    - 4.0 * (table.weather == "snow")
    + 1.0 * table.day.isin(["Sat", "Sun"])
)
chance = 1 / (1 + np.exp(-score))  # the sigmoid of lesson 1
table["by"] = np.where(rng.random(n) < chance, "bike", "car")
table.loc[rng.random(n) < 0.1, "age"] = np.nan
table.loc[rng.random(n) < 0.05, "weather"] = None
print(table.head().to_string())
print(table.by.value_counts().to_dict())

# %% [markdown] lang="en"
# Before any network: look. How many rows, which columns are words, how many gaps, how often is each answer? And a question for each column: *will I know it when I must predict?* A column such as "kilometres cycled today" would make a brilliant score and a useless network. That is a *leak*.
#
# ## Rows for the test, and two simple answers
#
# As always, test rows aside first. Then the two answers that a network must beat: the most frequent class, and a linear model (`LogisticRegression`: one sigmoid unit, trained by cross-entropy). For the linear model we must make numbers of everything: one-hot rows for words (a gap is a class of its own), a mean for missing numbers, and equal scales.

# %% [markdown] lang="zh"
# 用网络之前，先看一看：有多少行，哪些列是文字，有多少空缺，每种答案各有多少？对每一列还要问：**到了要预测的时候，我能知道它吗？** 有了“今天骑了多少公里”这样的列，得分会很漂亮，网络却毫无用处。这叫**数据泄漏**。
#
# ## 测试集，和两个简单的答案
#
# 照例先留出测试集。然后是网络必须胜过的两个答案：最常见的类别，和线性模型（`LogisticRegression`，就是用交叉熵训练的一个 sigmoid 单元）。要用线性模型，就得把一切都变成数：文字用独热编码（空缺自成一类），缺失的数用平均值填补，并统一尺度。

# %%
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

x, y = table.drop(columns="by"), table["by"]
x_train, y_train, x_test, y_test = x[:450], y[:450], x[450:], y[450:]

numbers = make_pipeline(SimpleImputer(), StandardScaler())
words = OneHotEncoder(handle_unknown="ignore")
columns = ColumnTransformer(
    [
        ("numbers", numbers, ["distance_km", "age"]),
        ("words", words, ["weather", "day"]),
    ]
)
linear = make_pipeline(columns, LogisticRegression())
linear.fit(x_train, y_train)

best = np.maximum(chance, 1 - chance)[450:].mean()
scores = {
    "constant": (y_test == y_train.mode()[0]).mean(),
    "linear": linear.score(x_test, y_test),
}
for name, accuracy in scores.items():
    print(f"{name:9}{accuracy:.3f}")
print(f"the best anybody can do, on average: {best:.3f}")

# %% tags=["test"]
assert 0.5 < scores["constant"] < scores["linear"] < 0.9
assert 0.75 < best < 0.92

# %% [markdown] lang="en"
# ## The network
#
# `NetworkClassifier` takes the table as it is. Inside, numbers are scaled, words become one-hot rows (or, in columns of many words, short learned vectors: *embeddings*), and gaps are marked. Several networks, the *members*, are trained side by side; each leaves one *fold* of the rows out and stops early by it. Their mean is the answer. We choose a small setting, for the sake of time, and networks alone; without arguments it is larger and better, and boosted trees (many small decision trees, each correcting those before it) stand beside the networks unless left-out rows say otherwise.

# %% [markdown] lang="zh"
# ## 网络
#
# `NetworkClassifier` 可以直接使用这张表格。在它内部，数值会被缩放，词会转换成独热向量（词很多的列则用可学习的短向量：**嵌入**，embedding），空缺会做上标记。几个网络，即**成员**（members），同时训练；每个成员留出一折（fold）数据，并据此早停。它们的平均就是答案。为了省时间，这里选较小的设置，并且只用网络；不给参数时，网络更大，效果也更好，而且除非留出的数据表明不该如此，网络旁边还会有提升树（boosted trees：许多小决策树，每一棵修正前面各棵的错误）。

# %%
import kerasnn

network = kerasnn.NetworkClassifier(
    random_state=0, members=4, folds=2, epochs=20, trees=False
)
network.fit(x_train, y_train)
scores["network"] = network.score(x_test, y_test)
print(f"network  {scores['network']:.3f}")

# %% tags=["test"]
assert scores["network"] > scores["constant"] + 0.1

# %% [markdown] lang="en"
# Do not expect a miracle: the rule behind this table is linear, a few hundred rows are few, and 150 test rows measure an accuracy only to about 0.03; luck even put the linear model above the best that is possible on average. A network is worth its cost where columns act together in ways that you cannot write down. Let us make such a case. Over short distances people now walk, so the bike is for the middle ones:

# %% [markdown] lang="zh"
# 不要指望奇迹：这张表格背后的规律是线性的，几百行数据很少，用 150 行测试集测准确率，误差约有 0.03；靠着运气，线性模型甚至超过了平均意义上的最好成绩。只有当各列以你写不出来的方式共同起作用时，才值得用网络。我们来造一个这样的情形：现在路程短的人改为步行，骑车的就只剩中等距离的人：

# %%
middle = table.distance_km.between(2, 6)
y = pd.Series(np.where(middle & (table.weather != "snow"), "bike", "other"))
y_train, y_test = y[:450], y[450:]
linear.fit(x_train, y_train)
network.fit(x_train, y_train)
curved = {
    "constant": (y_test == y_train.mode()[0]).mean(),
    "linear": linear.score(x_test, y_test),
    "network": network.score(x_test, y_test),
}
for name, accuracy in curved.items():
    print(f"{name:9}{accuracy:.3f}")

# %% tags=["test"]
assert curved["network"] > curved["linear"] + 0.05

# %% [markdown] lang="en"
# ## New rows
#
# A word that was never seen, an empty cell, columns in another order: none of it stops the network. It answers with probabilities, and these are *calibrated*: adjusted on left-out rows until they agree with how often they are right.

# %% [markdown] lang="zh"
# ## 新的数据
#
# 没见过的词、空单元格、次序不同的列，都难不倒这个网络。它的回答是概率，而且经过**校准**：在留出的数据上调整，使概率与答对的频率相符。

# %%
new = pd.DataFrame(
    {
        "weather": ["dry", "hail", None],
        "distance_km": [4.0, 4.0, 15.0],
        "day": ["Tue", "Sun", "Fri"],
        "age": [30.0, np.nan, 50.0],
    }
)
answers = pd.DataFrame(
    network.predict_proba(new).round(2), columns=network.classes_
)
print(pd.concat([new, answers], axis=1).to_string())

# %% [markdown] lang="en"
# Beware of the second row. `hail` is taken for missing weather, and the answer is surer than anybody should be of a word never seen. `check` says which rows are [unlike those of the training](../../drift.md):

# %% [markdown] lang="zh"
# 当心第二行。`hail` 被当作缺失的天气，而面对从没见过的词，谁也不该这么有把握。`check` 会指出哪些行[与训练数据不同（英文）](../../drift.md)：

# %%
print(network.check(new)[["unusual", "reason"]].to_string())

# %% tags=["test"]
assert network.check(new)["unusual"].tolist() == [False, True, False]
assert answers["bike"][0] > 0.6
assert answers["bike"][2] < 0.3

# %% [markdown] lang="en"
# ## The same from the command line
#
# With your table in a file, one command does all of this: it finds the kinds of the columns, keeps test rows, trains, compares with a constant and a linear model, and writes a report and a file that serves.
#
# ```console
# $ kerasnn train commute.csv --target by
# $ kerasnn predict saved_models/commute new.csv -o answers.csv
# ```
#
# [Tables](../../tables.md) tells the rest; [validation](../../validation.md) says what to do if rows belong together, or have an order in time.
#
# ## Exercises
#
# **1.** Add a column that leaks, `"helmet": by == "bike"`. What is the score now, and what will it be tomorrow morning, when you must predict before anybody has left?

# %% [markdown] lang="zh"
# ## 用命令行做同样的事
#
# 如果你的表格存在文件里，一条命令就能做完这一切：识别各列的类型，留出测试集，训练，与常数和线性模型比较，写出一份报告和一个能提供服务的文件。
#
# ```console
# $ kerasnn train commute.csv --target by
# $ kerasnn predict saved_models/commute new.csv -o answers.csv
# ```
#
# 其余见[表格（英文）](../../tables.md)；如果有些行属于同一组，或者有时间先后，见[验证（英文）](../../validation.md)。
#
# ## 练习
#
# **1.** 加一列会泄露答案的 `"helmet": by == "bike"`。现在得分是多少？明天早上，大家还没出门，你就要预测，那时得分又会是多少？

# %% tags=["solution"]
leaking = x.assign(helmet=table["by"] == "bike")
words = ["weather", "day", "helmet"]
columns.set_params(
    transformers=[
        ("numbers", numbers, ["distance_km", "age"]),
        ("words", OneHotEncoder(handle_unknown="ignore"), words),
    ]
)
linear.fit(leaking[:450], table["by"][:450])
tomorrow = leaking[450:].assign(helmet=False)
for name, rows in (("today", leaking[450:]), ("tomorrow", tomorrow)):
    print(f"{name:9}{linear.score(rows, table['by'][450:]):.3f}")

# %% [markdown] lang="en" tags=["solution"]
# Perfect today, and no better than a constant tomorrow. A perfect score is a reason to search for the leak. `kerasnn train` warns of columns that give the target away.

# %% [markdown] lang="zh" tags=["solution"]
# 今天得满分，明天并不比常数好。看到满分，就该去找数据泄漏。`kerasnn train` 会对泄露目标的列发出警告。

# %% tags=["test"]
today = linear.score(leaking[450:], table["by"][450:])
assert today == 1
assert linear.score(tomorrow, table["by"][450:]) < 0.7

# %% [markdown] lang="en"
# **2.** How sure is an accuracy measured on 150 rows? Compute the standard error $\sqrt{a(1-a)/n}$ for $a = 0.8$, and for 15,000 rows.

# %% [markdown] lang="zh"
# **2.** 在 150 行上测得的准确率有多可靠？计算 $a = 0.8$ 时的标准误差 $\sqrt{a(1-a)/n}$，再算 15,000 行的情形。

# %% tags=["solution"]
for n_test in (150, 15_000):
    print(f"{n_test:6} rows: +- {np.sqrt(0.8 * 0.2 / n_test):.3f}")

# %% tags=["test"]
assert round(np.sqrt(0.8 * 0.2 / 150), 3) == 0.033

# %% [markdown] lang="en"
# ## Summary
#
# - Look first; ask of each column whether you will know it in time.
# - Beat a constant and a linear model on test rows, or do not use a network.
# - A score has an error of its own. A perfect score has a leak.
#
# To read on: [tables](../../tables.md), and [scikit-learn, Common pitfalls](https://scikit-learn.org/stable/common_pitfalls.html).

# %% [markdown] lang="zh"
# ## 小结
#
# - 先看数据；对每一列都要问：到时候能知道它吗？
# - 在测试集上胜过常数和线性模型，否则就不用网络。
# - 得分本身也有误差；满分的背后有数据泄漏。
#
# 延伸阅读：[表格（英文）](../../tables.md)，以及 [scikit-learn，Common pitfalls（英文）](https://scikit-learn.org/stable/common_pitfalls.html)。
