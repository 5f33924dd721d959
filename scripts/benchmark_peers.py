"""Who takes part in the benchmark, and in which of its works.

All of them begin with the same weights, shuffle the rows anew every epoch, train on the
short last batch, use Adam with the same numbers, and tell the same of each epoch: the
loss, and accuracy and validation where the work has them (`kerasnn.Trainer` always tells
the accuracy). In cross-validation ("cv") each begins and trains in its own way, and tells
the accuracy of each fold. The classes are in one module for each library, so that a
process loads no other; how they are timed is `benchmark_worker.py`'s.
"""

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from benchmark_works import Array, Work


class Peer(Protocol):
    """What the benchmark asks of each: `reset`, then `run`, then `outputs` if wanted."""

    def reset(self, seed: int) -> None:
        """Back to the weights of this seed and to an optimizer that remembers nothing."""

    def run(self, epochs: int) -> dict[str, float]:
        """Train; what the last epoch told. Compiles what is not compiled yet."""

    def outputs(self, x: Array) -> Array:
        """Logits or probabilities of the classes, or values, [rows, n_out].

        Of a cross-validation: the accuracies [folds] of the last run.
        """


@dataclass(frozen=True)
class Contender:
    """One line of the table.

    Attributes:
        name: as in `--only`.
        title: as in the table.
        peer: module and class.
        options: of the class.
        works: in which it takes part.
        needs: a package that kerasnn alone does not install.
        backend: of Keras, which is chosen when it is imported.
        epochs: of a timed run, if not the work's.
    """

    name: str
    title: str
    peer: str
    options: Mapping[str, Any] = field(default_factory=dict)
    works: tuple[str, ...] = ("digits", "fit-small", "fit-norm", "fit-middle")
    needs: str | None = None
    backend: Literal["tensorflow", "jax"] = "tensorflow"
    epochs: int | None = None

    def load(self) -> type:
        """Its class, and all that this imports."""
        module, name = self.peer.split(":")
        return getattr(importlib.import_module(module), name)

    def make(self, work: Work) -> Peer:
        """The peer itself, which has not seen its weights yet."""
        return self.load()(work, **self.options)

    @property
    def installed(self) -> bool:
        """Whether it can run here."""
        return self.needs is None or importlib.util.find_spec(self.needs) is not None

    @property
    def left_out_line(self) -> str:
        """Why it is not in the table, and the way out."""
        return f'{self.title}: not installed, left out (python -m pip install ".[bench]")'


DIGITS, CV = ("digits",), ("cv",)
FITS = ("fit-small", "fit-norm", "fit-middle")

TRAINER, FIT = "benchmark_kerasnn:KerasnnTrainer", "benchmark_kerasnn:KerasnnFit"
KERASNN_CV = "benchmark_kerasnn:KerasnnCrossValidation"
SKLEARN_CV = "benchmark_sklearn:SklearnCrossValidation"
KERAS, TORCH = "benchmark_keras:KerasFit", "benchmark_torch:TorchLoop"

CONTENDERS = (
    Contender("kerasnn-fit", "kerasnn fit", FIT),
    Contender("kerasnn-fit-xla", "kerasnn fit, xla", FIT, {"driver": "xla"}, FITS),
    Contender("kerasnn-fit-graph", "kerasnn fit, graph", FIT, {"driver": "graph"}, FITS),
    Contender("kerasnn-xla", "kerasnn Trainer, xla", TRAINER, {"driver": "xla"}, DIGITS),
    Contender(
        "kerasnn-graph", "kerasnn Trainer, graph", TRAINER, {"driver": "graph"}, DIGITS
    ),
    Contender("jax", "JAX lax.scan", "benchmark_jax:JaxScan", needs="jax"),
    Contender(
        "scikit-learn",
        "scikit-learn MLPClassifier",
        "benchmark_sklearn:SklearnMLP",
        works=DIGITS,
    ),
    Contender("torch", "PyTorch eager", TORCH, needs="torch"),
    Contender(
        "torch-2",
        "PyTorch eager, two threads",
        TORCH,
        {"threads": 2},
        ("fit-middle",),
        needs="torch",
    ),
    Contender("keras-jax", "Keras fit on JAX", KERAS, needs="jax", backend="jax"),
    Contender("keras", "Keras fit", KERAS),
    Contender("keras-jit", "Keras fit, jit_compile", KERAS, {"jit_compile": True}),
    Contender(
        "keras-epoch",
        "Keras fit, steps_per_execution=epoch",
        KERAS,
        {"epoch_per_call": True},
    ),
    Contender(
        "keras-epoch-jit",
        "Keras fit, the same and jit_compile",
        KERAS,
        {"epoch_per_call": True, "jit_compile": True},
        FITS,
    ),
    Contender(
        "kerasnn-eager",
        "kerasnn Trainer, eager",
        TRAINER,
        {"driver": "eager"},
        DIGITS,
        epochs=2,
    ),
    Contender("kerasnn-cv", "kerasnn cross_validate", KERASNN_CV, {"together": True}, CV),
    Contender(
        "scikit-learn-cv",
        "scikit-learn cross_val_score, 2 jobs",
        SKLEARN_CV,
        {"n_jobs": 2},
        CV,
    ),
    Contender(
        "kerasnn-cv-apart",
        "cross_val_score of NetworkClassifier",
        KERASNN_CV,
        {"together": False},
        CV,
    ),
)

# Whose time is 1 in the ratios.
BASELINES = {"digits": "kerasnn-xla", "cv": "kerasnn-cv"} | dict.fromkeys(
    FITS, "kerasnn-fit-xla"
)
