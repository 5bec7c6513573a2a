"""Where a model or tokenizer named in a config comes from."""

from pathlib import Path

ASSET_SCHEME = 'mmocc://'
_ASSETS = Path(__file__).resolve().parent.parent / 'assets'


def resolve_pretrained(name_or_path: str) -> str:
    """Turn a config's name of a model or tokenizer into what loaders take.

    Three forms are understood: ``mmocc://NAME`` is a folder that ships with
    mmocc, a path (it holds a separator at its start, as in ``./x``, ``../x``,
    ``/x`` or ``~/x``, or it exists) is a local folder, and everything else is
    a checkpoint id, ``OWNER/NAME``, left to Hugging Face.

    Args:
        name_or_path (str): The value of the config key.

    Returns:
        str: An existing local folder or a checkpoint id.

    Raises:
        FileNotFoundError: If a folder is meant and it is not there.
    """
    if name_or_path.startswith(ASSET_SCHEME):
        folder = _ASSETS / name_or_path[len(ASSET_SCHEME) :]
        shipped = sorted(p.name for p in _ASSETS.iterdir() if p.is_dir())
        way_out = f'mmocc ships {shipped}'
    else:
        folder = Path(name_or_path).expanduser()
        looks_local = name_or_path.startswith(('.', '/', '~'))
        if not looks_local and not folder.exists():
            return name_or_path
        way_out = (
            'correct the path in the config, or give a checkpoint id such as '
            'google/paligemma2-3b-pt-224'
        )
    if not folder.is_dir():
        raise FileNotFoundError(
            f'the config names the weight folder {name_or_path!r}, which is '
            f'not a folder here ({folder}); {way_out}'
        )
    return str(folder)
