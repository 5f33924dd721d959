"""Build SavedModels of many shapes, and count those that the policy of operations refuses.

Usage: python scripts/check_policy.py [--folder FOLDER] [--large]

The shapes: Keras layers in many settings and the applications with random weights,
written by `model.export` and by `tf.saved_model.save`; preprocessing with vocabularies;
modules with several signatures, lookup tables, loops, ragged and sparse tensors, images,
signals, random numbers; receivers of tf.Examples; TensorFlow 1 graphs. Each is also loaded.
--large adds the applications that take minutes. --folder checks the SavedModels below a
folder too. Exits with 1 if a model is refused or does not load.
"""

import argparse
import inspect
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from kerasnn.graphs.files import read_graph
from kerasnn.graphs.loading import check_policy, load_into, quiet_logger

Writer = Callable[[Path], None]  # of a SavedModel into a folder that is not there
Shape = tuple[str, Writer]

ROWS = tf.TensorSpec([None], tf.float32, name="x")
MATRIX = tf.TensorSpec([None, 8], tf.float32, name="x")
TEXTS = tf.TensorSpec([None], tf.string, name="text")
SMALL_APPLICATIONS = (
    *("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large"),
    *("EfficientNetB0", "EfficientNetV2B0", "DenseNet121", "NASNetMobile"),
    *("ResNet50", "ResNet50V2", "Xception", "ConvNeXtTiny", "InceptionV3", "VGG11"),
)
LARGE_APPLICATIONS = (
    *("VGG16", "VGG19", "InceptionResNetV2", "ResNet101", "EfficientNetB1"),
    *("EfficientNetB2", "EfficientNetV2S", "DenseNet169", "ConvNeXtSmall", "ResNet152V2"),
)


# --- Keras ------------------------------------------------------------------------------


def of_layers(name: str, shape: tuple[int | None, ...], *stack: Any) -> Iterator[Shape]:
    """Yield a model of some layers, exported by Keras."""

    def write(folder: Path) -> None:
        model = keras.Sequential([keras.Input(shape), *stack])
        model.export(folder, verbose=False)

    yield name, write


def dense_and_activations() -> Iterator[Shape]:
    """Yield dense layers with each activation, regulariser and normalisation."""
    for name, member in inspect.getmembers(keras.activations, inspect.isfunction):
        if name not in ("serialize", "deserialize", "get", "threshold", "glu"):
            yield from of_layers(f"dense {name}", (8,), layers.Dense(6, activation=member))
    for layer in (
        *(
            layers.BatchNormalization(),
            layers.LayerNormalization(),
            layers.UnitNormalization(),
        ),
        *(layers.GroupNormalization(2), layers.RMSNormalization(), layers.Dropout(0.5)),
        *(layers.GaussianNoise(0.1), layers.GaussianDropout(0.1), layers.AlphaDropout(0.1)),
        *(
            layers.PReLU(),
            layers.LeakyReLU(),
            layers.ELU(),
            layers.Softmax(),
            layers.ReLU(6),
        ),
        *(
            layers.ActivityRegularization(0.1),
            layers.Rescaling(2.0),
            layers.Reshape((2, 4)),
        ),
        *(
            layers.RepeatVector(3),
            layers.Flatten(),
            layers.SpectralNormalization(layers.Dense(3)),
        ),
        *(layers.Normalization(mean=0.0, variance=1.0), layers.Discretization([0.0, 1.0])),
        *(layers.Lambda(lambda x: x * 2), layers.EinsumDense("ab,bc->ac", 4)),
    ):
        yield from of_layers(f"layer {layer.name}", (8,), layer)


