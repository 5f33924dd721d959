"""An example of the gallery; scripts/build_gallery.py makes its page."""

# %% [markdown]
# # Churn, with reasons
#
# Which customers will leave, how sure is that, and why? The table is made here: customers
# leave if they called the hotline often, unless they have a contract of two years.

# %%
import numpy as np
import pandas as pd

from kerasnn import NetworkClassifier

rng = np.random.default_rng(0)
n = 600
customers = pd.DataFrame(
    {
        "months": rng.integers(1, 72, n),
        "contract": rng.choice(["monthly", "yearly", "two years"], n),
        "calls": rng.poisson(2, n),
        "charge": rng.normal(60, 15, n).round(2),
    }
)
customers.loc[::20, "charge"] = np.nan  # some cells are empty
risk = (
    1.2 * customers["calls"]
    - 3 * (customers["contract"] == "two years")
    - 2.5
)
left = np.where(rng.logistic(risk, 0.7) > 0, "left", "stayed")

network = NetworkClassifier(quality="fast", epochs=12, random_state=0)
network.fit(customers[:450], left[:450])
print(
    f"right in {network.score(customers[450:], left[450:]):.0%} of 150 new customers"
)

# %% [markdown]
# One customer, who called five times. The contributions are in logits (0 is as likely as
# not): with the mean answer they add up to the logit of "stayed", the second class.

# %%
one = pd.DataFrame(
    {"months": [6], "contract": ["monthly"], "calls": [5], "charge": [70.0]}
)
print(
    f"leaves with a probability of {network.predict_proba(one)[0, 0]:.2f}"
)
print(network.explain(one).T.round(1).to_string(header=False))

# %% [markdown]
# The same customer with a contract of two years:

# %%
other = one.assign(contract="two years")
print(
    f"leaves with a probability of {network.predict_proba(other)[0, 0]:.2f}"
)

# %% [markdown]
# ## What to learn from it
#
# - Numbers, texts and empty cells go in as they are.
# - The reasons say what the network does with a row, not what causes what: a longer contract
#   changes this answer, and nobody knows whether it would change the customer.
#   [Reasons](../explanations.md) says when not to believe them.
# - `network.export("saved_models/churn")` writes a file that answers with reasons, too.
