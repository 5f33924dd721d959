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
]


def assert_compiled(model: keras.Model, method: str) -> None:
    """Keras's own sentence for a model that was not compiled.

    Raises:
        ValueError: it was not.
    """
    if isinstance(model, keras.Model):
        model._assert_compile_called(method)


def compiled_as(model: keras.Model) -> tuple[Any, ...]:
    """Objects that are replaced when the model is compiled anew; None before that.

    `train_function` stands for `make_train_function(force=True)`, which Keras's guides
    tell to call after `trainable` was changed.
    """
    names = ("_compile_config", "train_function", "optimizer")
    return tuple(getattr(model, name, None) for name in names)


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


def split_validation(arrays: Any, fraction: float) -> tuple[Any, Any]:
    """The last rows set aside, with the checks and messages of `validation_split`."""
    return array_slicing.train_validation_split(arrays, validation_split=fraction)


def layers_without_xla(model: keras.Model) -> list[str]:
    """Names of the layers whose class says that XLA cannot compile them."""
    return [layer.name for layer in model._flatten_layers() if not layer.supports_jit]


def peek(adapter: DataAdapter) -> Any | None:
    """What a batch looks like, as far as that is known without taking one.

    Returns:
        Specs, or a batch that the adapter gives again; None if it would have to be made.
    """
    if isinstance(adapter, TFDatasetAdapter):
        return adapter.get_tf_dataset().element_spec
    if isinstance(adapter, GeneratorDataAdapter):
        return adapter._first_batches[0]
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
