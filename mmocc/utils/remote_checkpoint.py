"""Checkpoints by path or address: made a file, checked, then loaded.

mmengine hands ``http`` addresses and names of model zoos to ``torch.hub``,
which unpickles anything, and all others to ``torch.load``, which does where
the environment variable ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD`` is set. Importing
this module puts one loader in the place of them all that takes tensors and
plain values alone.
"""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import torch
from mmengine.dist import all_gather_object, get_local_rank
from mmengine.fileio import get_local_path
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
# mmengine's patterns of object stores that a file backend of it reads.
STORES = (r'(\S+\:)?s3://', r'(\S+\:)?petrel://')


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
    # Many runs have an epoch_1.pth.
    mark = hashlib.sha256(address.encode()).hexdigest()[:12]
    path = Path(torch.hub.get_dir()) / 'checkpoints' / f'{mark}-{name}'
    failed = None
    if get_local_rank() == 0 and not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address, str(path), progress=False)
        except (OSError, RuntimeError) as error:
            failed = str(error)
    # Waits for the download; if it failed, all processes stop.
    reasons = [reason for reason in all_gather_object(failed) if reason]
    if reasons:
        raise CheckpointError(
            f'{address} cannot be fetched ({reasons[0]}); download it and '
            'give its path'
        )
    return path


def load_from_anywhere(
    filename: str, map_location: str | torch.device | Callable | None = None
) -> dict:
    """Load a checkpoint by path or address without unpickling code.

    Args:
        filename (str): A local path, ``s3://...`` and others of mmengine's
            file backends, or what ``fetch_checkpoint`` takes.
        map_location (str | torch.device | Callable, optional): As for
            ``torch.load``. Defaults to None, the CPU.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: It cannot be fetched, is damaged or holds foreign
            objects. What was fetched and refused is deleted.
    """
    place = map_location or 'cpu'
    if any(re.match(store, filename) for store in STORES):
        with get_local_path(filename) as local:
            return load_checkpoint_safely(local, place)
    if '://' not in filename:
        return load_checkpoint_safely(filename, place)
    path = fetch_checkpoint(filename)
    try:
        return load_checkpoint_safely(path, place)
    except CheckpointError as error:
        if get_local_rank() == 0:
            path.unlink(missing_ok=True)
        raise CheckpointError(f'{filename}: {error}') from error


CheckpointLoader.register_scheme(
    ('', 'pavi://', *STORES, *WEB, *ZOOS),
    loader=load_from_anywhere,
    force=True,
)
