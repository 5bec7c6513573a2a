"""The wrapper equals the Hugging Face models, and adapts only the decoder."""

import copy

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmocc.registry import MODELS
from mmocc.utils.checkpoint import CheckpointError
from mmocc.utils.tokenizers import load_tokenizer

VOCABULARY = 90
TINY = dict(
    model_type='llama',
    vocab_size=VOCABULARY,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    initializer_range=0.3,
    pad_token_id=0,
    eos_token_id=1,
    bos_token_id=2,
)
CAPPED = dict(
    model_type='gemma2',
    head_dim=8,
    attn_logit_softcapping=2.0,
    final_logit_softcapping=3.0,
    sliding_window=32,
)
# What sets an architecture apart from LLaMA.
ARCHITECTURES = {
    'llama': {},
    'qwen2': dict(model_type='qwen2'),
    'gemma2': CAPPED,
    'granite': dict(
        model_type='granite', logits_scaling=3.0, embedding_multiplier=2.0
    ),
    'cohere': dict(model_type='cohere', logit_scale=0.2),
    'phi': dict(model_type='phi'),  # a head with a bias
    'gpt2': dict(
        model_type='gpt2', n_embd=32, n_layer=2, n_head=4, n_positions=64
    ),
}


def build(architecture='llama', config=None, **options):
    torch.manual_seed(0)
    config = {**TINY, **ARCHITECTURES[architecture], **(config or {})}
    lm = MODELS.build(dict(type='CausalLM', config=config, **options)).eval()
    generator = torch.Generator().manual_seed(0)
    for name, bias in lm.named_parameters():
        if name.endswith('bias'):
            torch.nn.init.normal_(bias, generator=generator)
    return lm


def causal(batch, length):
    return torch.ones(length, length).tril().bool().expand(batch, -1, -1)


def run(lm, ids):
    """A plain causal pass over ids (B, L)."""
    positions = torch.arange(ids.shape[1]).expand(len(ids), -1)
    return lm(lm.embed_text(ids), positions, causal(*ids.shape))


@pytest.fixture
def ids():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(3, VOCABULARY, (2, 9), generator=generator)


@pytest.mark.parametrize('architecture', ARCHITECTURES)
@torch.no_grad()
def test_equals_hugging_face(architecture, ids):
    lm = build(architecture)
    hf = copy.deepcopy(lm.hf)
    hf.set_attn_implementation('eager')
    torch.testing.assert_close(
        lm.logits(run(lm, ids)), hf(input_ids=ids).logits, atol=2e-5, rtol=0
    )


@pytest.mark.parametrize('architecture', ['llama', 'gemma2', 'gpt2'])
@torch.no_grad()
def test_reading_in_pieces_equals_one_pass(architecture, ids):
    """Also from a shortened cache, and without harm to the longer one."""
    lm, cache = build(architecture), None
    whole = run(lm, ids)
    cache = lm.new_cache()
    embeds, order = lm.embed_text(ids), torch.arange(9).expand(2, -1)
    visible = causal(2, 9)
    lm(embeds[:, :6], order[:, :6], visible[:, :6, :6], cache)
    short = cache.first(4)
    for memory, done in ((short, 4), (cache, 6)):
        rest = lm(embeds[:, done:], order[:, done:], visible[:, done:], memory)
        torch.testing.assert_close(rest, whole[:, done:], atol=1e-5, rtol=0)


@pytest.mark.parametrize('architecture', ['llama', 'gemma2'])
@torch.no_grad()
def test_a_token_depends_on_what_the_mask_lets_it_see(architecture, ids):
    lm = build(architecture)
    embeds, order = lm.embed_text(ids), torch.arange(9).expand(2, -1)
    visible = causal(2, 9).clone()
    visible[:, 5:, 2] = False  # 2 is hidden from 5 and later
    visible[:, 3:5, 2] = False  # and from all that these see
    visible[0, 8, 6] = False
    before = lm(embeds, order, visible)
    changed = embeds.clone()
    changed[:, 2] += 1
    after = lm(changed, order, visible)
    moved = (before - after).abs().amax(dim=-1) > 1e-6
    assert moved.tolist() == [[i == 2 for i in range(9)]] * 2
    without = causal(2, 9).clone()
    without[:, 3:, 2] = False
    other = lm(embeds, order, without)
    differs = (before - other).abs().amax(dim=-1) > 1e-6
    assert differs.nonzero().tolist() == [[0, 8]]


