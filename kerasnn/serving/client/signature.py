"""What a served model takes and gives, read from its metadata."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kerasnn.errors import ServerError


@dataclass(frozen=True)
class RemoteTensor:
    """An input or output.

    Attributes:
        name: that a request uses.
        dtype: such as "DT_FLOAT".
        shape: sizes, -1 where any; None where even the rank is open.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None

    def __str__(self) -> str:
        shape = "any shape" if self.shape is None else str(list(self.shape))
        return f"{self.name!r} {self.dtype} {shape}"


@dataclass(frozen=True)
class RemoteSignature:
    """The inputs and outputs of a model, by their names."""

    inputs: Mapping[str, RemoteTensor]
    outputs: Mapping[str, RemoteTensor]


def parse_signatures(metadata: Any) -> dict[str, RemoteSignature]:
    """The signatures by their keys.

    Args:
        metadata: what the server answers to GET /v1/models/NAME/metadata.

    Raises:
        ServerError: it is not of that form.
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
    # Protocol buffers may leave out what is empty.
    return {
        name: RemoteTensor(name, info["dtype"], _shape(info.get("tensor_shape") or {}))
        for name, info in sorted((infos or {}).items())
    }


def _shape(shape: Mapping[str, Any]) -> tuple[int, ...] | None:
    if shape.get("unknown_rank"):
        return None
    return tuple(int(dim.get("size", 0)) for dim in shape.get("dim") or ())
