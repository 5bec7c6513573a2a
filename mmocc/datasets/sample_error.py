"""The one error that a bad frame ends in."""


class SampleError(ValueError):
    """A frame that cannot be used, told so that a user can act on it.

    Loader processes hand exceptions on by their text, so the parts are
    joined here and not kept apart.
    """


def sample_error(
    token: str, place: str, got: str, expected: str, way_out: str
) -> SampleError:
    """Word a :class:`SampleError`.

    Args:
        token (str): The sample token of the frame.
        place (str): The file, or the key of the info file.
        got (str): What is wrong with it.
        expected (str): What should be there.
        way_out (str): What the user can do.
    """
    return SampleError(
        f'sample {token}: {place}: {got}; expected {expected}; {way_out}'
    )
