"""Training: the step, the compiled loop around it, and `fit`, `evaluate`, `predict`.

`fit` checks the arguments and prepares the rows (`feeds`), the programs (`compiled`) and
the place where they run (`distribution`); then `epochs` runs chunks of steps, and calls
callbacks and hooks between them.

steps         one step, written to be read: forward, loss, gradients, update
learner       a `tf.Module` network with optimizer and metrics, used like a `keras.Model`
compiled/     the step over many batches in one call, under one of three drivers
feeds/        plans of epochs; rows in memory, on disk or in a stream, cut into chunks
callbacks/    Keras's callbacks, hooks of the loop, history, progress
checkpoints/  saving a run and resuming it
distribution/ this process alone, or the workers of a strategy
runner        runs chunks; `epochs`: the epochs of a fit
fit, evaluate, predict, trainer, keras_model: what users call
"""

from kerasnn.training.callbacks.history import History
from kerasnn.training.callbacks.progress import EpochBar, EpochLines
from kerasnn.training.distribution.workers import is_chief
from kerasnn.training.evaluate import evaluate
from kerasnn.training.feeds.plan import EpochPlan, make_plan
from kerasnn.training.fit import fit
from kerasnn.training.keras_model import CompiledEpochs, Model, Sequential
from kerasnn.training.learner import Learner
from kerasnn.training.optimizers import OPTIMIZERS, GradientDescent, make_optimizer
from kerasnn.training.predict import predict
from kerasnn.training.steps import predict_step, test_step, train_step
from kerasnn.training.trainer import Trainer

__all__ = [
    "OPTIMIZERS",
    "CompiledEpochs",
    "EpochBar",
    "EpochLines",
    "EpochPlan",
    "GradientDescent",
    "History",
    "Learner",
    "Model",
    "Sequential",
    "Trainer",
    "evaluate",
    "fit",
    "is_chief",
    "make_optimizer",
    "make_plan",
    "predict",
    "predict_step",
    "test_step",
    "train_step",
]
