"""Of what PyTorch's exporter says, its remarks on itself are left out, and nothing else."""

import logging
import warnings

import pytest

from myodrive.export.quiet import REGISTRATION, without_remarks_on_itself

LEAF = "`isinstance(treespec, LeafSpec)` is deprecated, use `isinstance(treespec, TreeSpec)` instead."
TORCHVISION = "torchvision is not installed. Skipping %s"


@pytest.mark.filterwarnings("always")
def test_only_the_known_remarks_are_left_out(caplog):
    logger = logging.getLogger(REGISTRATION)
    with warnings.catch_warnings(record=True) as said, without_remarks_on_itself():
        warnings.warn(LEAF, FutureWarning, stacklevel=1)
        warnings.warn("# The axis name: batch shares the same shape constraints", UserWarning, stacklevel=1)
        warnings.warn("another thing goes away", FutureWarning, stacklevel=1)
        logger.warning(TORCHVISION, "torchvision::nms")
        logger.warning("another thing is missing")
    assert [str(warning.message) for warning in said] == ["another thing goes away"]
    assert caplog.messages == ["another thing is missing"]


@pytest.mark.filterwarnings("always")
def test_afterwards_everything_is_said_again(caplog):
    with pytest.raises(ValueError), without_remarks_on_itself():
        raise ValueError
    with pytest.warns(FutureWarning, match="LeafSpec"):
        warnings.warn(LEAF, FutureWarning, stacklevel=1)
    logging.getLogger(REGISTRATION).warning(TORCHVISION, "torchvision::nms")
    assert caplog.messages == ["torchvision is not installed. Skipping torchvision::nms"]