def convolutions() -> Iterator[Shape]:
    """Yield convolutions and pooling of one to three dimensions."""
    sizes = {1: (16, 4), 2: (16, 16, 4), 3: (8, 8, 8, 4)}
    for n, size in sizes.items():
        for padding, strides, dilation in (("same", 1, 1), ("valid", 2, 1), ("same", 1, 2)):
            settings = {"padding": padding, "strides": strides, "dilation_rate": dilation}
            label = f"{padding} {strides} {dilation}"
            conv = getattr(layers, f"Conv{n}D")
            yield from of_layers(f"conv{n}d {label}", size, conv(4, 3, **settings))
            if dilation == 1:
                transpose = getattr(layers, f"Conv{n}DTranspose")
                yield from of_layers(
                    f"transpose{n}d {label}", size, transpose(4, 3, **settings)
                )
            if n < 3:
                for kind in ("DepthwiseConv", "SeparableConv"):
                    made = getattr(layers, f"{kind}{n}D")
                    given = (3,) if kind == "DepthwiseConv" else (4, 3)
                    yield from of_layers(
                        f"{kind}{n}d {label}", size, made(*given, **settings)
                    )
        for kind in (
            "MaxPooling",
            "AveragePooling",
            "GlobalMaxPooling",
            "GlobalAveragePooling",
        ):
            given = () if "Global" in kind else (2,)
            layer = getattr(layers, f"{kind}{n}D")(*given)
            yield from of_layers(f"{kind}{n}d", size, layer)
        for kind in ("UpSampling", "ZeroPadding", "Cropping", "SpatialDropout"):
            given = (0.5,) if kind == "SpatialDropout" else ()
            yield from of_layers(
                f"{kind}{n}d", size, getattr(layers, f"{kind}{n}D")(*given)
            )


def sequences() -> Iterator[Shape]:
    """Yield recurrent layers, attention and embeddings, with fixed and open lengths."""
    cells = {"LSTM": layers.LSTM, "GRU": layers.GRU, "SimpleRNN": layers.SimpleRNN}
    for (name, kind), length, unroll, whole in itertools.product(
        cells.items(), (5, None), (False, True), (False, True)
    ):
        if unroll and length is None:
            continue
        layer = kind(4, unroll=unroll, return_sequences=whole)
        yield from of_layers(f"{name} {length} {unroll} {whole}", (length, 3), layer)
    for name, kind in cells.items():
        two = layers.Bidirectional(kind(4, return_sequences=True))
        yield from of_layers(f"bidirectional {name}", (None, 3), two, kind(2))
        masked = layers.Masking()
        yield from of_layers(f"masked {name}", (None, 3), masked, kind(4))
        backwards = kind(4, go_backwards=True, recurrent_dropout=0.1)
        yield from of_layers(f"backwards {name}", (6, 3), backwards)
    for n in (1, 2):
        shape = (4, *(8,) * n, 3)
        layer = getattr(layers, f"ConvLSTM{n}D")(2, 3)
        yield from of_layers(f"convlstm{n}d", shape, layer)
    yield from of_layers(
        "time distributed", (4, 8), layers.TimeDistributed(layers.Dense(2))
    )
    embedding = layers.Embedding(10, 4, mask_zero=True)
    yield from of_layers("embedding lstm", (None,), embedding, layers.LSTM(3))
    for name in ("Attention", "AdditiveAttention"):
        yield attention(name, getattr(layers, name)())
    yield attention("MultiHeadAttention", layers.MultiHeadAttention(2, 4))
    yield attention("GroupQueryAttention", layers.GroupQueryAttention(4, 4, 2))


def attention(name: str, layer: Any) -> Shape:
    """Return a model with an attention of a sequence on itself."""

    def write(folder: Path) -> None:
        x = keras.Input((6, 8))
        given = (x, x) if "Head" in name or "Query" in name else ([x, x],)
        keras.Model(x, layer(*given)).export(folder, verbose=False)

    return name, write


def merged() -> Iterator[Shape]:
    """Yield models with several inputs and outputs."""
    for name in (
        "Add",
        "Subtract",
        "Multiply",
        "Average",
        "Maximum",
        "Minimum",
        "Concatenate",
    ):

        def write(folder: Path, name: str = name) -> None:
            a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
            both = getattr(layers, name)()([a, b])
            keras.Model({"a": a, "b": b}, {"both": both, "a": a + 1}).export(
                folder, verbose=False
            )

        yield f"merge {name}", write


