"""The bound on the bytes of all requests that are being received or answered."""

from kerasnn.serving.errors import Code, ServingError

SMALL_BYTES = 2**16  # of one request; such ones are always taken


class Held:
    """The bytes that one request holds, as a context; a generator would be half as fast.

    Args:
        owner: counts them.
    """

    def __init__(self, owner: "BytesInFlight") -> None:
        self._owner = owner
        self._bytes = 0

    def grow(self, size: int) -> None:
        """Count more bytes of the request.

        Raises:
            ServingError: UNAVAILABLE, all requests together have too many.
        """
        after = self._bytes + size
        if after > SMALL_BYTES and self._owner.bytes + size > self._owner.max_bytes:
            raise ServingError(
                Code.UNAVAILABLE,
                f"the requests in flight have {self._owner.bytes} bytes, and all together"
                f" may have {self._owner.max_bytes} (--max-bytes-in-flight); try again",
                retry_after_seconds=1,
            )
        self._bytes = after
        self._owner.bytes += size

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *_: object) -> None:
        self._owner.bytes -= self._bytes


class BytesInFlight:
    """A count of bytes, in one event loop.

    Args:
        max_bytes: of all requests; small ones are taken beyond it.

    Attributes:
        bytes: of the requests that are being received or answered.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0

    def request(self) -> Held:
        """Return a context that holds the bytes of one request until it ends."""
        return Held(self)
