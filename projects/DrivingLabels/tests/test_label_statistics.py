from mmocc.projects.DrivingLabels.driving_labels.label_statistics import (
    agreement,
    confusion,
    histogram,
)
from mmocc.structures import MetaAction

LEFT = MetaAction('Accelerate', 'Turn Left')
RIGHT = MetaAction('Accelerate', 'Turn Right')


def test_counts_by_hand():
    counts = histogram([LEFT, LEFT, RIGHT])
    assert counts['speed'] == {
        'Maintain speed': 0,
        'Accelerate': 3,
        'Decelerate': 0,
    }
    assert counts['direction']['Turn Left'] == 2
    assert sum(counts['direction'].values()) == 3
    assert counts['pair'] == {
        'Accelerate; Turn Left': 2,
        'Accelerate; Turn Right': 1,
    }


def test_confusion_by_hand():
    table = confusion(
        [(LEFT, LEFT), (LEFT, RIGHT), (LEFT, RIGHT)], 'direction'
    )
    assert table[1] == [0, 1, 2, 0, 0, 0]
    assert sum(map(sum, table)) == 3
    assert agreement(table) == 1 / 3


def test_without_frames_there_is_no_agreement():
    assert agreement(confusion([], 'speed')) is None
