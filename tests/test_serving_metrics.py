import threading

import pytest

from kerasnn.serving.errors import Code
from kerasnn.serving.metrics import Metrics, resident_memory_bytes
from kerasnn.serving.prometheus import Counter, CounterByLabels, Gauge, Histogram


def samples(text):
    """The lines that hold numbers, as a dict."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (x.rpartition(" ") for x in lines)}


# --- the text form ------------------------------------------------------------------


def test_a_counter_counts_by_its_labels():
    counter = Counter("n", "How many.", ("model_name", "status"))
    for values in (("b", "OK"), ("a", "OK"), ("b", "OK")):
        counter.add(values)
    assert counter.lines() == [
        "# HELP n How many.",
        "# TYPE n counter",
        'n{model_name="a",status="OK"} 1',
        'n{model_name="b",status="OK"} 2',
    ]


def test_counts_that_are_read_have_all_their_labels():
    counts = {("a", 'say "x"'): 2, ("b", "y"): 0}
    counter = CounterByLabels(
        "n_total", "How many.", ("model_name", "column"), lambda: counts
    )
    assert counter.lines() == [
        "# HELP n_total How many.",
        "# TYPE n_total counter",
        'n_total{model_name="a",column="say \\"x\\""} 2',
        'n_total{model_name="b",column="y"} 0',
    ]


def test_a_histogram_counts_up_from_bucket_to_bucket():
    histogram = Histogram("h", "How large.", ("m",), (1.0, 1.8, 10.0))
    for size in (0.5, 1.0, 1.5, 10.5):
        histogram.observe(("x",), size)
    assert histogram.lines() == [
        "# HELP h How large.",
        "# TYPE h histogram",
        'h_bucket{m="x",le="1"} 2',  # what is as large as the limit is in it
        'h_bucket{m="x",le="1.8"} 3',
        'h_bucket{m="x",le="10"} 3',
        'h_bucket{m="x",le="+Inf"} 4',
        'h_sum{m="x"} 13.5',
        'h_count{m="x"} 4',
    ]


def test_labels_cannot_break_out_of_their_line():
    counter = Counter("n", "How many.", ("m",))
    counter.add(('a"b\\c\nd\ud800',))
    assert counter.lines()[2:] == [r'n{m="a\"b\\c\nd?"} 1']


def test_a_reading_is_asked_each_time_and_may_not_know():
    numbers = iter((1, 2.5, None))
    reading = Gauge("now", "What is.", lambda: next(numbers))
    assert reading.lines() == ["# HELP now What is.", "# TYPE now gauge", "now 1"]
    assert reading.lines()[2:] == ["now 2.5"]
    assert reading.lines() == []


def test_what_only_grows_is_a_counter():
    reading = Gauge("cpu_total", "Used.", lambda: 1)
    assert reading.lines()[1] == "# TYPE cpu_total counter"


# --- what the server counts -----------------------------------------------------------


def observed(**changed):
    metrics = Metrics()
    settings = {"api": "Predict", "entrypoint": "REST", "status": Code.OK} | changed
    metrics.observe_request(model="half", seconds=0.0005, **settings)
    return samples(metrics.text())


def test_requests_are_counted_under_the_names_of_tensorflow_serving():
    found = observed()
    assert found[':tensorflow:serving:request_count{model_name="half",status="OK"}'] == 1
    labels = 'model_name="half",API="Predict",entrypoint="REST"'
    name = ":tensorflow:serving:request_latency"
    assert found[f"{name}_count{{{labels}}}"] == 1
    assert found[f"{name}_sum{{{labels}}}"] == 500  # microseconds
    # 10 * 1.8^6 = 340 and 10 * 1.8^7 = 612
    assert found[f'{name}_bucket{{{labels},le="340.122"}}'] == 0
    assert found[f'{name}_bucket{{{labels},le="612.22"}}'] == 1


@pytest.mark.parametrize("code", Code)
def test_each_status_is_counted_by_its_name(code):
    count = f':tensorflow:serving:request_count{{model_name="half",status="{code.name}"}}'
    assert observed(status=code)[count] == 1


def test_the_buckets_go_from_10_microseconds_to_over_20_minutes():
    bounds = [
        line.split('le="')[1].split('"')[0]
        for line in with_one_request().text().splitlines()
        if line.startswith(":tensorflow:serving:request_latency_bucket")
    ]
    assert len(bounds) == 34
    assert bounds[:4] == ["10", "18", "32.4", "58.32"]
    assert float(bounds[-2]) / 60e6 > 20
    assert bounds[-1] == "+Inf"


def with_one_request():
    metrics = Metrics()
    metrics.observe_request(
        model="m", api="Predict", entrypoint="GRPC", status=Code.OK, seconds=1
    )
    return metrics


def test_a_call_of_a_graph_counts_its_time_rows_and_requests():
    metrics = Metrics()
    metrics.observe_runtime(model="half", seconds=0.001, rows=48, requests=3)
    found = samples(metrics.text())
    name = ':tensorflow:serving:runtime_latency_sum{model_name="half",runtime="TF1"}'
    assert found[name] == 1000
    assert found['kerasnn_batch_rows_sum{model_name="half"}'] == 48
    assert found['kerasnn_batch_rows_bucket{model_name="half",le="32"}'] == 0
    assert found['kerasnn_batch_rows_bucket{model_name="half",le="64"}'] == 1
    assert found['kerasnn_batch_requests_sum{model_name="half"}'] == 3


def test_a_warm_up_counts_its_time():
    metrics = Metrics()
    metrics.observe_warm_up(model="half", seconds=0.25)
    name = ':tensorflow:serving:model_warmup_latency_sum{model_name="half",status="OK"}'
    assert samples(metrics.text())[name] == 250_000


def test_the_process_tells_its_start_its_memory_and_its_time():
    found = samples(Metrics().text())
    assert found["process_start_time_seconds"] > 1.7e9
    assert found["process_resident_memory_bytes"] > 50e6  # TensorFlow is loaded
    assert found["process_cpu_seconds_total"] > 0


def test_memory_is_not_told_where_the_system_has_no_proc(monkeypatch):
    def read_text(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr("pathlib.Path.read_text", read_text)
    assert resident_memory_bytes() is None


def test_a_reading_of_others_is_shown():
    metrics = Metrics()
    metrics.add_gauge("kerasnn_requests_waiting", "Requests that wait.", lambda: 7)
    assert samples(metrics.text())["kerasnn_requests_waiting"] == 7


def test_a_number_of_each_model_is_read_when_it_is_asked_for():
    metrics = Metrics()
    metrics.add_gauge_by_model("kerasnn_calls_overdue", "Calls.", lambda: {"b": 1, "a": 0})
    lines = [line for line in metrics.text().splitlines() if "overdue" in line]
    assert lines == [
        "# HELP kerasnn_calls_overdue Calls.",
        "# TYPE kerasnn_calls_overdue gauge",
        'kerasnn_calls_overdue{model_name="a"} 0',
        'kerasnn_calls_overdue{model_name="b"} 1',
    ]


def test_no_count_is_lost_between_threads():
    metrics = Metrics()

    def observe():
        for _ in range(1000):
            metrics.observe_runtime(model="m", seconds=1e-6, rows=1, requests=1)

    threads = [threading.Thread(target=observe) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = samples(metrics.text())
    assert found['kerasnn_batch_rows_count{model_name="m"}'] == 8000
    assert found['kerasnn_batch_rows_sum{model_name="m"}'] == 8000
