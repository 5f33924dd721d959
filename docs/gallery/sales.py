"""An example of the gallery; scripts/build_gallery.py makes its page."""

# %% [markdown]
# # Sales in the order of time
#
# What will a shop sell in the next 100 days? The table is made here: 500 days with a weekly
# rhythm, promotions, and a level that wanders.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from kerasnn import NetworkRegressor

rng = np.random.default_rng(1)
days = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=600)})
days["number"] = np.arange(600)
days["promotion"] = rng.random(600) < 0.2
level = np.zeros(600)
for day in range(1, 600):
    level[day] = 0.97 * level[day - 1] + rng.normal(0, 4)
is_weekend = days["day"].dt.day_of_week >= 5
sold = (
    200
    + level
    + 30 * is_weekend
    + 25 * days["promotion"]
    + rng.normal(0, 5, 600)
)


def forecast(columns, **fit_arguments):
    """Return promised error, forecast of the last days, and its true error."""
    network = NetworkRegressor(
        members=4,
        folds=4,
        epochs=24,
        hidden_units=(64, 64),
        trees=False,
        random_state=0,
    )
    network.fit(days[columns][:500], sold[:500], **fit_arguments)
    promised = np.sqrt(
        np.nanmean((network.oof_predictions_ - sold[:500]) ** 2)
    )
    predicted = network.predict(days[columns][500:])
    return (
        promised,
        predicted,
        np.sqrt(np.mean((predicted - sold[500:]) ** 2)),
    )


promised, by_rows, true = forecast(["day", "number", "promotion"])
print(
    f"random days:      promised error {promised:.0f}, true error {true:.0f}"
)

promised, in_time, true = forecast(
    ["day", "promotion"], time=days["day"][:500]
)
print(
    f"in order of time: promised error {promised:.0f}, true error {true:.0f}"
)

# %%
figure, axes = plt.subplots()
numbers = days["number"]
axes.plot(numbers[400:], sold[400:], color="0.6", label="sold")
axes.plot(numbers[500:], by_rows, label="random days")
axes.plot(numbers[500:], in_time, label="in order of time")
axes.set(xlabel="day", ylabel="sold", ylim=(130, 310))
axes.set_title("Sales of the last 200 days, 100 of them predicted")
axes.legend(ncols=3)
plt.show()

# %% [markdown]
# ## What to learn from it
#
# - A day that is left out at random lies between two days that were not, so its level is
#   known. Of the future nobody knows it.
# - With `time=` networks are validated on later days than they learned from. A date is then
#   a feature only by what comes again, here the weekday; the number of the day is left out.
# - One shop is one draw. With the seeds 0 to 3 random days promised 11 to 12, and the truth
#   was 12 to 31; in order of time 14 to 25 were promised, and 14 to 36 came true.
# - On the command line: `kerasnn train sales.csv --target sold --time day`, and
#   `--test-size 0` once you trust it. [Validation](../validation.md) has real tables.