def preprocessing(folder: Path) -> Iterator[Shape]:
    """Yield Keras's preprocessing layers, some with vocabularies in files."""
    words = folder / "words.txt"
    words.write_text("red\ngreen\nblue\n", encoding="utf-8")
    for mode, source in itertools.product(
        ("int", "one_hot", "multi_hot", "count"), (str(words), ["red", "green"])
    ):
        yield of_texts(
            f"string lookup {mode} {type(source).__name__}",
            layers.StringLookup(vocabulary=source, output_mode=mode),
        )
    for mode in ("int", "multi_hot", "count"):
        for source in (str(words), ["red", "green"]):
            layer = layers.TextVectorization(vocabulary=source, output_mode=mode)
            yield of_texts(f"text {mode} {type(source).__name__}", layer)
    yield of_texts("inverse lookup", InverseLookup(str(words)))
    for mode in ("int", "one_hot"):
        yield of_texts(f"hashing {mode}", layers.Hashing(7, output_mode=mode))
        lookup = layers.IntegerLookup(vocabulary=[1, 5, 9], output_mode=mode)
        yield from of_layers(f"integer lookup {mode}", (1,), lookup)
    yield from of_layers("category encoding", (1,), layers.CategoryEncoding(4))
    image = (24, 24, 3)
    for layer in (
        *(layers.Resizing(12, 12), layers.CenterCrop(12, 12), layers.RandomCrop(12, 12)),
        *(layers.RandomFlip(), layers.RandomRotation(0.1), layers.RandomZoom(0.1)),
        *(layers.RandomContrast(0.1), layers.RandomBrightness(0.1)),
        *(layers.RandomTranslation(0.1, 0.1), layers.AutoContrast(), layers.Solarization()),
        *(layers.RandomGrayscale(), layers.RandomHue(0.1), layers.RandomSharpness(0.1)),
    ):
        yield from of_layers(f"image {layer.name}", image, layer)
    spectrogram = layers.MelSpectrogram(fft_length=64, sequence_stride=32)
    yield from of_layers("mel spectrogram", (512,), spectrogram)
    yield from of_layers("stft", (256, 1), layers.STFTSpectrogram(frame_length=32))


class InverseLookup(layers.Layer):
    """Texts to numbers and back."""

    def __init__(self, vocabulary: str) -> None:
        super().__init__()
        self._there = layers.StringLookup(vocabulary=vocabulary)
        self._back = layers.StringLookup(vocabulary=vocabulary, invert=True)

    def call(self, texts: Any) -> Any:
        """Return the texts of the vocabulary."""
        return self._back(self._there(texts))


def of_texts(name: str, layer: Any) -> Shape:
    """Return a model of one text a row."""

    def write(folder: Path) -> None:
        text = keras.Input((1,), dtype="string", name="text")
        keras.Model(text, layer(text)).export(folder, verbose=False)

    return name, write


def applications(names: tuple[str, ...]) -> Iterator[Shape]:
    """Yield Keras's applications with random weights."""
    for name in names:
        make = getattr(keras.applications, name, None)
        if make is None:
            continue

        def write(folder: Path, make: Any = make) -> None:
            size = 96 if "Inception" in make.__name__ or "Xception" in make.__name__ else 64
            model = make(weights=None, input_shape=(size, size, 3), include_top=False)
            model.export(folder, verbose=False)

        yield f"application {name}", write


def optimizers() -> Iterator[Shape]:
    """Yield compiled models that are saved whole, with what their training left."""
    for name in ("sgd", "adam", "rmsprop", "adamw", "adagrad", "nadam", "ftrl", "lion"):

        def write(folder: Path, name: str = name) -> None:
            model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
            model.compile(name, "mse")
            model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
            with quiet_logger():
                tf.saved_model.save(model, folder)

        yield f"compiled {name}", write


# --- modules of TensorFlow ----------------------------------------------------------------


def of_function(
    name: str, function: Callable[..., Any], *specs: tf.TensorSpec, **members: Any
) -> Shape:
    """Return a module with one signature."""

    def write(folder: Path) -> None:
        module = tf.Module()
        for key, value in members.items():
            setattr(module, key, value)
        module.serve = tf.function(
            lambda *tensors: function(*tensors), input_signature=specs
        )
        with quiet_logger():
            tf.saved_model.save(module, folder, {"serving_default": module.serve})

    return name, write


