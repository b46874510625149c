from evergreen.serving.metrics import BatchMetrics, Histogram, Metrics, State

NOW = State('a"b', "torch", ready=True, in_flight=3, queued=2)


def test_a_histogram_counts_up_to_each_bound_and_a_bound_is_within_it() -> None:
    histogram = Histogram((1, 2))
    for value in (0.5, 1, 2, 3):
        histogram.observe(value)
    assert histogram.lines("rows") == [
        'rows_bucket{le="1"} 2',
        'rows_bucket{le="2"} 3',
        'rows_bucket{le="+Inf"} 4',
        "rows_sum 6.500000",
        "rows_count 4",
    ]


def test_batches_are_told_apart_by_the_engine_that_computed_them() -> None:
    batches = BatchMetrics()
    for engine, rows in (("torch", 3), ("onnx-int8", 3), ("torch", 5)):
        batches.observe(engine, rows, 0.02)
    text = "\n".join(batches.lines())
    assert 'evergreen_batch_rows_sum{engine="torch"} 8' in text
    assert 'evergreen_batch_rows_count{engine="onnx-int8"} 1' in text
    assert 'evergreen_batch_seconds_bucket{engine="torch",le="0.025"} 2' in text


def test_every_sample_follows_the_type_of_its_name_and_labels_are_escaped() -> None:
    metrics = Metrics()
    metrics.refused["full"] += 2
    metrics.observe("predict", 200, 0.1)
    lines = metrics.render(NOW).splitlines()
    assert 'evergreen_model_ready{version="a\\"b",engine="torch"} 1' in lines
    assert 'evergreen_refused_total{reason="full"} 2' in lines
    assert {"evergreen_requests_in_flight 3", "evergreen_queue_depth 2"} <= set(lines)
    typed = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(typed) == len(set(typed))
    names = [line.partition("{")[0].split()[0] for line in lines if not line.startswith("#")]
    assert all(any(name.startswith(known) for known in typed) for name in names)
