"""What can go wrong for a user: one exception type per thing the caller can do about it.

Every message is one sentence that says what was found and what to do. The command line prints it and exits
with 1; no other exception is expected to reach a user for bad input.
"""


class MyodriveError(Exception):
    """Base of every error a user can act on."""


class RecordingError(MyodriveError):
    """A recording cannot be read or used: choose another file or repair it."""


class DecoderError(MyodriveError):
    """A decoder file cannot be read or trusted: calibrate again or choose another file."""


class ParameterModelError(MyodriveError):
    """A parameter model's file cannot be read or trusted: choose another, or run without one."""


class StreamError(MyodriveError):
    """A stream is missing or of a kind that cannot be decoded: look at the amplifier's LSL program."""


class MissingStreamError(StreamError):
    """No stream of the name is on: wait, or correct the name."""


class SilentStreamError(StreamError):
    """A stream is there but sends no samples: wait, or start the measurement at the amplifier."""


class MismatchError(StreamError):
    """A stream or recording does not fit the decoder: change the amplifier's settings or calibrate again."""


class ProviderError(MyodriveError):
    """The execution provider asked for is not available: install it or choose another."""


class AddressError(MyodriveError):
    """A network address cannot be bound or is refused: choose another address."""


class KeysError(MyodriveError):
    """A key of CURVE is missing or cannot be used: make keys with `myodrive keys`."""


class MessageError(MyodriveError):
    """A message could not be understood: the sender speaks another protocol."""


class CalibrationError(MyodriveError):
    """No decoder can be made of this recording: record a longer or stronger contraction."""


class OptionError(MyodriveError):
    """An option's value cannot be used."""


def printable(text: str, longest: int = 40) -> str:
    """What somebody else named, fit for one line of a terminal: its beginning, with "?" for what cannot be shown."""
    return "".join(c if c.isprintable() else "?" for c in text[:longest])
