"""Sizes of the synthetic data set."""

from dataclasses import dataclass

from mmocc.synthetic.light import WEATHERS


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
    """

    name: str
    train: tuple[tuple[str, str], ...]
    val: tuple[tuple[str, str], ...]
    frames: int
    image_size: tuple[int, int]
    quality: int
    azimuths: int
    questions: tuple[int, int] = (10, 14)
    weathers: tuple[str, ...] = WEATHERS

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
        ),
        Preset('full', _TRAIN, _VAL, 20, (1600, 900), 85, 1084),
    )
}
