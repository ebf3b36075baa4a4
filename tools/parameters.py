"""Which parameter model a live session takes: the one asked for, the shipped one, or none, and why."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from ..stream.decoder_file import Decoder
from ..stream.errors import ParameterModelError
from ..stream.parameter_file import ParameterFile, misfit, read_parameter_file
from ..stream.parameter_model import ParameterModel
from .parameter_trial import try_apart

SHIPPED = Path(__file__).parents[1] / "models" / "weights" / "parameters.onnx"
NONE = "none"


@dataclass(frozen=True)
class ChosenModel:
    """A parameter model made ready for a decoder's array, or why there is none.

    Attributes
    ----------
    model : ParameterModel or None
    line : str
        For the user, when the session starts.
    why_none : str
        For the subscribers; empty where there is a model.
    file : ParameterFile or None
        The model's.
    """

    model: ParameterModel | None
    line: str
    why_none: str
    file: ParameterFile | None = None


def add_params(parser: argparse.ArgumentParser) -> None:
    """The option --params."""
    parser.add_argument(
        "--params", metavar="MODEL", help='parameter model for the live parameters (the shipped one), "none" for none'
    )


def choose_model(asked: str | None, decoder: Decoder) -> ChosenModel:
    """The parameter model for a decoder.

    Parameters
    ----------
    asked : str or None
        A file, "none", or None for the shipped model.
    decoder : Decoder

    Raises
    ------
    ParameterModelError
        The file asked for cannot be read. That it does not fit the array is no error: the rest goes on without.
    """
    if asked == NONE:
        return _without("none was asked for")
    if asked is None and not SHIPPED.is_file():
        return _without("no parameter model comes with this version")
    path = SHIPPED if asked is None else Path(asked)
    info = decoder.info
    geometry = info.channels.geometry()
    try:
        file = read_parameter_file(path)
        reason = misfit(file.info, info.fs_hz, geometry, info.filter, info.montage)
        if reason:
            return _without(reason)
        if path != SHIPPED:
            try_apart(file, info)
        model = ParameterModel(file, info.fs_hz, geometry, info.filter, info.montage)
    except ParameterModelError as error:
        if asked is not None:
            raise
        return _without(str(error), "the shipped one cannot be read or run, see what this session said at its start")
    return ChosenModel(model, f"parameters by {_named(file)}", "", file)


def _without(reason: str, told: str | None = None) -> ChosenModel:
    """None, and why; `told` to the subscribers instead of what holds a path."""
    return ChosenModel(None, f"no parameters: {reason}", f"no parameter model runs: {told or reason}")


def _named(file: ParameterFile) -> str:
    name = "the shipped model" if Path(file.path) == SHIPPED else Path(file.path).name
    return f"{name} ({file.sha256[:8]})"
