"""The error of frames that cannot be used."""


class SampleError(ValueError):
    """A frame is missing a part, or a part of it is damaged.

    Loader processes pass exceptions on as text, so the message holds all
    parts: sample, place, got, expected and the way out.
    """


def sample_error(
    token: str, place: str, got: str, expected: str, way_out: str
) -> SampleError:
    """Build a :class:`SampleError` out of the parts of its message.

    Args:
        token (str): Sample token of the frame.
        place (str): The file, or the key of the info file.
        got (str): What was found.
        expected (str): What should be there.
        way_out (str): What the user can do.

    Returns:
        SampleError: The error, to be raised.
    """
    return SampleError(
        f'sample {token}: {place}: {got}; expected {expected}; {way_out}'
    )
