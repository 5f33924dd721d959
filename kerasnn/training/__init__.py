"""How networks learn: the step, the plan of an epoch, the loop, and `fit`.

steps     one step, to be read: forward, loss, gradients, update
learner   a `tf.Module` network with optimizer and metrics, driven like a `keras.Model`
plan      which rows are in which batch, drawn on the host
loop      the step over whole epochs, under one of three drivers
trainer   `fit`, `evaluate` and `predict` around the loop
workers      the workers under `tf.distribute`; `dealing`, `distributed`: their steps
"""

from kerasnn.training.callbacks.history import History
from kerasnn.training.callbacks.progress import EpochLines, ProgressBar
from kerasnn.training.distribution.workers import is_chief
from kerasnn.training.fit import evaluate, fit
from kerasnn.training.keras_model import CompiledEpochs, Model, Sequential
from kerasnn.training.learner import Learner
from kerasnn.training.optimizers import OPTIMIZERS, GradientDescent, make_optimizer
from kerasnn.training.plan import EpochPlan, make_plan
from kerasnn.training.predict import predict
from kerasnn.training.steps import predict_step, test_step, train_step
from kerasnn.training.trainer import Trainer

__all__ = [
    "OPTIMIZERS",
    "CompiledEpochs",
    "EpochLines",
    "EpochPlan",
    "GradientDescent",
    "History",
    "Learner",
    "Model",
    "ProgressBar",
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