def elementwise() -> Iterator[Shape]:
    """Yield modules with functions of tf.math, tf.strings, tf.signal and others."""
    for name in (
        *("abs", "acosh", "angle", "asinh", "atan", "bessel_i0", "ceil", "cos", "digamma"),
        *("erf", "exp", "expm1", "floor", "is_finite", "l2_normalize", "lgamma", "log1p"),
        *(
            "cumsum",
            "cumprod",
            "reduce_std",
            "reduce_logsumexp",
            "rint",
            "rsqrt",
            "sigmoid",
        ),
        *("softplus", "sqrt", "square", "tan", "top_k", "argmax", "reciprocal_no_nan"),
        *("segment_sum", "zero_fraction", "cumulative_logsumexp", "ndtri", "xlogy"),
    ):
        operation = getattr(tf.math, name)
        if name == "segment_sum":
            yield of_function(
                "math segment_sum",
                lambda x: {"y": tf.math.segment_sum(x, tf.zeros_like(x, tf.int32))},
                ROWS,
            )
        elif name == "xlogy":
            yield of_function("math xlogy", lambda x: {"y": tf.math.xlogy(x, x)}, ROWS)
        else:
            yield of_function(
                f"math {name}",
                lambda x, operation=operation: {"y": tf.nest.flatten(operation(x))[0]},
                MATRIX,
            )
    for name, operation in {
        "lower": tf.strings.lower,
        "split": lambda t: tf.strings.split(t).to_tensor(),
        "regex": lambda t: tf.strings.regex_replace(t, "a+", "b"),
        "ngrams": lambda t: tf.strings.ngrams(tf.strings.split(t), 2).to_tensor(),
        "hash": lambda t: tf.strings.to_hash_bucket_fast(t, 9),
        "number": tf.strings.to_number,
        "unicode": lambda t: tf.strings.unicode_decode(t, "UTF-8").to_tensor(),
        "transcode": lambda t: tf.strings.unicode_transcode(t, "UTF-8", "UTF-16-BE"),
        "substr": lambda t: tf.strings.substr(t, 0, 2),
        "format": lambda t: tf.strings.format("{}", t),
        "join": lambda t: tf.strings.reduce_join(t),
        "base64": lambda t: tf.io.decode_base64(tf.io.encode_base64(t)),
        "raw": lambda t: tf.io.decode_raw(t, tf.uint8, fixed_length=8),
        "csv": lambda t: tf.io.decode_csv(t, [[0.0], [""]])[0],
        "json": lambda t: tf.io.decode_json_example(t),
        "compressed": lambda t: tf.io.decode_compressed(t, "GZIP"),
        "tensor": lambda t: tf.map_fn(
            lambda s: tf.io.parse_tensor(s, tf.float32), t, fn_output_signature=tf.float32
        ),
    }.items():
        yield of_function(
            f"strings {name}",
            lambda text, operation=operation: {"y": operation(text)},
            TEXTS,
        )


