"""Parts that read tokens of a language model must be as wide as it is."""

from collections.abc import Mapping


def require_token_width(
    vlm_dims: int, parts: Mapping[str, Mapping | None], key: str
) -> None:
    """Compare a key of parts' configs with the width of the language model.

    Args:
        vlm_dims (int): The width.
        parts (Mapping): By name, the config of a part, or None without it.
        key (str): The key that holds the part's width; a part of your own
            may do without.

    Raises:
        ValueError: If one of them differs.
    """
    for name, part in parts.items():
        if part is not None and part.get(key, vlm_dims) != vlm_dims:
            raise ValueError(
                f'model.{name}.{key} is {part[key]}, but the language model '
                f'of model.bridge.vlm is {vlm_dims} wide; set it to '
                f'{vlm_dims}'
            )
