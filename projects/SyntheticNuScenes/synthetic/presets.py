"""Sizes of the synthetic data set."""

from dataclasses import dataclass
from itertools import cycle

from mmocc.projects.SyntheticNuScenes.synthetic.light import DAYLIGHT, WEATHERS
from mmocc.projects.SyntheticNuScenes.synthetic.scenarios import SCENARIOS


@dataclass(frozen=True)
class Preset:
    """Number and size of scenes, images and LiDAR sweeps of a data set.

    Attributes:
        name (str): Name on the command line.
        train, val (tuple): (scene name, scenario) of each scene. Names are
            those of ``version``'s splits, so that readers with a fixed list
            of scenes find them.
        frames (int): Key frames of a scene, 0.5 s apart.
        image_size (tuple): Width and height in pixels.
        quality (int): JPEG quality.
        azimuths (int): LiDAR firings of a sweep.
        questions (tuple): Least and most questions of a frame.
        weathers (tuple): What light scenes may have.
        lidar_sweeps, camera_sweeps (int): Readings between two key frames.
        camera_offsets (bool): Whether cameras are exposed a little before
            the LiDAR, as in nuScenes, or at the same time.
        version (str): Folder of the tables, ``v1.0-mini`` or
            ``v1.0-trainval``.

    Raises:
        ValueError: Nothing would be made.
    """

    name: str
    train: tuple[tuple[str, str], ...]
    val: tuple[tuple[str, str], ...]
    frames: int
    image_size: tuple[int, int]
    quality: int
    azimuths: int
    questions: tuple[int, int] = (10, 14)
    weathers: tuple[str, ...] = DAYLIGHT
    lidar_sweeps: int = 0
    camera_sweeps: int = 0
    camera_offsets: bool = False
    version: str = 'v1.0-mini'

    def __post_init__(self) -> None:
        counts = {
            'train scenes': len(self.train),
            'val scenes': len(self.val),
            'key frames': self.frames,
        }
        for what, count in counts.items():
            if count < 1:
                raise ValueError(
                    f'a data set of {count} {what} cannot be loaded; ask for '
                    '1 or more'
                )
        for what in ('lidar_sweeps', 'camera_sweeps'):
            if getattr(self, what) < 0:
                raise ValueError(
                    f'{what} is {getattr(self, what)}, expected 0 or more'
                )

    @property
    def scenes(self) -> tuple[tuple[str, str, str], ...]:
        """(scene name, scenario, split) of every scene."""
        return tuple(
            (*scene, split)
            for split, scenes in (('train', self.train), ('val', self.val))
            for scene in scenes
        )


_TRAIN = (
    ('scene-0061', 'red_light'),
    ('scene-0553', 'left_turn'),
    ('scene-0655', 'right_turn'),
    ('scene-0757', 'work_zone'),
    ('scene-0796', 'overtake'),
    ('scene-1077', 'stop_and_go'),
    ('scene-1094', 'start_and_turn'),
    ('scene-1100', 'bend_and_crossing'),
)
_VAL = (
    ('scene-0103', 'change_and_right'),
    ('scene-0916', 'change_and_left'),
)

# Every speed word occurs with every direction word in both splits only where
# all scripts do, drawn more than once.
_FULL_TRAIN = (1, 2, *range(4, 12), *range(19, 35), *range(41, 45))
_FULL_VAL = (3, *range(12, 19), 35, 36, 38, 39)


def _scenes(numbers: tuple[int, ...]) -> tuple[tuple[str, str], ...]:
    """Return scenes with these numbers and with the scripts in turn."""
    return tuple(
        (f'scene-{number:04d}', scenario)
        for number, scenario in zip(numbers, cycle(SCENARIOS))
    )


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            'unit',
            (('scene-0061', 'left_turn'), ('scene-0553', 'overtake')),
            (('scene-0103', 'change_and_left'),),
            8,
            (400, 225),
            66,
            45,
        ),
        Preset(
            'mini',
            _TRAIN,
            _VAL,
            20,
            (640, 360),
            68,
            100,
            # Eight scenes cannot show a model what weather does to colours.
            weathers=('clear', 'overcast'),
        ),
        Preset(
            'full',
            _scenes(_FULL_TRAIN),
            _scenes(_FULL_VAL),
            20,
            (1600, 900),
            85,
            1084,
            weathers=WEATHERS,
            lidar_sweeps=4,  # 10 Hz, half of what nuScenes has
            camera_sweeps=1,
            camera_offsets=True,
            version='v1.0-trainval',
        ),
    )
}
