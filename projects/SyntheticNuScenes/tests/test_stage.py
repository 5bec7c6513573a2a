import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.stage import freeze, scene_rng


def test_an_instant_knows_everybody_near(stages):
    stage = stages['left_turn']
    instant = freeze(stage, 3.0)
    pose, _ = stage.cast.simulation.state(stage.cast.agents[0], 3.0)
    np.testing.assert_array_equal(instant.pose, pose)
    numbers = [box.instance for box in instant.boxes]
    assert 0 not in numbers and len(numbers) > 5
    assert len(instant.scene.solids) > len(instant.dynamic)


def test_random_sources_depend_on_all_their_words():
    draws = {
        scene_rng(*words).random()
        for words in (
            (0, 'scene-0061', 'stage'),
            (1, 'scene-0061', 'stage'),
            (0, 'scene-0553', 'stage'),
            (0, 'scene-0061', 'light'),
        )
    }
    assert len(draws) == 4
    first, second = (scene_rng(0, 'a', 'b').random() for _ in range(2))
    assert first == second
