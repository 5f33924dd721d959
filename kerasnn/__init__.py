"""kerasnn: neural networks on tables with TensorFlow and Keras.

The names below are loaded when they are first used: importing kerasnn loads neither
TensorFlow nor scikit-learn.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasnn import (
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
    from kerasnn.errors import (
        ExportError,
        InputError,
        InterruptedFitError,
        NonFiniteLossError,
    )
    from kerasnn.estimators import NetworkClassifier, NetworkRegressor, cross_validate
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
    "cross_validate",
    "datasets",
    "estimators",
    "evaluate",
    "export",
    "fit",
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

_HOME = {
    "ExportError": "kerasnn.errors",
    "InputError": "kerasnn.errors",
    "InterruptedFitError": "kerasnn.errors",
    "Model": "kerasnn.training",
    "NetworkClassifier": "kerasnn.estimators",
    "NetworkRegressor": "kerasnn.estimators",
    "NonFiniteLossError": "kerasnn.errors",
    "Sequential": "kerasnn.training",
    "Trainer": "kerasnn.training",
    "cross_validate": "kerasnn.estimators",
    "evaluate": "kerasnn.training",
    "export": "kerasnn.saving",
    "fit": "kerasnn.training",
    "load": "kerasnn.saving",
    "predict": "kerasnn.training",
    "tune": "kerasnn.tuning",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'kerasnn' has no attribute {name!r}")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    return importlib.import_module(f"kerasnn.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
