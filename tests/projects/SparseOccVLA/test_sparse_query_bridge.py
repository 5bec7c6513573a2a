"""What depends on what between queries, texts and frames, and what is shared.

Weights are random and large, so that every token that may matter does.
"""

import pytest
import torch

from mmocc.models.bridges import greedy_decode
from mmocc.registry import MODELS
from mmocc.structures.sparse_occ import SparseOccFeatures
from mmocc.structures.tokens import IGNORE_LABEL, TextBatch

BATCH, QUERIES, WIDTH, GLOBALS = 2, 7, 16, 12
VOCABULARY, EOS = 60, 1
PROMPT = torch.tensor([5, 9, 33, 8])
LLM = dict(
    type='CausalLM',
    config=dict(
        model_type='llama',
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
        max_position_embeddings=128,
        pad_token_id=0,
        eos_token_id=EOS,
        bos_token_id=2,
    ),
)
EAGER = dict(model_type='gemma2', head_dim=8, attn_logit_softcapping=5.0)


def build_bridge(llm=None, **options):
    torch.manual_seed(0)
    config = {**LLM['config'], **(llm or {})}
    return MODELS.build(
        dict(
            type='SparseQueryBridge',
            vlm={**LLM, 'config': config},
            embed_dims=WIDTH,
            num_heads=4,
            **options,
        )
    ).eval()


def make_scene(batch=BATCH, queries=QUERIES, seed=2, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)

    def draw(width):
        drawn = torch.randn(batch, queries, width, generator=generator)
        return drawn.to(dtype)

    return SparseOccFeatures(
        features=draw(WIDTH),
        centres=10 * draw(3),
        spread=draw(3).abs(),
        layers=[],
        initial_points=draw(3)[:, :, None],
    )


def take(scene, rows):
    return SparseOccFeatures(
        features=scene.features[rows],
        centres=scene.centres[rows],
        spread=scene.spread[rows],
        layers=[],
        initial_points=scene.initial_points[rows],
    )


def make_text(seed=1, lengths=((7, 4, 6), (5, 9))):
    """Three texts for the first frame, two for the second."""
    generator = torch.Generator().manual_seed(seed)
    ids = [
        [
            torch.randint(3, VOCABULARY, (n,), generator=generator)
            for n in frame
        ]
        for frame in lengths
    ]
    labels = [[torch.cat([t[:2] * 0 - 100, t[2:]]) for t in f] for f in ids]
    return TextBatch.pad(ids, labels, torch.device('cpu'))


@pytest.fixture(params=['llama', 'gemma2'])
def bridge(request):
    return build_bridge(EAGER if request.param == 'gemma2' else None)


@pytest.mark.parametrize('queries', [1, QUERIES, 300])
@torch.no_grad()
def test_the_llm_sees_each_query_once_and_twelve_globals(queries):
    bridge = build_bridge(dict(max_position_embeddings=512))
    seen = []
    bridge.vlm.decoder.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs['inputs_embeds']),
        with_kwargs=True,
    )
    scene, text = make_scene(queries=queries), make_text()
    out = bridge(scene)
    bridge(scene, text, PROMPT)
    _, memory = bridge.remember(scene)
    bridge.read(memory, text.input_ids, text.valid)
    words = text.input_ids[0].numel()
    visual = queries + GLOBALS
    assert [x.shape[1] for x in seen] == [
        visual,
        visual + words + len(PROMPT),
        visual,
        words,
    ]
    tokens, overview = bridge.tokens(scene)
    assert torch.equal(seen[0], torch.cat([tokens, overview], dim=1))
    embedded = bridge.vlm.embed_text(text.input_ids).flatten(1, 2)
    assert torch.equal(seen[1][:, visual:-4], embedded)
    assert out.queries.shape == (BATCH, queries, 32)
    assert out.overview.shape == (BATCH, GLOBALS, 32)


@pytest.mark.parametrize('attention', ['causal', 'bidirectional'])
@torch.no_grad()
def test_text_never_changes_visual_tokens(attention):
    """In double precision: this is about dependence, not about rounding."""
    bridge = build_bridge(prefix_attention=attention).double()
    scene = make_scene(dtype=torch.float64)
    alone = bridge(scene)
    for text, prompt in (
        (make_text(), None),
        (make_text(seed=8), PROMPT),
        (None, PROMPT),
    ):
        beside = bridge(scene, text, prompt)
        for name in ('queries', 'overview'):
            torch.testing.assert_close(
                getattr(alone, name), getattr(beside, name), atol=1e-6, rtol=0
            )


