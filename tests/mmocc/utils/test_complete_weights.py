"""Names of weights in all spellings, and what a checkpoint may lack."""

import pytest
import torch
from torch import nn

from mmocc.utils.checkpoint import CheckpointError, weights_of
from mmocc.utils.complete_weights import complete_weights


class Speaker(nn.Module):
    """An embedding, and a head that shares its weight."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.middle = nn.Linear(3, 3)
        self.head = nn.Linear(3, 5, bias=False)
        self.head.weight = self.embedding.weight


@pytest.mark.parametrize(
    'prefix', ['', 'module.', '_orig_mod.', 'module._orig_mod.module.']
)
@pytest.mark.parametrize('wrappers', [(), ('state_dict',), ('model',)])
def test_every_spelling_gives_the_names_of_the_model(prefix, wrappers):
    model = Speaker()
    content = {prefix + k: v for k, v in model.state_dict().items()}
    for key in wrappers:
        content = {key: content, 'epoch': 3}
    assert set(weights_of(content)) == set(model.state_dict())
    assert set(complete_weights(model, content, 'a.pth')) >= set(
        model.state_dict()
    )


def test_a_compiled_part_has_its_own_name():
    assert [*weights_of({'vlm._orig_mod.w': torch.ones(1)})] == ['vlm.w']


def test_only_a_prefix_of_all_names_is_left_out():
    names = {'module.a': torch.ones(1), 'b': torch.ones(1)}
    assert set(weights_of(names)) == {'module.a', 'b'}


@pytest.mark.parametrize('absent', ['head.weight', 'embedding.weight'])
def test_a_tied_weight_is_taken_from_its_twin(absent):
    model = Speaker()
    content = model.state_dict()
    value = content.pop(absent)
    assert torch.equal(complete_weights(model, content, 'a')[absent], value)


def test_what_may_be_absent_is_listed_by_its_beginning():
    model = Speaker()
    content = model.state_dict()
    del content['middle.weight']
    with pytest.raises(CheckpointError, match=r'lacks 1 of .*middle\.weight'):
        complete_weights(model, content, 'a.pth')
    complete_weights(model, content, 'a.pth', ('middle.',))
    content['middle.bias'] = torch.zeros(4)  # another shape is no absence
    with pytest.raises(CheckpointError, match='in another shape 1'):
        complete_weights(model, content, 'a.pth', ('middle.',))


def test_values_that_are_not_finite_are_refused():
    content = Speaker().state_dict()
    content['middle.bias'] = torch.tensor([0.0, float('nan'), 1.0])
    with pytest.raises(CheckpointError, match=r'finite in 1.*middle\.bias'):
        complete_weights(Speaker(), content, 'a.pth')
