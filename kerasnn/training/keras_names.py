"""Every name of Keras that is not public and that `kerasnn.fit` needs, with its reason.

Nothing else in the package imports from `keras.src` or touches an attribute of Keras that
begins with an underscore. `tests/test_keras_names.py` holds each of them to what we expect.
"""

from typing import Any

import keras
from keras.src.trainers.data_adapters import array_slicing, get_data_adapter
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
from keras.src.trainers.data_adapters.data_adapter import DataAdapter
from keras.src.trainers.data_adapters.generator_data_adapter import GeneratorDataAdapter
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter
from keras.src.trainers.data_adapters.tf_dataset_adapter import TFDatasetAdapter
from keras.src.trainers.epoch_iterator import EpochIterator
from keras.src.trainers.trainer import model_supports_jit

# Keras checks, casts and weights rows in its adapters, and counts batches in its epoch
# iterator: the same errors, warnings and values as `Model.fit`, written once. `Model.fit`
# takes an adapter as `x`, so that a generator that was looked at is not lost.
__all__ = [
    "ArrayDataAdapter",
    "DataAdapter",
    "EpochIterator",
    "TFDatasetAdapter",
    "adapter_arrays",
    "adapter_shuffle",
    "assert_compiled",
    "backdate_bars",
    "compiled_as",
    "evaluate_in_order",
    "get_data_adapter",
    "initial_epoch",
    "is_default",
    "layers_without_xla",
    "model_supports_jit",
    "peek",
    "split_validation",
    "symbolic_build",
    "tensorboard_needs_batches",
]


def assert_compiled(model: keras.Model, method: str) -> None:
    """Keras's own sentence for a model that was not compiled.

    Raises:
        ValueError: it was not.
    """
    if isinstance(model, keras.Model):
        model._assert_compile_called(method)


def compiled_as(model: keras.Model) -> tuple[Any, ...]:
    """What changes when a traced step is no longer that of the model.

    Returns:
        Identities of what `compile` and `make_train_function(force=True)` replace (Keras's
        guides tell to call that after `trainable` was changed), and the dtype policies of
        the layers, which `quantize` changes.
    """
    names = ("_compile_config", "optimizer", "train_function")
    policies = tuple(layer.dtype_policy.name for layer in model._flatten_layers())
    return (*(Identity(getattr(model, name, None)) for name in names), policies)


class Identity:
    """Equal to that of the same object only; keeps it, so that no other gets its id."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)


def initial_epoch(model: keras.Model) -> int | None:
    """Where `BackupAndRestore` says that training goes on; it is set in on_train_begin."""
    return getattr(model, "_initial_epoch", None)


def backdate_bars(callbacks: keras.callbacks.CallbackList, seconds: float) -> bool:
    """Let progress bars that have just begun show what an epoch took that is over.

    Returns:
        Whether there is one.
    """
    bars = [c for c in callbacks.callbacks if isinstance(c, keras.callbacks.ProgbarLogger)]
    for bar in bars:
        bar.progbar._start -= seconds
    return bool(bars)


def evaluate_in_order(model: keras.Model, logs: dict[str, Any]) -> Any:
    """The metrics as `Model.evaluate` returns them: a list, or the only one."""
    return model._flatten_metrics_in_order(logs)


def is_default(hook: Any) -> bool:
    """Whether a callback's method is the empty one of `keras.callbacks.Callback`."""
    return getattr(hook, "_is_default", False)


def tensorboard_needs_batches(callback: keras.callbacks.TensorBoard) -> bool:
    """Whether its settings make it write, or profile, within an epoch."""
    profiles = callback._start_batch or callback._stop_batch
    return bool(
        callback.update_freq != "epoch" or callback.write_steps_per_second or profiles
    )


def symbolic_build(model: keras.Model, batch: Any) -> None:
    """Make the Variables of a compiled model and its metrics that are not made yet.

    Args:
        model: compiled.
        batch: x, (x, y) or (x, y, sample_weight) of tensors, or specs of them.
    """
    model._symbolic_build(data_batch=batch)


def split_validation(arrays: Any, fraction: float) -> tuple[Any, Any]:
    """The last rows set aside, with the checks and messages of `validation_split`."""
    return array_slicing.train_validation_split(arrays, validation_split=fraction)


def layers_without_xla(model: keras.Model) -> list[str]:
    """Names of the layers whose class says that XLA cannot compile them."""
    return [layer.name for layer in model._flatten_layers() if not layer.supports_jit]


def peek(adapter: DataAdapter) -> Any | None:
    """What a batch looks like.

    Returns:
        Specs, or a batch that the adapter gives again; None if it would be lost.
    """
    if isinstance(adapter, TFDatasetAdapter):
        return adapter.get_tf_dataset().element_spec
    if isinstance(adapter, GeneratorDataAdapter):
        return adapter._first_batches[0]
    if isinstance(adapter, PyDatasetAdapter):  # Keras makes the first batches twice, too
        return adapter._standardize_batch(adapter.py_dataset[0])
    return None


def adapter_arrays(adapter: ArrayDataAdapter) -> Any:
    """x, (x, y) or (x, y, sample_weight), floats cast to `keras.config.floatx()`.

    Leaves are NumPy arrays or tensors; sparse ones come in a wrapper of Keras's.
    """
    arrays = array_slicing.convert_to_sliceable(adapter._inputs, "tensorflow")
    return keras.tree.lists_to_tuples(arrays)


def adapter_shuffle(adapter: ArrayDataAdapter) -> bool | str:
    """True, False or "batch"."""
    return adapter._shuffle
