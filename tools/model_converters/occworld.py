"""Take the scene VQ-VAE out of a checkpoint of OccWorld.

python tools/model_converters/occworld.py latest.pth weights/scene-vqvae.pth

The published checkpoint (https://github.com/wzzheng/OccWorld) is the whole
world model with the VQ-VAE under `vae.`; a run of OccWorld's first stage has
the VQ-VAE alone. Both are understood, with or without the envelope of
optimizer state. The result is a plain state dict under OccWorld's names, for
`init_cfg=dict(type='Pretrained', checkpoint=...)` of a SceneVQVAE.
"""

import argparse
import sys
from pathlib import Path

import torch

from mmocc.models.occ_heads import SceneVQVAE
from mmocc.utils.atomic import atomic_open
from mmocc.utils.checkpoint import CheckpointError, load_checkpoint_safely

WRAPPER_PREFIX = 'module.'
VQVAE_PREFIX = 'vae.'
# The rest of OccWorld's world model.
IGNORED_PREFIXES = ('transformer.', 'pose_encoder.', 'pose_decoder.')
# Names in an error message before it is cut short.
MAX_NAMES = 8


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Load the tensors of a checkpoint without running code from it.

    Args:
        path (Path): File of ``torch.save``: a state dict, or a dict that
            holds one under ``state_dict``.

    Returns:
        dict[str, Tensor]: Tensors on the CPU, named as in the file.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is damaged, holds foreign objects, or is
            anything but names and tensors.
    """
    content = load_checkpoint_safely(path)
    content = content.get('state_dict', content)
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__} under 'state_dict', "
            'expected a dict of tensors'
        )
    others = [
        str(name)
        for name, value in content.items()
        if not isinstance(value, torch.Tensor)
    ]
    if others:
        raise CheckpointError(
            f'{path} is no state dict, whose values are tensors: '
            + '; '.join(_listed('other things are called', others))
        )
    return content


def extract_vqvae(
    state_dict: dict[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """Select and check the tensors of the VQ-VAE.

    Args:
        state_dict (dict[str, Tensor]): Tensors of OccWorld's world model or
            of its VQ-VAE alone.

    Returns:
        dict[str, Tensor]: State dict of a ``SceneVQVAE`` of paper size, as
        independent float32 copies.

    Raises:
        CheckpointError: If a tensor is missing, unknown, of another shape or
            not finite; the message names it.
    """
    found = {
        name.removeprefix(WRAPPER_PREFIX): value
        for name, value in state_dict.items()
    }
    whole = any(name.startswith(VQVAE_PREFIX) for name in found)
    found = {
        # Beside vae.*, names without the prefix belong to nothing known.
        name.removeprefix(VQVAE_PREFIX)
        if name.startswith(VQVAE_PREFIX) or not whole
        else f'{name} (beside {VQVAE_PREFIX}*)': value
        for name, value in found.items()
        if not name.startswith(IGNORED_PREFIXES)
    }
    with torch.device('meta'):
        expected = SceneVQVAE().state_dict()
    complaints = [
        *_listed('missing', [n for n in expected if n not in found]),
        *_listed('unexpected', [n for n in found if n not in expected]),
        *_listed(
            'of another shape',
            [
                f'{name} {tuple(value.shape)} instead of '
                f'{tuple(expected[name].shape)}'
                for name, value in found.items()
                if name in expected and value.shape != expected[name].shape
            ],
        ),
        *_listed(
            'not finite',
            [n for n, value in found.items() if not value.isfinite().all()],
        ),
    ]
    if complaints:
        raise CheckpointError(
            "not OccWorld's VQ-VAE:\n  " + '\n  '.join(complaints)
        )
    return {name: found[name].float().clone() for name in expected}


def _listed(what: str, names: list[str]) -> list[str]:
    """Return no line, or one with the first names and their number."""
    if not names:
        return []
    shown = ', '.join(names[:MAX_NAMES])
    more = f', ... ({len(names)} in all)' if len(names) > MAX_NAMES else ''
    return [f'{what}: {shown}{more}']


def convert(source: Path, target: Path) -> int:
    """Write the VQ-VAE of a checkpoint to a file; return its tensors' number.

    Raises:
        FileNotFoundError: If there is no source.
        CheckpointError: If the source is another checkpoint; the message
            names the file. Nothing is written then.
    """
    state_dict = read_state_dict(source)
    try:
        state_dict = extract_vqvae(state_dict)
    except CheckpointError as error:
        raise CheckpointError(
            f'{source}: {error}\nExpected the checkpoint that OccWorld '
            'publishes (VQ-VAE under vae.*) or one of its VQ-VAE training, '
            'at the sizes of its own config'
        ) from None
    with atomic_open(target) as file:
        torch.save(state_dict, file)
    return len(state_dict)


def main() -> int:
    """Convert a file; return 1 where it is refused."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('source', type=Path, help="OccWorld's checkpoint")
    parser.add_argument('target', type=Path, help='state dict to write')
    args = parser.parse_args()
    try:
        count = convert(args.source, args.target)
    except (CheckpointError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f'wrote {count} tensors to {args.target}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