def images_and_signals() -> Iterator[Shape]:
    """Yield modules that decode and change images, and transform signals."""
    pictures = tf.TensorSpec([None, 16, 16, 3], tf.float32, name="x")
    decoders = {
        "png": tf.io.decode_png,
        "jpeg": tf.io.decode_jpeg,
        "bmp": tf.io.decode_bmp,
        "gif": tf.io.decode_gif,
        "any": lambda t: tf.io.decode_image(t, expand_animations=False),
        "wav": lambda t: tf.audio.decode_wav(t)[0],
    }
    for name, decode in decoders.items():
        yield of_function(
            f"decode {name}", lambda text, decode=decode: {"y": decode(text[0])}, TEXTS
        )
    for name, change in {
        "resize": lambda x: tf.image.resize(x, (8, 8)),
        "lanczos": lambda x: tf.image.resize(x, (8, 8), "lanczos5", antialias=True),
        "nearest": lambda x: tf.image.resize(x, (8, 8), "nearest"),
        "hue": lambda x: tf.image.adjust_hue(x, 0.1),
        "contrast": lambda x: tf.image.adjust_contrast(x, 0.1),
        "gray": tf.image.rgb_to_grayscale,
        "yuv": tf.image.rgb_to_yuv,
        "hsv": tf.image.rgb_to_hsv,
        "ssim": lambda x: tf.image.ssim(x, x, 1.0, filter_size=3),
        "patches": lambda x: tf.image.extract_patches(
            x, [1, 4, 4, 1], [1, 4, 4, 1], [1, 1, 1, 1], "SAME"
        ),
        "crop": lambda x: tf.image.random_crop(x, tf.shape(x)),
        "boxes": lambda x: tf.image.crop_and_resize(x, [[0.0, 0, 1, 1]], [0], [4, 4]),
        "nms": lambda x: tf.image.non_max_suppression(
            x[0, 0, :, :2] @ tf.ones([2, 4]), x[0, 0, :, 0], 3
        ),
        "combined": lambda x: tf.image.combined_non_max_suppression(
            tf.ones([1, 3, 1, 4]), tf.ones([1, 3, 2]), 2, 2
        )[0],
        "sobel": tf.image.sobel_edges,
        "png": lambda x: tf.io.encode_png(tf.cast(x[0], tf.uint8)),
    }.items():
        yield of_function(f"image {name}", lambda x, c=change: {"y": c(x)}, pictures)
    for name, change in {
        "stft": lambda x: tf.abs(tf.signal.stft(x, 4, 2)),
        "fft": lambda x: tf.abs(tf.signal.fft(tf.cast(x, tf.complex64))),
        "rfft": lambda x: tf.abs(tf.signal.irfft(tf.signal.rfft(x))),
        "dct": tf.signal.dct,
        "frame": lambda x: tf.signal.frame(x, 4, 2),
        "mfcc": tf.signal.mfccs_from_log_mel_spectrograms,
    }.items():
        yield of_function(f"signal {name}", lambda x, c=change: {"y": c(x)}, MATRIX)


def control_flow() -> Iterator[Shape]:
    """Yield modules with loops, conditions, maps, ragged, sparse and linear algebra."""
    for name, change in {
        "while": lambda x: tf.while_loop(
            lambda i, v: i < 3, lambda i, v: (i + 1, v * 2), (0, x)
        )[1],
        "cond": lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x, lambda: -x),
        "case": lambda x: tf.switch_case(tf.size(x) % 2, [lambda: x, lambda: -x]),
        "scan": lambda x: tf.scan(lambda a, v: a + v, x),
        "map": lambda x: tf.map_fn(tf.reduce_sum, x),
        "vectorized": lambda x: tf.vectorized_map(tf.reduce_sum, x),
        "foldl": lambda x: tf.foldl(tf.add, x),
        "ragged": lambda x: tf.RaggedTensor.from_tensor(x).to_tensor(),
        "ragged map": lambda x: tf.map_fn(
            lambda v: tf.range(3),
            x,
            fn_output_signature=tf.RaggedTensorSpec([None], tf.int32),
        ).to_tensor(),
        "sparse": lambda x: tf.sparse.to_dense(tf.sparse.from_dense(x)),
        "sparse matmul": lambda x: tf.sparse.sparse_dense_matmul(
            tf.sparse.from_dense(x), tf.ones([8, 2])
        ),
        "svd": lambda x: tf.linalg.svd(x)[0],
        "cholesky": lambda x: tf.linalg.cholesky(tf.eye(3) + tf.reduce_sum(x)),
        "einsum": lambda x: tf.einsum("ab,ab->a", x, x),
        "gather": lambda x: tf.gather(x, [0, 1], axis=1),
        "scatter": lambda x: tf.tensor_scatter_nd_update(x, [[0, 0]], [1.0]),
        "unique": lambda x: tf.unique(tf.reshape(x, [-1]))[0],
        "random": lambda x: x + tf.random.normal(tf.shape(x)),
        "stateless": lambda x: x + tf.random.stateless_uniform(tf.shape(x), (1, 2)),
        "categorical": lambda x: tf.random.categorical(x, 2),
        "print": lambda x: (tf.print(tf.size(x)), x)[1],
        "assert": lambda x: (tf.debugging.assert_all_finite(x, "x"), x)[1],
        "gradient": gradient,
        "quantized": lambda x: tf.quantization.fake_quant_with_min_max_args(x),
        "ctc": lambda x: tf.nn.ctc_greedy_decoder(x[:, None], [1])[1],
        "beam": lambda x: tf.nn.ctc_beam_search_decoder(x[:, None], [1])[1],
        "sampled": lambda x: tf.random.log_uniform_candidate_sampler([[1]], 1, 2, True, 9)[
            1
        ],
        "lu": lambda x: tf.linalg.lu(tf.eye(3) + tf.reduce_sum(x))[0],
        "bincount": lambda x: tf.math.bincount(tf.cast(x, tf.int32)),
        "histogram": lambda x: tf.histogram_fixed_width(x, [0.0, 1.0]),
        "edit": lambda x: tf.edit_distance(
            tf.sparse.from_dense(tf.cast(x, tf.int32)),
            tf.sparse.from_dense(tf.cast(x, tf.int32)),
        ),
        "bits": lambda x: tf.bitcast(x, tf.int32),
        "time": lambda x: x + tf.cast(tf.timestamp(), tf.float32),
        "top": lambda x: tf.math.approx_max_k(x, 2)[0],
    }.items():
        yield of_function(f"flow {name}", lambda x, c=change: {"y": c(x)}, MATRIX)
    for name, change in {
        "xla": tf.function(lambda x: tf.nn.relu(x) * 2, jit_compile=True),
        "loop": tf.function(autograph_loop),
    }.items():
        yield of_function(f"flow {name}", lambda x, c=change: {"y": c(x)}, MATRIX)
    array = lambda x: tensor_array(x)  # noqa: E731
    yield of_function("flow tensor array", lambda x: {"y": array(x)}, MATRIX)


