"""The simulated amplifier's samples in the formats and units of streams."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from myodrive.tools.amplifier_outlet import scaled


@given(st.floats(-30, 30), st.sampled_from([("float32", "mV"), ("double64", "uV"), ("int32", "uV"), ("int16", "none")]))
def test_a_value_comes_back_within_half_a_count(value_uv, how):
    dtype, unit = how
    in_uv = {"mV": 1e3, "uV": 1.0, "none": 0.5}[unit]
    got = scaled(np.full((1, 1), value_uv, np.float32), dtype, unit, 0.5 if unit == "none" else None)
    count = 0 if dtype.startswith(("float", "double")) else in_uv / 2
    assert abs(float(got[0, 0]) * in_uv - np.float32(value_uv)) <= count + 1e-5


def test_values_beyond_a_format_are_clipped_not_wrapped():
    got = scaled(np.array([[1e6, -1e6, np.nan]], np.float32), "int16", "uV")
    assert got.tolist() == [[32767, -32768, 0]]