@pytest.mark.parametrize('attention', ['causal', 'bidirectional'])
def test_which_visual_token_depends_on_which_query(attention):
    bridge = build_bridge(prefix_attention=attention)
    scene = make_scene()
    features = scene.features.requires_grad_()
    # Without the globals' own look at all queries.
    torch.nn.init.zeros_(bridge.tokens.gather.out_proj.weight)
    out = bridge(scene)
    for place in (2, 5):
        (grad,) = torch.autograd.grad(
            out.queries[:, place].sum(), features, retain_graph=True
        )
        moved = grad.abs().sum(dim=(0, 2)) > 0
        last = QUERIES if attention == 'bidirectional' else place + 1
        assert moved.tolist() == [i < last for i in range(QUERIES)]
    (grad,) = torch.autograd.grad(out.overview[:, 0].sum(), features)
    assert (grad.abs().sum(dim=(0, 2)) > 0).all()


@pytest.mark.parametrize('init', ['learned', 'max_pool'])
def test_globals_look_at_the_queries_on_their_own(init):
    """Before any layer of the language model."""
    bridge, scene = build_bridge(global_init=init), make_scene()
    features = scene.features.requires_grad_()
    _, overview = bridge.tokens(scene)
    for token in range(GLOBALS):
        (grad,) = torch.autograd.grad(
            overview[:, token].sum(), features, retain_graph=True
        )
        assert (grad.abs().sum(dim=2) > 0).all()


@torch.no_grad()
def test_text_reads_the_scene(bridge):
    text = make_text()
    a = bridge(make_scene(), text, PROMPT)
    b = bridge(make_scene(seed=3), text, PROMPT)
    distance = (a.text - b.text).abs().amax(dim=-1)
    assert (distance[text.valid] > 1e-3).all()
    assert ((a.reasoning - b.reasoning).abs().amax(dim=-1) > 1e-3).all()


@torch.no_grad()
def test_where_a_query_is_tells_apart():
    bridge, scene = build_bridge(), make_scene()
    tokens, _ = bridge.tokens(scene)
    for field, step in (('centres', 2.0), ('spread', 1.0)):
        for axis in range(3):
            moved = make_scene()
            getattr(moved, field)[:, 3, axis] += step
            others, _ = bridge.tokens(moved)
            changed = (tokens - others).abs().amax(dim=(0, 2)) > 1e-4
            assert changed.tolist() == [i == 3 for i in range(QUERIES)]


@pytest.mark.parametrize('attention', ['causal', 'bidirectional'])
@torch.no_grad()
def test_several_questions_equal_each_alone(bridge, attention):
    """And padding, an absent question and the prompt change nothing."""
    bridge.bidirectional = attention == 'bidirectional'
    scene, text = make_scene(), make_text()
    together = bridge(scene, text, PROMPT)
    logits = bridge.vlm.logits(together.text)
    for b in range(BATCH):
        own = take(scene, slice(b, b + 1))
        for n in range(text.valid.shape[1]):
            keep = text.valid[b, n]
            if not keep.any():
                continue
            ids = text.input_ids[b, n][keep][None, None]
            alone = bridge(own, TextBatch(ids, ids, torch.ones_like(ids) > 0))
            torch.testing.assert_close(
                logits[b, n][keep],
                bridge.vlm.logits(alone.text[0, 0]),
                atol=1e-5,
                rtol=0,
            )
        alone = bridge(own, None, PROMPT).reasoning
        torch.testing.assert_close(
            together.reasoning[b], alone[0], atol=1e-5, rtol=0
        )


@torch.no_grad()
def test_a_batch_of_two_equals_two_of_one(bridge):
    scene, text = make_scene(), make_text()
    both = bridge(scene, text, PROMPT)
    for b in range(BATCH):
        row = slice(b, b + 1)
        one = bridge(
            take(scene, row), TextBatch(*(x[row] for x in text)), PROMPT
        )
        for name in ('queries', 'overview', 'reasoning'):
            torch.testing.assert_close(
                getattr(both, name)[row], getattr(one, name), atol=1e-5, rtol=0
            )
        torch.testing.assert_close(
            both.text[row][text.valid[row]],
            one.text[text.valid[row]],
            atol=1e-5,
            rtol=0,
        )


