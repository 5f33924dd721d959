"""kerasnn: neural networks on tables with TensorFlow and Keras.

Public names are loaded on first use: `import kerasnn` does not load TensorFlow or
scikit-learn. TensorFlow's start-up notices are hidden then; TF_CPP_MIN_LOG_LEVEL=0 shows
them.
"""

import importlib
from typing import TYPE_CHECKING, Any

from kerasnn.startup import accelerate_if_asked, prepare_xla_cache, quiet_import

if TYPE_CHECKING:
    from kerasnn import (
        acceleration,
        datasets,
        estimators,
        layers,
        losses,
        metrics,
        models,
        preprocessing,
        reference,
        reports,
        saving,
        training,
    )
    from kerasnn.acceleration import accelerate
    from kerasnn.errors import (
        ExportError,
        InputError,
        InterruptedFitError,
        NonFiniteLossError,
    )
    from kerasnn.estimators import NetworkClassifier, NetworkRegressor, cross_validate
    from kerasnn.many.fit_many import fit_many
    from kerasnn.saving import export, load
    from kerasnn.training.evaluate import evaluate
    from kerasnn.training.fit import fit
    from kerasnn.training.keras_model import Model, Sequential
    from kerasnn.training.predict import predict
    from kerasnn.training.trainer import Trainer
    from kerasnn.tuning import tune

__version__ = "0.1.0"

__all__ = [
    "ExportError",
    "InputError",
    "InterruptedFitError",
    "Model",
    "NetworkClassifier",
    "NetworkRegressor",
    "NonFiniteLossError",
    "Sequential",
    "Trainer",
    "__version__",
    "accelerate",
    "acceleration",
    "cross_validate",
    "datasets",
    "estimators",
    "evaluate",
    "export",
    "fit",
    "fit_many",
    "layers",
    "load",
    "losses",
    "metrics",
    "models",
    "predict",
    "preprocessing",
    "reference",
    "reports",
    "saving",
    "training",
    "tune",
]

_ROOMS = {
    "acceleration": ("accelerate",),
    "errors": ("ExportError", "InputError", "InterruptedFitError", "NonFiniteLossError"),
    "estimators": ("NetworkClassifier", "NetworkRegressor", "cross_validate"),
    "many": ("fit_many",),
    "saving": ("export", "load"),
    "training": ("Model", "Sequential", "Trainer", "evaluate", "fit", "predict"),
    "tuning": ("tune",),
}
_HOME = {name: f"kerasnn.{room}" for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'kerasnn' has no attribute {name!r}")
    with quiet_import():
        if name in _HOME:
            return getattr(importlib.import_module(_HOME[name]), name)
        return importlib.import_module(f"kerasnn.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)


prepare_xla_cache()
accelerate_if_asked(lambda: importlib.import_module("kerasnn.acceleration"))
