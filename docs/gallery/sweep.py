"""An example of the gallery; scripts/build_gallery.py makes its page."""

# %% [markdown]
# # A sweep
#
# Are there better settings than the defaults? `kerasnn.tune` tries some, and scores each on
# the rows that its members leave out: no further cross-validation, no rows of their own.

# %%
from sklearn.datasets import load_diabetes

import kerasnn

x, y = load_diabetes(return_X_y=True, as_frame=True)
network = kerasnn.NetworkRegressor(
    members=4,
    folds=4,
    epochs=8,
    hidden_units=(32,),
    trees=False,
    random_state=0,
)
found = kerasnn.tune(
    network,
    x[:300],
    y[:300],
    trials=5,
    space={
        "learning_rate": (0.02, 0.5, "log"),
        "weight_decay": (0.001, 0.2, "log"),
    },
)
columns = ["learning_rate", "weight_decay", "score"]
print(found.trials[columns].round(3).to_string())

# %%
network.fit(x[:300], y[:300])
for name, one in (
    ("as given", network),
    ("the best", found.best_estimator),
):
    print(f"R2 on 142 new rows, {name}: {one.score(x[300:], y[300:]):.2f}")

# %% [markdown]
# ## What to learn from it
#
# - The first trial is the estimator as it was given. The score is the RMSE on rows that
#   were left out; 77 would be the deviation of the target itself.
# - The validation rows have now chosen the settings too: believe the new rows, not the best
#   score. [Tune](../tune.md) has four sweeps that found nothing better for new rows.
# - Rates are Variables of the compiled loop, so all trials here share one program. Other
#   sizes compile anew.
# - `storage="trials.journal"` keeps the trials, resumes them, and lets several processes
#   share them. On the command line: `kerasnn tune table.csv --target y --trials 20`.
