"""The networks against a second formulation, by parameter name alone."""

import pytest
import torch
import torch.nn.functional as F

from mmocc.models.occ_heads.vqvae_layers import Upsample, group_norm
from mmocc.models.occ_heads.vqvae_networks import Decoder, Encoder

WIDTHS = (8, 16, 64)
SIZES = ((14, 9), (7, 5), (4, 3))


class ByName:
    """OccWorld's networks as plain formulas over a state dict.

    Attention is explicit, swish is spelt out and up-sampling is an index,
    so that nothing is shared with the modules under test.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        self.weights = module.state_dict()

    def has(self, name: str) -> bool:
        return f'{name}.weight' in self.weights

    def conv(self, x, name, stride=1):
        weight = self.weights[f'{name}.weight']
        bias = self.weights[f'{name}.bias']
        return F.conv2d(
            x, weight, bias, stride=stride, padding=weight.shape[-1] // 2
        )

    def norm(self, x, name):
        batch, channels = x.shape[:2]
        groups = 32 if channels > 32 else channels // 4
        grouped = x.reshape(batch, groups, -1)
        centred = grouped - grouped.mean(-1, keepdim=True)
        variance = centred.square().mean(-1, keepdim=True)
        normed = (centred / (variance + 1e-6).sqrt()).view_as(x)
        scale = self.weights[f'{name}.weight'][:, None, None]
        return normed * scale + self.weights[f'{name}.bias'][:, None, None]

    def swish_conv(self, x, norm, conv):
        x = self.norm(x, norm)
        return self.conv(x * torch.sigmoid(x), conv)

    def res(self, x, name):
        hidden = self.swish_conv(x, f'{name}.norm1', f'{name}.conv1')
        hidden = self.swish_conv(hidden, f'{name}.norm2', f'{name}.conv2')
        if self.has(f'{name}.nin_shortcut'):
            x = self.conv(x, f'{name}.nin_shortcut')
        return x + hidden

    def attend(self, x, name):
        normed = self.norm(x, f'{name}.norm')
        q, k, v = (
            self.conv(normed, f'{name}.{part}').flatten(2) for part in 'qkv'
        )
        scores = torch.einsum('bci,bcj->bij', q, k) / q.shape[1] ** 0.5
        mixed = torch.einsum('bij,bcj->bci', scores.softmax(-1), v)
        return x + self.conv(mixed.view_as(x), f'{name}.proj_out')

    def level(self, x, name):
        i = 0
        while self.has(f'{name}.block.{i}.conv1'):
            x = self.res(x, f'{name}.block.{i}')
            if self.has(f'{name}.attn.{i}.q'):
                x = self.attend(x, f'{name}.attn.{i}')
            i += 1
        return x

    def middle(self, x):
        x = self.attend(self.res(x, 'mid.block_1'), 'mid.attn_1')
        return self.res(x, 'mid.block_2')

    def encode(self, x):
        x = self.conv(x, 'conv_in')
        for i in range(len(WIDTHS)):
            x = self.level(x, f'down.{i}')
            if self.has(f'down.{i}.downsample.conv'):
                x = self.conv(x, f'down.{i}.downsample.conv', stride=2)
        return self.swish_conv(self.middle(x), 'norm_out', 'conv_out')

    def decode(self, x):
        x = self.middle(self.conv(x, 'conv_in'))
        for i in reversed(range(len(WIDTHS))):
            x = self.level(x, f'up.{i}')
            if i > 0:
                rows, columns = SIZES[i - 1]
                # An odd size loses its first row or column of repeats.
                row = (torch.arange(rows) + rows % 2) // 2
                column = (torch.arange(columns) + columns % 2) // 2
                x = x[:, :, row][:, :, :, column]
                x = self.conv(x, f'up.{i}.upsample.conv')
        return self.swish_conv(x, 'norm_out', 'conv_out')


def test_encoder_equals_the_formulas_of_its_parameter_names():
    torch.manual_seed(0)
    encoder = Encoder(12, WIDTHS, 2, (2,), True, 6).double()
    x = torch.randn(2, 12, *SIZES[0], dtype=torch.double)
    latent = encoder(x)
    assert latent.shape == (2, 6, *SIZES[2])
    torch.testing.assert_close(latent, ByName(encoder).encode(x))


def test_decoder_equals_the_formulas_of_its_parameter_names():
    torch.manual_seed(1)
    decoder = Decoder(6, WIDTHS, 2, (2,), True, 12).double()
    x = torch.randn(2, 6, *SIZES[2], dtype=torch.double)
    folded = decoder(x, SIZES)
    assert folded.shape == (2, 12, *SIZES[0])
    torch.testing.assert_close(folded, ByName(decoder).decode(x))


def test_odd_sizes_lose_their_first_row_and_column():
    upsample = Upsample(1)
    torch.nn.init.dirac_(upsample.conv.weight)
    torch.nn.init.zeros_(upsample.conv.bias)
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert upsample(x, (3, 4))[0, 0].tolist() == [
        [1, 1, 2, 2],
        [3, 3, 4, 4],
        [3, 3, 4, 4],
    ]
    assert upsample(x, (4, 3))[0, 0].tolist() == [
        [1, 2, 2],
        [1, 2, 2],
        [3, 4, 4],
        [3, 4, 4],
    ]


def test_without_attention_no_parameter_of_it_is_left():
    encoder = Encoder(12, WIDTHS, 1, (), False, 6)
    assert not [name for name in encoder.state_dict() if 'attn' in name]


@pytest.mark.parametrize(
    ('channels', 'groups'), [(8, 2), (32, 8), (64, 32), (256, 32)]
)
def test_number_of_norm_groups(channels, groups):
    assert group_norm(channels).num_groups == groups


@pytest.mark.parametrize('channels', [2, 30, 48])
def test_widths_that_cannot_be_grouped_are_refused(channels):
    with pytest.raises(ValueError, match=f'{channels} channels.*base_chann'):
        group_norm(channels)
