"""The bytes of all requests together have a bound."""

import pytest

from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.in_flight import SMALL_BYTES, BytesInFlight


def test_bytes_count_until_the_request_is_answered():
    in_flight = BytesInFlight(10 * SMALL_BYTES)
    with in_flight.request() as first:
        first.grow(7 * SMALL_BYTES)
        with in_flight.request() as second:
            second.grow(2 * SMALL_BYTES)
            with pytest.raises(ServingError) as error:
                second.grow(2 * SMALL_BYTES)
            assert (error.value.code, error.value.retry_after_seconds) == (
                Code.UNAVAILABLE,
                1,
            )
            assert error.value.message == (
                "the requests in flight have 589824 bytes, and all together may have 655360"
                " (--max-bytes-in-flight); try again"
            )
        assert in_flight.bytes == 7 * SMALL_BYTES
    assert in_flight.bytes == 0


def test_small_requests_are_taken_beyond_the_bound():
    in_flight = BytesInFlight(SMALL_BYTES)
    with in_flight.request() as large, in_flight.request() as small:
        large.grow(SMALL_BYTES)
        small.grow(SMALL_BYTES - 1)
        small.grow(1)
        with pytest.raises(ServingError):
            small.grow(1)
        assert in_flight.bytes == 2 * SMALL_BYTES
