"""Search for better settings than the defaults, on Optuna.

space    ranges and choices of settings
journal  the study: kept in a file, shared by processes, resumed
sweep    the trials

It needs Optuna; in a checkout of kerasnn: python -m pip install ".[tune]".
"""

import importlib.util
import warnings

if importlib.util.find_spec("optuna") is None:
    raise ImportError(
        "kerasnn.tune needs Optuna. Install it, or, in a checkout of kerasnn, run"
        ' python -m pip install ".[tune]"'
    )
with warnings.catch_warnings():
    # Optuna's own bar, which is not shown, asks for ipywidgets in a notebook.
    warnings.filterwarnings("ignore", "IProgress not found")
    importlib.import_module("optuna")

from kerasnn.tuning.space import default_space
from kerasnn.tuning.sweep import tune
from kerasnn.tuning.tuned import Tuned

__all__ = ["Tuned", "default_space", "tune"]