def test_lora_touches_the_named_layers_of_the_decoder_only():
    names = ['q_proj', 'v_proj']
    lm = build(lora=dict(r=128, lora_alpha=16, target_modules=names))
    trained = {n for n, p in lm.named_parameters() if p.requires_grad}
    assert len(trained) == 2 * len(names) * 2
    assert all(n.startswith('hf.model.layers') for n in trained)
    assert {n.split('.')[5] for n in trained} == set(names)
    adapted = lm.decoder.layers[0].self_attn.q_proj
    assert adapted.r['default'] == 128
    assert adapted.scaling['default'] == 16 / 128


def test_lora_changes_nothing_at_the_start(ids):
    plain = build()
    lm = build(lora=dict(r=4, target_modules=['q_proj', 'down_proj']))
    assert torch.equal(run(lm, ids), run(plain, ids))
    run(lm, ids).square().sum().backward()
    grads = {n for n, p in lm.named_parameters() if p.grad is not None}
    assert grads and all('lora_' in n for n in grads)
    with torch.no_grad():
        lm.decoder.layers[0].self_attn.q_proj.lora_B['default'].weight += 0.1
    assert not torch.allclose(run(lm, ids), run(plain, ids), atol=1e-4)


def test_lora_knows_the_linear_layers_of_gpt2(ids):
    lm = build('gpt2', lora=dict(r=4, target_modules=['c_attn']))
    torch.testing.assert_close(run(lm, ids), run(build('gpt2'), ids))


@pytest.mark.parametrize(
    ('target', 'message'),
    [
        (['q_proj', 'query_key_value'], r"\['query_key_value'\], which Llama"),
        (['q_proj', 'query_key_value'], r"linear layers are \['down_proj', "),
        (['embed_tokens'], 'does not have'),  # there, but not linear
        (['lm_head'], 'does not have'),  # linear, but not of the decoder
        ([], 'names nothing'),
        ('all-linear', 'expected a list of names'),
        (None, 'expected a list of names'),
    ],
)
def test_lora_on_layers_that_are_not_there(target, message):
    with pytest.raises(ValueError, match=message):
        build(lora=dict(r=4, target_modules=target))


def test_frozen_trains_nothing():
    assert not any(p.requires_grad for p in build(frozen=True).parameters())
    assert all(p.requires_grad for p in build().parameters())


def test_trained_weights_stay_in_float32(ids):
    lora = dict(r=4, target_modules=['q_proj'])
    lm = build(dtype='bfloat16', lora=lora)
    dtypes = {(p.requires_grad, p.dtype) for p in lm.parameters()}
    assert dtypes == {(True, torch.float32), (False, torch.bfloat16)}
    hidden = run(lm, ids)
    assert hidden.dtype == lm.logits(hidden).dtype == torch.float32
    exact = build(lora=lora)
    error = (hidden - run(exact, ids)).abs().mean()
    assert 0 < error < 0.05


def test_recomputing_layers_changes_no_gradient(ids):
    grads = []
    for recompute in (False, True):
        lm = build(gradient_checkpointing=recompute).train()
        run(lm, ids).square().sum().backward()
        grads.append([p.grad for p in lm.decoder.parameters()])
    for plain, recomputed in zip(*grads, strict=True):
        torch.testing.assert_close(plain, recomputed)
    with pytest.raises(RuntimeError, match='keeps no cache'):
        lm(
            lm.embed_text(ids),
            torch.arange(9)[None],
            causal(2, 9),
            lm.new_cache(),
        )


def test_only_asked_logits_are_computed():
    some = torch.tensor([3, 80, 17])
    for architecture in ('gemma2', 'phi'):
        lm, hidden = build(architecture), torch.randn(2, 32)
        torch.testing.assert_close(
            lm.logits(hidden, some), lm.logits(hidden)[:, some]
        )


