"""ONNX Runtime, told before it starts to keep what it sees to itself. Everybody imports it from here.

Since 1.29 its official builds send the names and shapes of models, timings and a device number to their maker over
HTTPS, and keep a database of it in the user's cache folder (its Privacy.md). What is recorded from people's muscles is
no business of a library. The variable counts before the first import only; whoever wants to be counted sets it to 0.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

onnxruntime.disable_telemetry_events()  # the builds that do not read the variable: before 1.31 on Windows

__all__ = ["onnxruntime"]
