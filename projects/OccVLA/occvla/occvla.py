"""OccVLA: a vision-language-action model with implicit occupancy supervision.

Liu et al., arXiv 2509.05578. There is no released code; this is written from
the paper.
"""

import torch
import torch.nn.functional as F
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmocc.models.bridges import greedy_decode
from mmocc.models.bridges.action_tree import marginals
from mmocc.models.detectors import BaseVLA, require_token_width
from mmocc.models.layers.block_attention import PrefixMemory
from mmocc.models.vlms import build_tokenizer
from mmocc.projects.OccVLA.occvla.meta_action_decoder import (
    DecodedMetaAction,
    MetaActionDecoder,
)
from mmocc.registry import MODELS
from mmocc.structures import META_ACTIONS, OccDataSample
from mmocc.structures.tokens import TextBatch

META_TASK = 'meta_action'


@MODELS.register_module()
class OccVLA(BaseVLA):
    """Images in; answers, a meta-action, a plan and occupancy out (Fig. 2).

    The stages of Fig. 4 are which parts are there: without ``occ_head`` and
    ``planner`` it is stage 1 (language), with ``occ_head`` stage 2 (occupancy
    and language), with ``planner`` stage 3, in which everything else is
    frozen and the planner learns on meta-actions that the model predicts.

    Args:
        bridge (dict): Config of ``VLOBridge``, which holds the VLM.
        tokenizer (str): ``mmocc://NAME``, local folder or checkpoint id.
        occ_head (dict, optional): Config of ``LatentOccHead``.
        planner (dict, optional): Config of ``MLPPlanner``.
        position_code (dict, optional): Config of ``RayPositionCode``, added
            to image tokens and queries. Not in the paper; defaults to None.
        predict_occupancy (bool): Run the occupancy queries at inference.
            Everything else is the same without them. Defaults to True.
        chain_of_thought (bool): Reason before the meta-action. Defaults to
            True.
        max_new_tokens (int): Longest answer. Defaults to 128.
        data_preprocessor (dict, optional): Stacks and normalises images.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self,
        bridge: dict,
        tokenizer: str,
        occ_head: dict | None = None,
        planner: dict | None = None,
        position_code: dict | None = None,
        predict_occupancy: bool = True,
        chain_of_thought: bool = True,
        max_new_tokens: int = 128,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.bridge = MODELS.build(bridge)
        require_token_width(
            self.bridge.vlm.embed_dims,
            dict(
                occ_head=occ_head, planner=planner, position_code=position_code
            ),
            'embed_dims',
        )
        self.occ_head = None if occ_head is None else MODELS.build(occ_head)
        self.position_code = (
            None if position_code is None else MODELS.build(position_code)
        )
        self.planner = None
        if planner is not None:
            self.requires_grad_(False)
            self.planner = MODELS.build(planner)
        self.predict_occupancy = predict_occupancy
        self.tokenizer = build_tokenizer(tokenizer)
        self.max_new_tokens = max_new_tokens
        self.decide = MetaActionDecoder(
            self.tokenizer, chain_of_thought, max_new_tokens
        )
        # Stage 3: decisions of the frozen rest, by token.
        self._decisions: dict[str, DecodedMetaAction] = {}

    def loss(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> dict[str, Tensor]:
        """L = L_AR + lambda L_NAR (Eq. 3), or the planner's loss (stage 3)."""
        if self.planner is not None:
            return self._planner_loss(inputs, data_samples)
        scene = self.encode_scene(inputs, data_samples)
        text = self.stack_text(data_samples, scene.device)
        out = self.bridge(scene, text, self.ask_occupancy(len(scene)))
        losses = dict(loss_text=self.bridge.text_loss(out.text, text))
        if self.occ_head is not None:
            losses.update(self.occ_head.loss(out.queries, data_samples))
        return losses

    def predict(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> list[OccDataSample]:
        """Fill ``pred_occ``, ``pred_text``, ``pred_meta`` and ``pred_ego``.

        The images are encoded once a frame, whatever is asked about them.
        """
        return self.predict_with_memory(inputs, data_samples)[0]

    def predict_with_memory(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> tuple[list[OccDataSample], PrefixMemory]:
        """Predict, and return the encoded images for later questions."""
        scene = self.encode_scene(inputs, data_samples)
        queries = None
        if self.predict_occupancy or self.bridge.text_attends_queries:
            queries = self.ask_occupancy(len(scene))
        out, memory = self.bridge.remember(scene, queries)
        if queries is not None:
            occupancy = self.occ_head.predict(out.queries)
            for sample, pred in zip(data_samples, occupancy, strict=True):
                sample.pred_occ = pred

        answers = self._answer(memory, data_samples)
        decisions = self._decide(memory, data_samples)
        for sample, answer, decision in zip(
            data_samples, answers, decisions, strict=True
        ):
            answer[self.place_of(sample, META_TASK)] = decision.text
            sample.pred_meta = _as_meta(decision)
        self.write_answers(data_samples, answers)

        if self.planner is not None:
            plans = self.planner.predict(
                out.image, *self._told(decisions), data_samples
            )
            for sample, plan in zip(data_samples, plans, strict=True):
                sample.pred_ego = plan
        return data_samples, memory

    def answer_questions(
        self, memory: PrefixMemory, data_samples: list[OccDataSample]
    ) -> None:
        """Fill ``pred_text`` of frames that were looked at before.

        Args:
            memory (PrefixMemory): Of these frames; is not changed.
            data_samples (list[OccDataSample]): With questions other than the
                meta-action.
        """
        self.write_answers(data_samples, self._answer(memory, data_samples))

    def encode_scene(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> Tensor:
        """Image tokens of all cameras, (B, n_image, D)."""
        scene = self.bridge.embed_images(inputs['imgs'])
        if self.position_code is None:
            return scene
        vlm = self.bridge.vlm
        codes = [
            self.position_code.code_views(
                sample.cam2img,
                sample.cam2ego,
                vlm.image_size,
                vlm.tokens_per_side,
            )
            for sample in data_samples
        ]
        return scene + torch.stack(codes).to(scene)

    def ask_occupancy(self, batch_size: int) -> Tensor | None:
        """Occupancy queries, (B, Q, D), if there is a head to read them."""
        if self.occ_head is None:
            return None
        queries = self.occ_head.queries(batch_size)
        if self.position_code is not None:
            queries = queries + self.position_code(
                self.occ_head.query_points()
            )
        return queries

    def train(self, mode: bool = True) -> 'OccVLA':
        """In stage 3 all but the planner stays in evaluation mode."""
        super().train(mode)
        if self.planner is not None:
            for part in (self.bridge, self.occ_head, self.position_code):
                if part is not None:
                    part.eval()
        return self

    def _planner_loss(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> dict[str, Tensor]:
        """Stage 3: the planner on meta-actions that the model predicts.

        What is frozen decides the same each time, so it decides once a frame;
        hence no random transforms in the pipeline of this stage.
        """
        with torch.no_grad():
            scene = self.encode_scene(inputs, data_samples)
            queries = None
            if self.bridge.text_attends_queries:
                queries = self.ask_occupancy(len(scene))
            out, memory = self.bridge.remember(scene, queries)
        tokens = [sample.token for sample in data_samples]
        if not self._decisions.keys() >= set(tokens):
            decisions = self._decide(memory, data_samples)
            self._decisions.update(zip(tokens, decisions, strict=True))
        decisions = [self._decisions[token] for token in tokens]
        return self.planner.loss(
            out.image, *self._told(decisions), data_samples
        )

    def _answer(
        self, memory: PrefixMemory, data_samples: list[OccDataSample]
    ) -> list[dict[int, str]]:
        """Answer all questions but the meta-action, by place."""
        asked = [self.prompts(s, META_TASK, others=True) for s in data_samples]
        if not any(asked):
            return asked
        device = next(self.bridge.parameters()).device
        prompts = [list(by_place.values()) for by_place in asked]
        text = TextBatch.pad(prompts, prompts, device)
        rows = greedy_decode(
            self.bridge,
            memory.without_text(),
            text.input_ids,
            text.valid,
            self.tokenizer.eos_token_id,
            self.max_new_tokens,
        )
        return [
            {
                place: self.tokenizer.decode(answer).strip()
                for place, answer in zip(by_place, answers, strict=False)
            }
            for by_place, answers in zip(asked, rows, strict=True)
        ]

    def _decide(
        self, memory: PrefixMemory, data_samples: list[OccDataSample]
    ) -> list[DecodedMetaAction]:
        """The meta-action of each frame."""
        device = next(self.bridge.parameters()).device
        prompts = [
            self.prompts(s, META_TASK)[self.place_of(s, META_TASK)].to(device)
            for s in data_samples
        ]
        return self.decide(self.bridge, memory, prompts)

    def _told(
        self, decisions: list[DecodedMetaAction]
    ) -> tuple[Tensor, Tensor]:
        """What the planner is told: speeds (B, 3) and directions (B, 6).

        A planner that embeds one action gets the one that the model says,
        the likeliest pair, which need not hold the likeliest speed; others
        get the probabilities.
        """
        scores = torch.stack([decision.scores for decision in decisions])
        if self.planner.meta_embedding == 'hard':
            said = F.one_hot(scores.argmax(dim=-1), scores.shape[-1])
            scores = said.to(scores)
        return marginals(scores)

    def _forward(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> Tensor:
        """Last hidden states of the image tokens, (B, n_image, D)."""
        scene = self.encode_scene(inputs, data_samples)
        return self.bridge(scene, None, self.ask_occupancy(len(scene))).image


def _as_meta(decision: DecodedMetaAction) -> BaseDataElement:
    """``pred_meta`` of a decision."""
    action = META_ACTIONS[int(decision.scores.argmax())]
    new = decision.scores.new_tensor
    return BaseDataElement(
        speed=new(action.speed_index, dtype=torch.long),
        direction=new(action.direction_index, dtype=torch.long),
        speed_scores=decision.speed_scores,
        direction_scores=decision.direction_scores,
        text=decision.text,
    )
