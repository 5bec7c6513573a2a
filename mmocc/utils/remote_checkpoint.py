"""Checkpoints by address: fetched to a file, checked, then loaded.

mmengine hands ``http`` addresses and names of model zoos to ``torch.hub``,
which unpickles anything. Importing this module puts a loader in their place
that takes tensors and plain values alone. mmengine's other loaders call
``torch.load``, which takes no more than that since torch 2.6.
"""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import torch
from mmengine.dist import barrier as wait_for_all
from mmengine.dist import get_local_rank, is_distributed
from mmengine.runner.checkpoint import (
    CheckpointLoader,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)

from mmocc.utils.checkpoint import CheckpointError, load_checkpoint_safely

WEB = ('http://', 'https://')
# Scheme of a model zoo to its table of names and addresses.
ZOOS: dict[str, Callable[[], dict[str, str]]] = {
    'modelzoo://': get_torchvision_models,
    'torchvision://': get_torchvision_models,
    'open-mmlab://': get_external_models,
    'openmmlab://': get_external_models,
    'mmcls://': get_mmcls_models,
}


def fetch_checkpoint(address: str) -> Path:
    """Download a checkpoint, once, into the cache of ``torch.hub``.

    Args:
        address (str): ``http(s)://...``, or a name in a model zoo, such as
            ``torchvision://resnet50``.

    Returns:
        Path: The file.

    Raises:
        CheckpointError: It is in no zoo, or cannot be fetched.
    """
    for scheme, table in ZOOS.items():
        if address.startswith(scheme):
            name = address[len(scheme) :]
            try:
                models = table()
            except ImportError as error:
                raise CheckpointError(
                    f'{address}: {scheme} needs a package that is not here '
                    f'({error}); give the http address or a local file'
                ) from error
            if name not in models:
                raise CheckpointError(
                    f'{address}: {scheme} knows no model {name!r}; give the '
                    'http address or a local file'
                )
            return fetch_checkpoint(models[name])
    name = Path(urlsplit(address).path).name
    if not name or not address.startswith(WEB):
        raise CheckpointError(
            f'{address} is not the http address of a file; download the '
            'checkpoint and give its path'
        )
    path = Path(torch.hub.get_dir()) / 'checkpoints' / name
    if get_local_rank() == 0 and not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address, str(path), progress=False)
        except (OSError, RuntimeError) as error:
            raise CheckpointError(
                f'{address} cannot be fetched ({error}); download it and give '
                'its path'
            ) from error
    if is_distributed():
        wait_for_all()
    return path


def load_from_web(
    filename: str, map_location: str | torch.device | Callable | None = None
) -> dict:
    """Fetch a checkpoint and load it without unpickling code.

    Args:
        filename (str): As for ``fetch_checkpoint``.
        map_location (str | torch.device | Callable, optional): As for
            ``torch.load``. Defaults to None, the CPU.

    Raises:
        CheckpointError: It cannot be fetched, is damaged or holds foreign
            objects. What was fetched and refused is deleted.
    """
    path = fetch_checkpoint(filename)
    try:
        return load_checkpoint_safely(path, map_location or 'cpu')
    except CheckpointError as error:
        if get_local_rank() == 0:
            path.unlink(missing_ok=True)
        raise CheckpointError(f'{filename}: {error}') from error


CheckpointLoader.register_scheme(
    (*WEB, *ZOOS), loader=load_from_web, force=True
)
