"""vLLM's page of metrics: what it says now, what it used to say, and what it cannot make us believe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.metrics_text import ServerLoad, read

# As vLLM 0.32 writes it, shortened.
PAGE = b"""\
# HELP python_gc_objects_collected_total Objects collected during gc
# TYPE python_gc_objects_collected_total counter
python_gc_objects_collected_total{generation="0"} 12345.0
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="served-model"} 3.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="served-model"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 77.0
# HELP vllm:kv_cache_usage_perc KV-cache usage. 1 means 100 percent usage.
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="served-model"} 0.25
vllm:prefix_cache_queries_total{engine="0",model_name="served-model"} 52.0
"""


def test_the_three_gauges_are_read():
    assert read(PAGE) == ServerLoad(3.0, 2.0, 0.25)


@pytest.mark.parametrize(
    ("page", "load"),
    [
        (PAGE.replace(b"kv_cache", b"gpu_cache"), ServerLoad(3.0, 2.0, 0.25)),
        (PAGE.replace(b"vllm:", b"vllm_"), ServerLoad(3.0, 2.0, 0.25)),
        (PAGE.replace(b"\n", b"\r\n"), ServerLoad(3.0, 2.0, 0.25)),
        # Two engines: their requests add up, and the fuller cache is the one that counts.
        (PAGE + PAGE.replace(b'"0"', b'"1"').replace(b"0.25", b"0.75"), ServerLoad(6.0, 4.0, 0.75)),
        (b"vllm:num_requests_running 4", ServerLoad(4.0, 0.0, None)),
        (b"vllm:num_requests_running 4 1764000000000\n", ServerLoad(4.0, 0.0, None)),
        (b"vllm:num_requests_waiting\t1e1\n", ServerLoad(0.0, 10.0, None)),
        (b'vllm:num_requests_running{model="a } b 9"} 4\n', ServerLoad(4.0, 0.0, None)),
        (b"vllm:num_requests_running 4\nvllm:kv_cache_usage_perc 1.7\n", ServerLoad(4.0, 0.0, 1.0)),
        (b"vllm:num_requests_running nonsense\nvllm:num_requests_running 2\n", ServerLoad(2.0, 0.0, None)),
        # The newer name has the word where a server writes both.
        (b"vllm:num_requests_waiting 1\nvllm:gpu_cache_usage_perc 0.9\nvllm:kv_cache_usage_perc 0.1\n",
         ServerLoad(0.0, 1.0, 0.1)),
        (b"vllm:num_requests_running NaN\n", None),
        (b"vllm:num_requests_running +Inf\n", None),
        (b"vllm:num_requests_running -1\n", None),
        # Two such would be infinite together, and there is no share of that to balance by.
        (b"vllm:num_requests_running 1e308\n", None),
        (b"# vllm:num_requests_running 1\n", None),
        (b"xvllm:num_requests_running 1\n", None),
        (b"vllm:kv_cache_usage_perc 0.5\n", None),
        (b"<html>not found</html>", None),
        (b"", None),
    ],
)  # fmt: skip
def test_pages_as_they_come(page, load):
    assert read(page) == load


@given(st.binary(max_size=300), st.integers(0, 900), st.binary(max_size=20))
def test_nothing_on_a_page_can_raise_and_no_number_is_out_of_bounds(noise, cut, more):
    load = read(PAGE[:cut] + noise + PAGE[cut:] + more)
    assert load is None or (load.running >= 0 and load.waiting >= 0 and (load.cache_share or 0) <= 1)
