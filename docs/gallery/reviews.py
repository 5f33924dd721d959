"""An example of the gallery; scripts/build_gallery.py makes its page."""

# %% [markdown]
# # A column of text
#
# Reviews of a hotel, and whether the guest would come again. The texts are put together
# here from words that please and words that do not, with a few typing errors.

# %%
import numpy as np
import pandas as pd

from kerasnn import NetworkClassifier

rng = np.random.default_rng(0)
GOOD = ["friendly", "clean", "quiet", "lovely", "great", "comfortable"]
BAD = ["dirty", "noisy", "rude", "cold", "broken", "overpriced"]
THINGS = ["room", "staff", "breakfast", "bed", "view", "bathroom"]


def sentence(share_of_good):
    words = []
    for thing in rng.choice(THINGS, 3, replace=False):
        kind = GOOD if rng.random() < share_of_good else BAD
        words += ["the", thing, "was", rng.choice(kind)]
    text = " ".join(words)
    place = rng.integers(len(text))
    return text[:place] + text[place + 1 :]  # a letter is missing


n = 400
again = rng.random(n) < 0.5
reviews = pd.DataFrame(
    {
        "review": [sentence(0.8 if comes else 0.2) for comes in again],
        "nights": rng.integers(1, 8, n),
    }
)
print(reviews.head(3).to_string())

# %%
network = NetworkClassifier(quality="fast", epochs=12, random_state=0)
comes_again = pd.Series(np.where(again, "yes", "no"), name="comes again")
network.fit(reviews[:300], comes_again[:300])
print(network.schema_)
score = network.score(reviews[300:], comes_again[300:])
print(f"right in {score:.0%} of 100 new reviews")

# %%
new = pd.DataFrame(
    {
        "review": [
            "what a lovely quiet place",
            "noisy and dirty, never again",
        ],
        "nights": [2, 2],
    }
)
print(
    "probability of coming again:",
    network.predict_proba(new)[:, 1].round(2),
)

# %% [markdown]
# ## What to learn from it
#
# - Nothing was prepared: `review` was taken for text, because nearly every row differs and
#   has several words. The network gets 16 numbers of it, made of n-grams of characters, so
#   a word with a missing letter is still nearly the same word.
# - The guests of this table break their own rule in every fifth word: nobody can be right
#   in all of them.
# - Word order is lost: "not clean but quiet" and "not quiet but clean" look alike. For
#   meaning, put the numbers of a language model into columns.
#   [Tables](../tables.md#kinds-of-columns) has the other kinds.