def gradient(x: tf.Tensor) -> tf.Tensor:
    """Return a gradient that the graph computes."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(tf.nn.conv1d(x[:, :, None], tf.ones([3, 1, 2]), 1, "SAME") ** 2)
    return tape.gradient(y, x)


def autograph_loop(x: tf.Tensor) -> tf.Tensor:
    """Return a sum over rows, as a loop of the graph."""
    total = tf.zeros([8])
    for row in x:
        total += tf.where(row > 0, row, 0.0)
    return total


def tensor_array(x: tf.Tensor) -> tf.Tensor:
    """Return rows that went through a TensorArray."""
    array = tf.TensorArray(tf.float32, size=0, dynamic_size=True, clear_after_read=False)
    return array.write(0, x[0]).write(1, x[0]).stack()


def tables_and_state(folder: Path) -> Iterator[Shape]:
    """Yield modules with tables, variables, several signatures and tf.Examples."""
    words = folder / "words.txt"
    index, line = tf.lookup.TextFileIndex.LINE_NUMBER, tf.lookup.TextFileIndex.WHOLE_LINE

    def from_file(keys: Any, values: Any, *, asset: bool) -> Any:
        path = tf.saved_model.Asset(str(words)) if asset else str(words)
        of = {index: tf.int64, line: tf.string}
        default = -1 if of[values] == tf.int64 else "?"
        made = tf.lookup.TextFileInitializer(path, of[keys], keys, of[values], values)
        return made, tf.lookup.StaticHashTable(made, default), path

    for asset in (True, False):
        made, table, path = from_file(line, index, asset=asset)
        yield of_function(
            f"table of a file {asset}",
            lambda text, table=table: {"y": table.lookup(text)},
            TEXTS,
            **{"table": table, "made": made} | ({"path": path} if asset else {}),
        )
        made, table, path = from_file(index, line, asset=asset)
        yield of_function(
            f"inverse table of a file {asset}",
            lambda x, table=table: {"y": table.lookup(tf.cast(x, tf.int64))},
            ROWS,
            **{"table": table, "made": made} | ({"path": path} if asset else {}),
        )
    pairs = tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2])
    table = tf.lookup.StaticHashTable(pairs, 0)
    yield of_function("table", lambda text: {"y": table.lookup(text)}, TEXTS, table=table)
    buckets = tf.lookup.StaticVocabularyTable(
        tf.lookup.KeyValueTensorInitializer(["a"], tf.constant([0], tf.int64)), 3
    )
    yield of_function(
        "vocabulary", lambda text: {"y": buckets.lookup(text)}, TEXTS, table=buckets
    )
    mutable = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, 0)
    yield of_function(
        "mutable", lambda text: {"y": mutable.lookup(text)}, TEXTS, table=mutable
    )
    dense = tf.lookup.experimental.DenseHashTable(tf.string, tf.int64, 0, "", "-")
    yield of_function(
        "dense table", lambda text: {"y": dense.lookup(text)}, TEXTS, table=dense
    )
    counter = tf.Variable(0.0)
    yield of_function(
        "counter", lambda x: {"y": counter.assign_add(tf.reduce_sum(x))}, ROWS, c=counter
    )
    texts = tf.Variable(["a", "b"])
    yield of_function(
        "texts",
        lambda text: {"y": tf.gather(texts, tf.zeros_like(text, tf.int32))},
        TEXTS,
        t=texts,
    )
    generator = tf.random.Generator.from_seed(1)
    yield of_function(
        "generator", lambda x: {"y": x + generator.normal(tf.shape(x))}, ROWS, g=generator
    )
    yield "hub", hub_module
    for name, features in {
        "fixed": {"a": tf.io.FixedLenFeature([2], tf.float32)},
        "open": {
            "a": tf.io.VarLenFeature(tf.int64),
            "b": tf.io.FixedLenFeature([], tf.string),
        },
        "ragged": {"a": tf.io.RaggedFeature(tf.float32)},
        "sparse": {"a": tf.io.SparseFeature("i", "v", tf.float32, 9)},
        "sequence": {
            "a": tf.io.FixedLenSequenceFeature([], tf.float32, allow_missing=True)
        },
    }.items():
        yield of_function(f"examples {name}", receiver(features), TEXTS)


def receiver(features: Any) -> Callable[[tf.Tensor], Any]:
    """Return a function of tf.Examples, as estimators export it."""

    def serve(text: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(text, features)
        values = [v.values if hasattr(v, "values") else v for v in parsed.values()]
        return {
            f"y{i}": tf.as_string(v) if v.dtype != tf.string else v
            for i, v in enumerate(values)
        }

    return serve


def hub_module(folder: Path) -> None:
    """Write a module with several signatures and regularisers, as on TensorFlow Hub."""
    module = tf.Module()
    module.kernel = tf.Variable(tf.ones([8, 4]), name="kernel")
    module.regularization_losses = [tf.function(lambda: tf.nn.l2_loss(module.kernel), ())]
    module.__call__ = tf.function(lambda x, training=False: x @ module.kernel)
    encode = tf.function(lambda x: {"embedding": x @ module.kernel}, [MATRIX])
    scored = tf.function(
        lambda x: {"score": tf.reduce_mean(x @ module.kernel, 1)}, [MATRIX]
    )
    with quiet_logger():
        tf.saved_model.save(module, folder, {"serving_default": encode, "score": scored})


def tensorflow_1(folder: Path) -> Iterator[Shape]:
    """Yield graphs of TensorFlow 1, with its builder, variables, loops and tables."""
    v1 = tf.compat.v1
    words = folder / "words.txt"

    def with_table(x: tf.Tensor) -> tf.Tensor:
        made = tf.lookup.TextFileInitializer(
            str(words),
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
        )
        table = tf.lookup.StaticHashTable(made, "?")
        return table.lookup(tf.cast(x, tf.int64))

    def with_queue(x: tf.Tensor) -> tf.Tensor:
        queue = v1.FIFOQueue(10, tf.float32)
        with tf.control_dependencies([queue.enqueue(tf.reduce_sum(x))]):
            return queue.dequeue()

    for (name, build), resource in itertools.product(
        {
            "half plus two": lambda x: v1.get_variable("a", initializer=0.5) * x + 2.0,
            "loop": lambda x: tf.while_loop(
                lambda v: tf.reduce_sum(v) < 9, lambda v: (v + 1.0,), (x,)
            )[0],
            "condition": lambda x: tf.cond(tf.size(x) > 2, lambda: x, lambda: -x),
            "table": with_table,
            "queue": with_queue,
            "summary": lambda x: (v1.summary.scalar("s", tf.reduce_sum(x)), x * 2)[1],
            "examples": lambda x: (
                x
                + tf.io.parse_example(
                    v1.placeholder_with_default(tf.constant([b""]), [None]),
                    {"b": tf.io.FixedLenFeature([], tf.float32, 0.0)},
                )["b"][0]
            ),
            "partitioned": lambda x: (
                v1.get_variable(
                    "p", [4], partitioner=v1.fixed_size_partitioner(2)
                ).as_tensor()[0]
                * x
            ),
            "optimizer": trained,
        }.items(),
        (True, False),
    ):

        def write(folder: Path, build: Any = build, resource: bool = resource) -> None:
            with tf.Graph().as_default(), v1.Session() as session, quiet_logger():
                with v1.variable_scope("m", use_resource=resource):
                    x = v1.placeholder(tf.float32, [None], name="x")
                    y = build(x)
                session.run([v1.global_variables_initializer(), v1.tables_initializer()])
                v1.saved_model.simple_save(
                    session, str(folder), {"x": x}, {"y": y}, v1.tables_initializer()
                )

        yield f"v1 {name} {resource}", write


def trained(x: tf.Tensor) -> tf.Tensor:
    """Return a product, in a graph that also has an optimizer's step."""
    v1 = tf.compat.v1
    kernel = v1.get_variable("kernel", initializer=2.0)
    v1.train.AdamOptimizer().minimize((tf.reduce_sum(x) * kernel) ** 2)
    return x * kernel


