"""Class-balanced sampling of frames (CBGS) over classes that have boxes."""

import numpy as np
from mmdet3d.datasets import CBGSDataset as MMDet3DCBGSDataset
from mmengine.dataset import BaseDataset

from mmocc.registry import DATASETS


@DATASETS.register_module()
class CBGSDataset(MMDet3DCBGSDataset):
    """mmdet3d's ``CBGSDataset`` over the classes that have boxes.

    Occ3D's classes hold some, such as sidewalk, that no box has; mmdet3d
    divides by their number of frames. The choice is the same in all
    processes and runs. A frame that is drawn several times in an epoch is
    augmented in the same way each time, since random transforms draw by seed,
    epoch and token alone; from epoch to epoch it changes.
    """

    def _get_sample_indices(self, dataset: BaseDataset) -> list[int]:
        """Draw as many frames of each class, about as many as there are.

        Args:
            dataset (BaseDataset): Has ``get_cat_ids``, or is a wrapper around
                such data sets.

        Returns:
            list[int]: Places of frames; some several times, others never.

        Raises:
            ValueError: If no frame has a box.
        """
        places: dict[int, list[int]] = {}
        for place in range(len(dataset)):
            for label in sorted(set(_labels(dataset, place)) - {-1}):
                places.setdefault(label, []).append(place)
        if not places:
            raise ValueError(
                f'CBGSDataset: none of the {len(dataset)} frames has a box of '
                'a class, so classes cannot be balanced; use an info file '
                'with `instances`, or leave the wrapper out'
            )
        share = sum(map(len, places.values())) / len(places)
        generator = np.random.default_rng(0)
        return [
            int(place)
            for label in sorted(places)
            for place in generator.choice(places[label], int(share))
        ]


def _labels(dataset: BaseDataset, place: int) -> set[int]:
    """Return the classes of a frame, through wrappers that know none."""
    if hasattr(dataset, 'get_cat_ids'):
        return dataset.get_cat_ids(place)
    inner = dataset._get_ori_dataset_idx(place)
    if isinstance(inner, tuple):
        return _labels(dataset.datasets[inner[0]], inner[1])
    return _labels(dataset.dataset, inner)
