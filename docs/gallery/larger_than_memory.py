"""An example of the gallery; scripts/build_gallery.py makes its page."""

# %% [markdown]
# # Larger than memory
#
# A folder of files, here four small ones, that need not fit into memory. They are read
# twice: once to count and to draw a sample, once to write prepared rows to disk, from where
# each epoch reads them in another order.

# %%
from pathlib import Path

import numpy as np
import pandas as pd

from kerasnn import NetworkRegressor, tables

folder = Path("readings")  # somebody else writes these files, one a day
folder.mkdir()
rng = np.random.default_rng(0)
for day in range(4):
    rows = pd.DataFrame({"load": rng.uniform(0, 1, 5000).round(4)})
    rows["fan"] = rng.choice(["on", "off"], 5000)
    heat = 40 * rows["load"] * np.where(rows["fan"] == "on", 0.5, 1)
    rows["temperature"] = 20 + heat + rng.normal(0, 1, 5000)
    rows.to_parquet(folder / f"day-{day}.parquet", index=False)

# %%
rows = tables.stream_rows(folder, target="temperature", test_size=0.05)
print(
    f"{rows.n_trained:,} rows to learn from, {rows.n_held_out:,} choose the epoch,",
    end=" ",
)
print(f"{len(rows.test):,} are the test")

network = NetworkRegressor(
    members=2, epochs=2, hidden_units=(32,), batch_size=512
)
fitted = tables.fit(rows, network)
measured = tables.measure(fitted, importance=False)
for name, scores in (
    ("network", measured.metrics),
    ("noise", {"rmse": 1.0}),
):
    print(f"{name}: an error of {scores['rmse']:.1f} degrees")

# %%
print(
    fitted.estimator.predict(
        pd.DataFrame({"load": [0.5, 0.5], "fan": ["on", "off"]})
    ).round()
)

# %% [markdown]
# ## What to learn from it
#
# - In memory are a sample of at most 135,536 rows, the test, and three groups of shards,
#   however many rows there are: two million took as much as half a million
#   ([measured](../larger-than-memory.md#measured)).
# - `tables.save(measured, "saved_models/readings")` writes the file that serves.
# - `kerasnn train readings/ --target temperature` does the same, by itself from 256 MB on,
#   and at any size with `--stream`.
# - A model of your own reads such a folder too: `kerasnn.fit(model, "readings/", "temperature")`,
#   if all columns are numbers.
