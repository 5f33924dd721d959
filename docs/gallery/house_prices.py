"""An example of the gallery; scripts/build_gallery.py makes its page."""

# %% [markdown]
# # House prices, with intervals
#
# A price alone says nothing about how far off it may be. The table is made here: the more
# expensive a house is, the more its price varies.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from kerasnn import NetworkRegressor

rng = np.random.default_rng(0)
n = 600
houses = pd.DataFrame(
    {
        "area": rng.uniform(50, 250, n).round(),
        "town": rng.choice(["Bonn", "Lyon", "Turin"], n),
        "built": rng.integers(1900, 2025, n),
    }
)
per_metre = houses["town"].map({"Bonn": 3.0, "Lyon": 4.5, "Turin": 2.5})
price = (
    houses["area"] * per_metre * rng.lognormal(0, 0.15, n)
)  # in thousands

network = NetworkRegressor(quality="fast", epochs=12, random_state=0)
network.fit(houses[:450], price[:450])
expected = network.predict(houses[450:])
low, high = network.predict_interval(houses[450:], coverage=0.9).T
true = price[450:]

is_inside = (low <= true) & (true <= high)
is_cheap = expected < np.median(expected)
print(
    f"inside of their 90 % intervals: {is_inside.mean():.0%} of 150 new houses"
)
print(f"mean width, cheaper half: {(high - low)[is_cheap].mean():.0f}")
print(f"mean width, dearer half:  {(high - low)[~is_cheap].mean():.0f}")

# %%
order = np.argsort(expected)
figure, axes = plt.subplots()
axes.fill_between(
    expected[order], low[order], high[order], alpha=0.25, label="interval"
)
axes.plot(expected[order], expected[order], label="prediction")
axes.plot(expected, true, ".", label="new house")
axes.set(
    xlabel="predicted price",
    ylabel="price",
    title="Prices of 150 new houses",
)
axes.legend()
plt.show()

# %% [markdown]
# ## What to learn from it
#
# - The intervals cost no rows and no second training: rows that members of the ensemble left
#   out say how large the errors are, and of which rows they are larger.
# - 90 % is a promise about all new houses together, as long as they are like the old ones;
#   with 150 of them, between 85 and 95 % is nothing unusual.
# - On the command line it is `kerasnn predict MODEL new.csv --interval 0.9`, and in the served
#   file the signature `interval`: [Intervals and sets](../intervals.md).
