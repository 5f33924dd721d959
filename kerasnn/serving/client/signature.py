"""Signatures of a served model, read from its metadata."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kerasnn.errors import ServerError


@dataclass(frozen=True)
class RemoteTensor:
    """An input or output.

    Attributes:
        name: as in requests.
        dtype: such as "DT_FLOAT".
        shape: sizes, -1 for any size; None if the rank is unknown.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None

    def __str__(self) -> str:
        shape = "any shape" if self.shape is None else str(list(self.shape))
        return f"{self.name!r} {self.dtype} {shape}"


@dataclass(frozen=True)
class RemoteSignature:
    """The inputs and outputs of a model, by name."""

    inputs: Mapping[str, RemoteTensor]
    outputs: Mapping[str, RemoteTensor]


def parse_signatures(metadata: Any) -> dict[str, RemoteSignature]:
    """Return the signatures by their keys.

    Args:
        metadata: the answer to GET /v1/models/NAME/metadata.

    Raises:
        ServerError: it has another form.
    """
    try:
        found = metadata["metadata"]["signature_def"]["signature_def"]
        return {
            key: RemoteSignature(_tensors(one.get("inputs")), _tensors(one.get("outputs")))
            for key, one in found.items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ServerError(
            "the server's metadata is not of TensorFlow Serving's form:"
            f" {type(error).__name__}: {error}"
        ) from None


def _tensors(infos: Any) -> dict[str, RemoteTensor]:
    # Protocol buffers may omit empty fields.
    return {
        name: RemoteTensor(name, info["dtype"], _shape(info.get("tensor_shape") or {}))
        for name, info in sorted((infos or {}).items())
    }


def _shape(shape: Mapping[str, Any]) -> tuple[int, ...] | None:
    if shape.get("unknown_rank"):
        return None
    return tuple(int(dim.get("size", 0)) for dim in shape.get("dim") or ())
