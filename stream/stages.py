"""What stands between window and detector and is exchanged whole when channels are masked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cancel import terms_of
from .decoder_file import BLOCK, Decoder
from .detect import Terms
from .errors import OptionError
from .masking import Mask, Masking
from .onnx_fields import Array
from .onnx_file import read_onnx
from .session import SourceSession
from .whiten import Whitener


@dataclass(frozen=True)
class Stages:
    """Filters that run, and what the detector holds of them.

    Attributes
    ----------
    bad : ndarray of bool, shape (channels,)
        Channels that the filters leave out.
    session : SourceSession
    whitener : Whitener or None
        The stage before the session, where whitening is one.
    terms : Terms
    """

    bad: NDArray[np.bool_]
    session: SourceSession
    whitener: Whitener | None
    terms: Terms

    @property
    def window(self) -> NDArray[np.float32]:
        """Where extended samples go in."""
        return self.session.window if self.whitener is None else self.whitener.window


class StageMaker:
    """Makes the stages of a decoder, with all of its channels or some.

    Parameters
    ----------
    decoder : Decoder
    whitening : {"folded", "staged"}
    provider : {"cpu", "cuda"}

    Attributes
    ----------
    whole : Stages
        With all channels.
    channels : int
    fs_hz : float
    refusal : str
        Why channels cannot be masked with this decoder, or "".
    """

    def __init__(self, decoder: Decoder, whitening: str, provider: str) -> None:
        if whitening not in ("folded", "staged"):
            raise OptionError(f'whitening "{whitening}" is unknown: choose folded or staged')
        info = decoder.info
        self.channels = len(info.channels.index)
        self.fs_hz = info.fs_hz
        self._decoder = decoder
        self._provider = provider
        self._units = len(info.units)
        self._before = info.detector.cancellation.before if info.detector.cancellation is not None else 0
        self._masking = Masking(decoder)
        self.refusal = self._masking.refusal
        small: dict[str, Array] = {
            name: np.zeros((1, 1), np.float32) for name in decoder.model.initializers if name != "filters"
        }
        self._graph = read_onnx(decoder.model.with_changes(small, None, {}), decoder.path)  # to be filled in quickly
        none = np.zeros(self.channels, np.bool_)
        threshold = np.array([unit.threshold for unit in info.units], np.float32)
        weight = np.array(info.detector.cancellation.weight) if info.detector.cancellation is not None else None
        terms = terms_of(threshold, decoder.responses, weight, self._before)
        if whitening == "folded":
            session = SourceSession(decoder.model.raw, len(decoder.filters), self._units, provider)
            self.whole = Stages(none, session, None, terms)
        else:
            session = self._session(decoder.separation_vectors)
            self.whole = Stages(none, session, Whitener(decoder.whitening, session.window), terms)

    def __call__(self, bad: NDArray[np.bool_]) -> Stages:
        """The stages without the channels `bad`, bool (channels,); takes a while.

        Raises
        ------
        DecoderError
            It cannot be done.
        """
        if not bad.any():
            return self.whole
        mask = self._masking(bad)
        threshold = mask.threshold.astype(np.float32)
        terms = terms_of(threshold, mask.responses, mask.weight, self._before)
        if self.whole.whitener is None:
            return Stages(bad, self._session(mask.filters), None, terms)
        out = self._masking.rows(bad)
        session = self._session(self._behind_whitening(mask, out))
        return Stages(bad, session, self.whole.whitener.without(out, session.window), terms)

    def _session(self, filters: NDArray[np.float32]) -> SourceSession:
        shapes: dict[str, tuple[int, ...]] = {"window": (BLOCK, len(filters)), "sources": (BLOCK, self._units)}
        graph = self._graph.with_changes({"filters": filters}, None, shapes)
        return SourceSession(graph, len(filters), self._units, self._provider)

    def _behind_whitening(self, mask: Mask, out: NDArray[np.bool_]) -> NDArray[np.float32]:
        """The masked filters as separation vectors ``v``: with ``P = H H'`` they are ``H_s (v - H_b' correction)``."""
        decoder = self._decoder
        vectors = decoder.separation_vectors - decoder.whitening[out].T.astype(np.float64) @ mask.correction
        scale = np.where(np.isinf(mask.threshold), 0.0, 1.0 / np.maximum(mask.kept, np.finfo(np.float64).tiny))
        return np.ascontiguousarray(vectors * scale, np.float32)
