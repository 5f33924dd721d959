"""Every private name of Keras that `kerasnn.fit` needs, with the reason for it.

Two are TensorFlow's: the default writer of summaries and the global seed, which have no
public names.

No other module imports from `keras.src`, uses an attribute of Keras that begins with an
underscore, or replaces a function that Keras calls. `tests/test_keras_names.py` checks that
each name does what is expected here.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.tensorflow.trainer import TensorFlowTrainer
from keras.src.layers.convolutional.base_conv import BaseConv
from keras.src.layers.convolutional.base_conv_transpose import BaseConvTranspose
from keras.src.layers.convolutional.base_depthwise_conv import BaseDepthwiseConv
from keras.src.layers.convolutional.base_separable_conv import BaseSeparableConv
from keras.src.layers.rnn.conv_lstm import ConvLSTM
from keras.src.models.functional import Functional
from keras.src.trainers.data_adapters import array_slicing, get_data_adapter
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
from keras.src.trainers.data_adapters.data_adapter import DataAdapter
from keras.src.trainers.data_adapters.generator_data_adapter import GeneratorDataAdapter
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter
from keras.src.trainers.data_adapters.tf_dataset_adapter import TFDatasetAdapter
from keras.src.trainers.epoch_iterator import EpochIterator
from keras.src.trainers.trainer import model_supports_jit
from numpy.typing import NDArray
from tensorflow.python.eager import context
from tensorflow.python.ops import summary_ops_v2

# Keras's adapters check, cast and weight rows, and its epoch iterator counts batches, so
# errors, warnings and values are those of `Model.fit`. `Model.fit` takes an adapter as `x`,
# so a generator whose first batch was read is not lost.
__all__ = [
    "ArrayDataAdapter",
    "DataAdapter",
    "EpochIterator",
    "TFDatasetAdapter",
    "adapter_arrays",
    "adapter_shuffle",
    "all_layers",
    "assert_compiled",
    "attributes",
    "backdate_bars",
    "compiled_as",
    "default_summary_writer",
    "evaluate_in_order",
    "get_data_adapter",
    "has_convolution",
    "initial_epoch",
    "is_default",
    "is_plain",
    "keras_method",
    "layers_without_xla",
    "loss_tracker",
    "model_supports_jit",
    "peek",
    "replace_methods",
    "seeded_row_order",
    "split_validation",
    "symbolic_build",
    "tensorboard_needs_batches",
    "threefry_dropout",
]

_CONVOLUTIONS = (
    BaseConv,
    BaseConvTranspose,
    BaseDepthwiseConv,
    BaseSeparableConv,
    ConvLSTM,
)
_patching = threading.RLock()
# Keras defines these in a base class of `keras.Model`, where they are replaced. Packages
# that log trainings replace them on `keras.Model` itself, so both work together.
_METHODS = {name: vars(TensorFlowTrainer)[name] for name in ("fit", "evaluate", "predict")}


def keras_method(name: str) -> Callable[..., Any]:
    """Return Keras's `fit`, `evaluate` or `predict`, even if it has been replaced."""
    method: Callable[..., Any] = _METHODS[name]
    return method


def replace_methods(methods: Mapping[str, Callable[..., Any]]) -> None:
    """Give every Keras model these methods, and Keras's own where none is given."""
    for name, method in _METHODS.items():
        setattr(TensorFlowTrainer, name, methods.get(name, method))


# Attributes of Keras's objects that no trace depends on: trackers, names, records.
_BOOKKEEPING = frozenset(
    """
    _auto_config _call_signature _called _compile_config _distribute_strategy
    _distribution_strategy _eval_epoch_iterator _exclude_from_weight_decay_cache
    _initial_epoch _initial_seed _kerasnn_programs _lock _loss_ids _losses
    _losses_override _nodes _outbound_nodes _parent_path _path _resolved_output_names
    _tracked _tracker _trainable_variables_indices build history output_name
    output_names predict_function quantize stop_evaluating stop_predicting stop_training
    test_function train_function
    """.split()  # noqa: SIM905 - as a list it has 30 lines
)
_BOOKKEEPING_PREFIXES = ("_self_", "_saved_model_")