@pytest.mark.parametrize(
    ('architecture', 'last', 'message'),
    [
        ('gemma2', 32, 'sliding_window = 32'),
        ('llama', 64, 'max_position_embeddings = 64'),
    ],
)
def test_sequences_beyond_the_models_reach(architecture, last, message):
    lm, embeds = build(architecture), torch.randn(1, 2, 32)
    lm(embeds, torch.tensor([[0, last - 1]]), causal(1, 2))
    with pytest.raises(ValueError, match=message):
        lm(embeds, torch.tensor([[0, last]]), causal(1, 2))


def test_mmengine_does_not_draw_weights_anew():
    lm = build()
    before = copy.deepcopy(lm.state_dict())
    lm.init_weights()
    assert all(torch.equal(before[k], v) for k, v in lm.state_dict().items())


def test_a_saved_model_is_found_again(tmp_path, ids):
    lm = build('gemma2')
    lm.hf.save_pretrained(tmp_path)
    again = MODELS.build(dict(type='CausalLM', pretrained=str(tmp_path)))
    assert again.kernel == 'eager'
    assert torch.equal(run(again.eval(), ids), run(lm, ids))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda saved: None, 'lacks 1 .*layers.1.mlp.up_proj.weight'),
        (lambda weight: weight * float('nan'), 'not finite in 1 .*up_proj'),
    ],
)
def test_a_model_that_its_checkpoint_does_not_fill_is_refused(
    tmp_path, change, message
):
    build().hf.save_pretrained(tmp_path)
    path, name = tmp_path / 'model.safetensors', 'model.layers.1.mlp.up_proj'
    saved = load_file(path)
    weight = change(saved.pop(f'{name}.weight'))
    if weight is not None:
        saved[f'{name}.weight'] = weight
    save_file(saved, path, {'format': 'pt'})
    with pytest.raises(CheckpointError, match=message):
        MODELS.build(dict(type='CausalLM', pretrained=str(tmp_path)))


@pytest.mark.parametrize('dtype', ['bf16', 'int8', 16, None])
def test_a_type_that_does_not_exist_is_named(dtype):
    with pytest.raises(ValueError, match=r'vlm\.dtype is .*bfloat16'):
        MODELS.build(dict(type='CausalLM', config=TINY, dtype=dtype))


def test_code_of_a_checkpoint_is_never_run(tmp_path):
    (tmp_path / 'config.json').write_text(
        '{"model_type": "own", "auto_map": '
        '{"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}'
    )
    (tmp_path / 'own.py').write_text('raise SystemExit("was run")')
    with pytest.raises(ValueError, match='trust_remote_code'):
        MODELS.build(dict(type='CausalLM', pretrained=str(tmp_path)))


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (None, r'vlm\.pretrained nor vlm\.config'),
        (dict(hidden_size=8), 'no model_type'),
        (dict(model_type='llamma'), 'llamma'),
    ],
)
def test_nothing_to_build_from(config, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='CausalLM', config=config))


def test_a_missing_weight_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no_such_folder'):
        MODELS.build(
            dict(type='CausalLM', pretrained=str(tmp_path / 'no_such_folder'))
        )


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
@torch.no_grad()
def test_the_residual_stream_is_float32_whatever_comes_in(dtype):
    """As under autocast of the whole model, which hands over halves."""
    lm = build(dtype=dtype)
    tokens = torch.randn(1, 5, lm.embed_dims).bfloat16()
    positions, visible = torch.arange(5)[None], causal(1, 5)
    expected = lm(tokens.float(), positions, visible)
    assert expected.dtype == torch.float32
    with torch.autocast('cpu', torch.bfloat16):
        found = lm(tokens, positions, visible)
    assert torch.equal(found, expected)


def test_a_tokenizer_of_another_checkpoint_is_refused():
    tokenizer = load_tokenizer('mmocc://tiny_tokenizer')
    small = build(config=dict(vocab_size=len(tokenizer) - 1))
    with pytest.raises(ValueError, match=r'tiny_tokenizer has ids up to'):
        small.check_tokenizer(tokenizer)
    build(config=dict(vocab_size=len(tokenizer))).check_tokenizer(tokenizer)
