"""The graph of a decoder file: one linear map from a window of extended EMG to the sources of all units."""

from __future__ import annotations

import torch
from torch import Tensor


class LinearDecoder(torch.nn.Module):
    """Separation filters applied to a block of extended samples, ``sources = window @ filters``.

    Time stands on the rows. One output sample is then one row, a dot product whose order of additions depends on the
    number of columns only; with time on the columns the matrix kernels split the work differently for every block
    length, and most values change in their last bits.

    The block has a fixed number of rows, `myodrive.stream.decoder_file.BLOCK`, anchored to the count of samples and
    not to the hop. A kernel may choose another path for another shape (one row alone runs as a matrix-vector product,
    a GPU picks its tiles by shape), so only a fixed shape gives the same sources, bit for bit, whatever the hop.

    Parameters
    ----------
    filters : Tensor of float32, shape (extension * channels, units), 1/uV
        Scaled so that a mean spike of each source is 1 high.
    """

    filters: Tensor

    def __init__(self, filters: Tensor) -> None:
        super().__init__()
        self.register_buffer("filters", filters)

    def forward(self, window: Tensor) -> Tensor:
        """Sources of one block.

        Parameters
        ----------
        window : Tensor of float32, shape (block, extension * channels), uV
            Lag-major: columns [0, channels) are lag 0.

        Returns
        -------
        Tensor of float32, shape (block, units), 1 at a mean spike
        """
        return window @ self.filters  # (block, units)