def attributes(value: Any) -> dict[str, Any]:
    """Return the attributes of one of Keras's objects that a trace may depend on."""
    if not hasattr(value, "__dict__"):
        return {n: getattr(value, n) for n in value.__slots__}
    # The name of a metric is its name in the logs.
    unused = set() if isinstance(value, keras.Metric | keras.Loss) else {"name"}
    if hasattr(value, "seed_generator"):  # its Variable was made from the seed
        unused |= {"seed"}
    return {
        name: part
        for name, part in vars(value).items()
        if name not in _BOOKKEEPING
        and name not in unused
        and not name.startswith(_BOOKKEEPING_PREFIXES)
    }


def is_plain(model: keras.Model) -> bool:
    """Return whether a model is of one of Keras's own classes, without code of the user."""
    return isinstance(model, keras.Sequential | Functional) and all(
        base.__module__.startswith(("keras.", "kerasnn."))
        for base in type(model).__mro__
        if issubclass(base, keras.Model)
    )


def assert_compiled(model: keras.Model, method: str) -> None:
    """Raise Keras's error for a model that is not compiled.

    Raises:
        ValueError: it is not compiled.
    """
    if isinstance(model, keras.Model):
        model._assert_compile_called(method)


def compiled_as(model: keras.Model) -> tuple[Any, ...]:
    """Return a value that differs once the traced steps of a model are outdated.

    It holds the identities of what `compile` and `make_train_function(force=True)` replace
    (Keras's guides say to call the latter after a change of `trainable`), and the dtype
    policies of the layers, which `quantize` changes.
    """
    names = ("_compile_config", "optimizer", "train_function")
    policies = tuple(layer.dtype_policy.name for layer in model._flatten_layers())
    return (*(_Identity(getattr(model, name, None)) for name in names), policies)


def default_summary_writer() -> Any:
    """Return a key of the writer that `tf.summary` now writes to; None without a writer.

    A graph keeps the writer of its trace. Callbacks such as TensorBoard set another.
    """
    writer = summary_ops_v2._summary_state.writer
    return None if writer is None else _Identity(writer)


class _Identity:
    """A wrapper that equals only wrappers of the same object.

    It holds the object, so that no other object gets the same id.
    """

    def __init__(self, wrapped: object) -> None:
        self.wrapped = wrapped

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.wrapped is other.wrapped

    def __hash__(self) -> int:
        return id(self.wrapped)


def initial_epoch(model: keras.Model) -> int | None:
    """Return the epoch at which `BackupAndRestore`, in on_train_begin, resumes a fit."""
    return getattr(model, "_initial_epoch", None)


def backdate_bars(callbacks: keras.callbacks.CallbackList, seconds: float) -> bool:
    """Backdate new progress bars so that they show how long a finished epoch took.

    Returns:
        Whether there is a bar.
    """
    bars = [c for c in callbacks.callbacks if isinstance(c, keras.callbacks.ProgbarLogger)]
    for bar in bars:
        bar.progbar._start -= seconds
    return bool(bars)


def evaluate_in_order(model: keras.Model, logs: dict[str, Any]) -> Any:
    """Return the metrics as `Model.evaluate` does: as a list, or the only one."""
    return model._flatten_metrics_in_order(logs)


def is_default(hook: Any) -> bool:
    """Return whether a callback's method is the empty one of `keras.callbacks.Callback`."""
    return getattr(hook, "_is_default", False)


def tensorboard_needs_batches(callback: keras.callbacks.TensorBoard) -> bool:
    """Return whether TensorBoard is set to write or profile within an epoch."""
    profiles = callback._start_batch or callback._stop_batch
    return bool(
        callback.update_freq != "epoch" or callback.write_steps_per_second or profiles
    )


def symbolic_build(model: keras.Model, batch: Any) -> None:
    """Create the missing Variables of a compiled model, without those of the optimizer.

    Args:
        model: compiled.
        batch: x, (x, y) or (x, y, sample_weight) of tensors, or specs of them.
    """
    attributes = vars(model)
    optimizer, attributes["optimizer"] = attributes["optimizer"], None
    try:
        model._symbolic_build(data_batch=batch)
    finally:
        attributes["optimizer"] = optimizer