@torch.no_grad()
def test_remembering_and_reading_equals_one_pass(bridge):
    """In pieces, and again from the start."""
    scene, text = make_scene(), make_text()
    whole = bridge(scene, text, PROMPT)
    out, memory = bridge.remember(scene, PROMPT)
    for name in ('queries', 'overview', 'reasoning'):
        torch.testing.assert_close(
            getattr(out, name), getattr(whole, name), atol=1e-5, rtol=0
        )
    for again in (memory, memory.without_text()):
        pieces = [
            bridge.read(again, ids, valid)
            for ids, valid in zip(
                text.input_ids.split(4, -1),
                text.valid.split(4, -1),
                strict=True,
            )
        ]
        torch.testing.assert_close(
            torch.cat(pieces, dim=2)[text.valid],
            whole.text[text.valid],
            atol=1e-5,
            rtol=0,
        )


def decode_without_cache(bridge, scene, prompt, max_new_tokens):
    """One text of one frame, from scratch for each new token."""
    ids = prompt[None, None]
    answer = []
    for _ in range(max_new_tokens):
        text = TextBatch(ids, ids, torch.ones_like(ids) > 0)
        last = bridge(scene, text).text[0, 0, -1]
        token = bridge.vlm.logits(last).argmax()
        if token == EOS:
            break
        answer.append(int(token))
        ids = torch.cat([ids, token.view(1, 1, 1)], dim=-1)
    return answer


@torch.no_grad()
def test_generation_from_the_shared_prefix_equals_none_shared(bridge):
    scene, text = make_scene(), make_text()
    # Let some texts end early, so that others go on beside ended ones.
    bridge.vlm.hf.get_output_embeddings().weight[EOS] *= 1.3
    _, memory = bridge.remember(scene, PROMPT)
    rows = greedy_decode(bridge, memory, text.input_ids, text.valid, EOS, 9)
    lengths = set()
    for b in range(BATCH):
        for n in range(text.valid.shape[1]):
            prompt = text.input_ids[b, n][text.valid[b, n]]
            if len(prompt) == 0:
                assert rows[b][n] == []
                continue
            own = take(scene, slice(b, b + 1))
            expected = decode_without_cache(bridge, own, prompt, 9)
            assert rows[b][n] == expected
            lengths.add(len(expected))
    assert max(lengths) > 1


@torch.no_grad()
def test_text_loss_is_the_mean_over_supervised_tokens(bridge):
    scene, text = make_scene(), make_text()
    hidden = bridge(scene, text).text
    logits = bridge.vlm.logits(hidden).log_softmax(-1)
    losses = [
        -logits[b, n, t - 1, text.input_ids[b, n, t]]
        for b, n, t in torch.nonzero(text.labels != IGNORE_LABEL).tolist()
    ]
    torch.testing.assert_close(
        bridge.text_loss(hidden, text), torch.stack(losses).mean()
    )


def test_language_trains_features_but_moves_no_points():
    bridge, scene, text = build_bridge(), make_scene(), make_text()
    for field in (scene.features, scene.centres, scene.spread):
        field.requires_grad_()
    bridge.text_loss(bridge(scene, text).text, text).backward()
    assert (scene.features.grad.abs().sum(dim=2) > 0).all()
    assert scene.centres.grad is None and scene.spread.grad is None
    assert all(
        p.grad is not None and p.grad.abs().max() > 0
        for name, p in bridge.tokens.named_parameters()
        # A bias on all keys shifts all scores alike.
        if name != 'gather.in_proj_bias'
    )


def test_lora_of_the_bridge_changes_nothing_at_the_start():
    lora = dict(r=8, lora_alpha=16, target_modules=['q_proj', 'o_proj'])
    scene, text = make_scene(), make_text()
    plain = build_bridge()
    adapted = build_bridge()
    adapted.vlm = MODELS.build({**LLM, 'lora': lora}).eval()
    missing, unexpected = adapted.load_state_dict(
        {
            name.replace(f'{part}.', f'{part}.base_layer.')
            if (part := name.split('.')[-2]) in lora['target_modules']
            else name: value
            for name, value in plain.state_dict().items()
        },
        strict=False,
    )
    assert not unexpected and all('lora_' in name for name in missing)
    for a, b in zip(
        plain(scene, text, PROMPT), adapted(scene, text, PROMPT), strict=True
    ):
        assert torch.equal(a, b)
    trained = {n for n, p in adapted.named_parameters() if p.requires_grad}
    assert {n for n in trained if n.startswith('vlm.')} == set(missing)


@pytest.mark.parametrize('key', ['global_init', 'prefix_attention'])
def test_unknown_choices_are_refused(key):
    with pytest.raises(ValueError, match=rf"bridge\.{key} is 'other'"):
        build_bridge(**{key: 'other'})
