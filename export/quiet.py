"""Exporting from PyTorch without what its exporter says of itself, which tells the user nothing."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

REGISTRATION = "torch.onnx._internal.exporter._registration"  # the logger that misses torchvision
NO_TORCHVISION = "torchvision is not installed"
WARNINGS = (
    (UserWarning, r".*axis name.*shares the same shape constraints"),  # the axes are named so on purpose
    (FutureWarning, r".*isinstance\(treespec, LeafSpec\)"),  # PyTorch's own use of what it deprecates
)


@contextlib.contextmanager
def without_remarks_on_itself() -> Iterator[None]:
    """Leave out these and nothing else, while the exporter works."""
    logger = logging.getLogger(REGISTRATION)
    logger.addFilter(_tells)
    try:
        with warnings.catch_warnings():
            for category, message in WARNINGS:
                warnings.filterwarnings("ignore", message, category)
            yield
    finally:
        logger.removeFilter(_tells)


def _tells(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(NO_TORCHVISION)