def all_layers(model: keras.Model) -> list[keras.Layer]:
    """Return the layers of a model, at any depth."""
    return list(model._flatten_layers(include_self=False))


def split_validation(arrays: Any, fraction: float) -> tuple[Any, Any]:
    """Split off the last rows, with the checks and messages of `validation_split`."""
    return array_slicing.train_validation_split(arrays, validation_split=fraction)


def layers_without_xla(model: keras.Model) -> list[str]:
    """Return the names of the layers that Keras marks as not supported by XLA."""
    return [layer.name for layer in model._flatten_layers() if not layer.supports_jit]


def has_convolution(model: keras.Model) -> bool:
    """Return whether a layer of a model, even a nested one, is a convolution."""
    return any(isinstance(layer, _CONVOLUTIONS) for layer in model._flatten_layers())


def loss_tracker(model: keras.Model) -> keras.metrics.Mean:
    """Return the metric of a compiled model that holds the mean loss."""
    return model._loss_tracker


def peek(adapter: DataAdapter) -> Any | None:
    """Return the first batch, or its specs, without consuming it; None if that fails."""
    if isinstance(adapter, TFDatasetAdapter):
        return adapter.get_tf_dataset().element_spec
    if isinstance(adapter, GeneratorDataAdapter):
        return adapter._first_batches[0]
    if isinstance(adapter, PyDatasetAdapter):  # Keras makes the first batches twice, too
        return adapter._standardize_batch(adapter.py_dataset[0])
    return None


def adapter_arrays(adapter: ArrayDataAdapter) -> Any:
    """Return x, (x, y) or (x, y, sample_weight), floats cast to `keras.config.floatx()`.

    Leaves are NumPy arrays, or tensors, which may be ragged or sparse.
    """
    arrays = array_slicing.convert_to_sliceable(adapter._inputs, "tensorflow")
    return keras.tree.lists_to_tuples(keras.tree.traverse(_without_wrapper, arrays))


def seeded_row_order(adapter: DataAdapter) -> NDArray[np.int32] | None:
    """Return the row order of an epoch that TensorFlow's global seed decides, or None.

    With a global seed Keras's pipeline has the same order in every epoch and fit, because
    each begins with a new iterator. Without one, nobody can know the order.
    """
    if context.global_seed() is None or not isinstance(adapter, ArrayDataAdapter):
        return None
    if not adapter._shuffle or not adapter._num_samples:
        return None
    by_batch = adapter._shuffle == "batch"
    numbers = ArrayDataAdapter(
        np.arange(adapter._num_samples),
        batch_size=adapter._batch_size if by_batch else adapter._num_samples,
        shuffle=adapter._shuffle,
    )
    batches = [keras.tree.flatten(b)[0].numpy() for b in numbers.get_tf_dataset()]
    return np.concatenate(batches).astype(np.int32)


def _without_wrapper(value: Any) -> Any | None:
    """Return the sparse tensor in a wrapper of Keras; None for other values."""
    wrapped = isinstance(value, array_slicing.TensorflowSparseWrapper)
    return value.sparse if wrapped else None


def adapter_shuffle(adapter: ArrayDataAdapter) -> bool | str:
    """Return the adapter's `shuffle`: True, False or "batch"."""
    return adapter._shuffle


@contextlib.contextmanager
def threefry_dropout() -> Iterator[None]:
    """Context manager for a trace: Keras's dropout draws its masks with Threefry.

    XLA draws 4,096 numbers in 8 microseconds with Threefry and in 41 with Philox, the
    default. The masks differ, but have the same distribution. Keras calls
    `tf.nn.experimental.stateless_dropout` and has no argument for the generator, so that
    function is replaced until the trace ends. Calls of other threads are not changed;
    another thread that enters waits for the end.
    """
    module, thread = tf.nn.experimental, threading.get_ident()
    with _patching:
        original = module.stateless_dropout

        def stateless_dropout(*args: Any, **kwargs: Any) -> tf.Tensor:
            if threading.get_ident() == thread:
                kwargs.setdefault("rng_alg", "threefry")
            return original(*args, **kwargs)

        module.stateless_dropout = stateless_dropout
        try:
            yield
        finally:
            module.stateless_dropout = original
