"""Sizes of the synthetic data set."""

from dataclasses import dataclass

from mmocc.synthetic.light import DAYLIGHT, WEATHERS


@dataclass(frozen=True)
class Preset:
    """How much to make.

    Attributes:
        name (str): Name on the command line.
        train, val (tuple): (scene name, scenario) of each scene. Names are
            those of nuScenes' mini split, so that readers with a fixed list
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
        own_rays (bool): Whether the key frame's own LiDAR returns count as
            seen in ``mask_lidar``, besides the denser rays around them.

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
    own_rays: bool = True

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
            # Trained results are published for these labels: they stay.
            own_rays=False,
        ),
        Preset(
            'full',
            _TRAIN,
            _VAL,
            20,
            (1600, 900),
            85,
            1084,
            weathers=WEATHERS,
            lidar_sweeps=4,  # 10 Hz, half of what nuScenes has
            camera_sweeps=1,
            camera_offsets=True,
        ),
    )
}