# --- the check ----------------------------------------------------------------------------


def all_shapes(folder: Path, *, large: bool) -> Iterator[Shape]:
    """Yield all models; the folder has files that they read while they are built."""
    yield from dense_and_activations()
    yield from convolutions()
    yield from sequences()
    yield from merged()
    yield from preprocessing(folder)
    yield from optimizers()
    yield from elementwise()
    yield from images_and_signals()
    yield from control_flow()
    yield from tables_and_state(folder)
    yield from tensorflow_1(folder)
    yield from applications(SMALL_APPLICATIONS + LARGE_APPLICATIONS * large)


def judged(folder: Path) -> str:
    """Check and load a SavedModel; return what was refused, or ""."""
    try:
        saved = read_graph(folder)
        check_policy(saved)
        with tf.compat.v1.Session(graph=tf.Graph()) as session:
            load_into(session, saved)
    except tf.errors.PermissionDeniedError as error:
        return f"refused: {error.message}"
    except Exception as error:
        return f"does not load: {type(error).__name__}: {error}"
    return ""


def main() -> int:
    """Build, check and count; return 1 if a model is refused or does not load."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--folder", type=Path, help="where models of others are, to check too"
    )
    parser.add_argument("--large", action="store_true", help="also large applications")
    options = parser.parse_args()
    counts = {"checked": 0, "refused": 0, "not loaded": 0, "not built": 0}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for shape, write in all_shapes(work, large=options.large):
            keras.utils.clear_session(free_memory=False)
            try:
                write(work / "model")
            except Exception as error:
                counts["not built"] += 1
                print(f"{shape}: not built: {type(error).__name__}: {str(error)[:200]}")
                continue
            count(shape, judged(work / "model"), counts)
            shutil.rmtree(work / "model")
    for path in sorted(options.folder.rglob("saved_model.pb*")) if options.folder else []:
        count(str(path.parent), judged(path.parent), counts)
    print(", ".join(f"{number} {what}" for what, number in counts.items()))
    return int(any(number for what, number in counts.items() if what != "checked"))


def count(shape: str, verdict: str, counts: dict[str, int]) -> None:
    """Count a model that was checked, and print what is wrong with it."""
    counts["checked"] += 1
    if verdict:
        counts["refused" if verdict.startswith("refused") else "not loaded"] += 1
        print(f"{shape}: {verdict[:500]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
