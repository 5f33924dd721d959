"""Many Keras models on the same rows, several at a time."""

from kerasnn.many.fit_many import fit_many
from kerasnn.many.result import ManyFits

__all__ = ["ManyFits", "fit_many"]
