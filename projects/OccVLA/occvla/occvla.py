"""OccVLA: a vision-language-action model with implicit occupancy supervision.

Liu et al., arXiv 2509.05578. There is no released code; this is written from
the paper.
"""

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmocc.models.bridges import MetaActionScorer, MetaActionScores
from mmocc.models.detectors import META_TASK, BaseVLA
from mmocc.models.layers.block_layout import PrefixMemory
from mmocc.registry import MODELS
from mmocc.structures import META_ACTIONS, OccDataSample
from mmocc.structures.meta_action import meta_action_marginals
from mmocc.structures.part_checks import (
    require_features,
    require_part,
    require_token_width,
)
from mmocc.structures.protocols import OccHead, Planner, VisionLanguageBridge
from mmocc.structures.scene_features import SceneFeatures

# Fields of SceneFeatures that a planner may read.
PROVIDED = ('visual_tokens', 'meta_action', 'ego_status', 'ego_history')


@MODELS.register_module()
class OccVLA(BaseVLA):
    """Images in; occupancy, answers, a meta-action and a plan out (Fig. 2)::

        images, questions, occupancy queries -> bridge (one VLM)
                                                   |
                  +------------+---------------+---+-----------+
             image tokens   answers      meta-action    query states
                  |                            |               |
                  +---------> planner <--------+           occ_head
                                 |                             |
                               plan                        occupancy

    The stages of Fig. 4 are which parts are there: without ``occ_head`` and
    ``planner`` it is stage 1 (language), with ``occ_head`` stage 2 (occupancy
    and language), with ``planner`` stage 3, in which everything else is
    frozen and the planner learns on meta-actions that the model predicts.

    Args:
        bridge (dict): Config of ``VLOBridge``, which holds the VLM.
        tokenizer (str): ``mmocc://NAME``, local folder or checkpoint id.
        occ_head (dict, optional): Config of ``LatentOccHead``.
        planner (dict, optional): Config of a planner, such as ``MLPPlanner``,
            that reads some of ``PROVIDED``.
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

    scored_task = META_TASK

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
        require_part(bridge, VisionLanguageBridge, 'model.bridge')
        require_part(occ_head, OccHead, 'model.occ_head')
        require_part(planner, Planner, 'model.planner')
        require_features(planner, PROVIDED, 'model.planner', 'OccVLA')
        self.bridge = MODELS.build(bridge)
        require_token_width(
            self.bridge.vlm.embed_dims,
            dict(
                occ_head=occ_head, planner=planner, position_code=position_code
            ),
        )
        self.occ_head = None if occ_head is None else MODELS.build(occ_head)
        self.position_code = (
            None if position_code is None else MODELS.build(position_code)
        )
        self.planner = None
        if planner is not None:
            self.requires_grad_(False)  # stage 3
            self.planner = MODELS.build(planner)
        self.predict_occupancy = predict_occupancy
        self.set_tokenizer(tokenizer)
        self.max_new_tokens = max_new_tokens
        self.score_actions = MetaActionScorer(
            self.tokenizer, chain_of_thought, max_new_tokens
        )
        # Stage 3: meta-action scores (18,) of the frozen rest, by token.
        self._meta_actions: dict[str, Tensor] = {}

    def loss(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> dict[str, Tensor]:
        """L = L_AR + lambda L_NAR (Eq. 3), or the planner's loss (stage 3)."""
        if self.planner is not None:
            return self._planner_loss(inputs, data_samples)
        tokens = self.encode_scene(inputs, data_samples)  # (B, n_image, D)
        text = self.stack_text(data_samples, tokens.device)
        out = self.bridge(tokens, text, self.occ_queries(len(tokens)))
        losses = dict(loss_text=self.bridge.text_loss(out.text, text))
        if self.occ_head is not None:
            losses.update(self.occ_head.loss(out.queries, data_samples))
        return losses

    def predict_with_memory(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> tuple[list[OccDataSample], PrefixMemory]:
        """Predict, and return the encoded images for later questions.

        The images are encoded once a frame, whatever is asked about them.
        """
        tokens = self.encode_scene(inputs, data_samples)  # (B, n_image, D)
        queries = None
        if self.predict_occupancy or self.bridge.text_attends_queries:
            queries = self.occ_queries(len(tokens))  # (B, Q, D)
        out, memory = self.bridge.remember(tokens, queries)
        if queries is not None:
            occupancy = self.occ_head.predict(out.queries, data_samples)
            for sample, pred in zip(data_samples, occupancy, strict=True):
                sample.pred_occ = pred

        answers = self.generate_answers(memory, data_samples)
        actions = self.score_actions(
            self.bridge, memory, self.meta_action_prompts(data_samples)
        )
        for i, (sample, answer) in enumerate(
            zip(data_samples, answers, strict=True)
        ):
            answer[self.place_of(sample, META_TASK)] = actions.texts[i]
            sample.pred_meta = _pred_meta(actions, i)
        self.write_answers(data_samples, answers)

        if self.planner is not None:
            scene = self.scene_features(
                out.image, actions.scores, data_samples
            )
            plans = self.planner.predict(scene, data_samples)
            for sample, plan in zip(data_samples, plans, strict=True):
                sample.pred_ego = plan
        return data_samples, memory

    def encode_scene(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> Tensor:
        """Embed the images of all cameras as tokens, (B, n_image, D)."""
        tokens = self.bridge.embed_images(inputs['imgs'])
        if self.position_code is None:
            return tokens
        vlm = self.bridge.vlm
        codes = [
            self.position_code.code_views(
                sample.cam2img,
                sample.cam2ego,
                vlm.image_size,
                vlm.tokens_per_side,
            )
            for sample in data_samples
        ]  # B times (n_image, D)
        return tokens + torch.stack(codes).to(tokens)

    def occ_queries(self, batch_size: int) -> Tensor | None:
        """Return the occupancy queries, (B, Q, D), None without a head."""
        if self.occ_head is None:
            return None
        queries = self.occ_head.queries(batch_size)  # (B, Q, D)
        if self.position_code is not None:
            queries = queries + self.position_code(
                self.occ_head.query_points()
            )
        return queries

    def scene_features(
        self,
        visual_tokens: Tensor,
        meta_action: Tensor | None,
        data_samples: list[OccDataSample],
    ) -> SceneFeatures:
        """Gather what the planner may read.

        Args:
            visual_tokens (Tensor): (B, n_image, D) last hidden states.
            meta_action (Tensor, optional): (B, 18) probabilities.
            data_samples (list[OccDataSample]): With ``gt_ego``, of which
                nothing of the future is read.
        """
        return SceneFeatures(
            visual_tokens=visual_tokens,
            meta_action=meta_action,
            **self.ego_features(
                data_samples, self.planner.reads, visual_tokens.device
            ),
        )

    def train(self, mode: bool = True) -> 'OccVLA':
        """Set the mode; in stage 3 all but the planner stays in evaluation."""
        super().train(mode)
        if self.planner is not None:
            for part in (self.bridge, self.occ_head, self.position_code):
                if part is not None:
                    part.eval()
        return self

    def _planner_loss(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> dict[str, Tensor]:
        """Train the planner on meta-actions that the model predicts (stage 3).

        What is frozen decides the same each time, so it decides once a frame;
        hence no random transforms in the pipeline of this stage.
        """
        with torch.no_grad():
            tokens = self.encode_scene(inputs, data_samples)
            queries = None
            if self.bridge.text_attends_queries:
                queries = self.occ_queries(len(tokens))
            out, memory = self.bridge.remember(tokens, queries)
        meta_action = None
        if 'meta_action' in self.planner.reads:
            meta_action = self._cached_meta_action(memory, data_samples)
        scene = self.scene_features(out.image, meta_action, data_samples)
        return self.planner.loss(scene, data_samples)

    def _cached_meta_action(
        self, memory: PrefixMemory, data_samples: list[OccDataSample]
    ) -> Tensor:
        """Score the meta-actions, each frame once in a training, (B, 18)."""
        names = [sample.token for sample in data_samples]
        if not self._meta_actions.keys() >= set(names):
            actions = self.score_actions(
                self.bridge, memory, self.meta_action_prompts(data_samples)
            )
            self._meta_actions.update(zip(names, actions.scores, strict=True))
        return torch.stack([self._meta_actions[name] for name in names])

    def _forward(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> Tensor:
        """Compute last hidden states of the image tokens, (B, n_image, D)."""
        tokens = self.encode_scene(inputs, data_samples)
        return self.bridge(tokens, None, self.occ_queries(len(tokens))).image


def _pred_meta(actions: MetaActionScores, index: int) -> BaseDataElement:
    """Make the ``pred_meta`` of one frame."""
    scores = actions.scores[index]  # (18,)
    speed_scores, direction_scores = meta_action_marginals(scores)
    action = META_ACTIONS[int(scores.argmax())]
    return BaseDataElement(
        speed=scores.new_tensor(action.speed_index, dtype=torch.long),
        direction=scores.new_tensor(action.direction_index, dtype=torch.long),
        speed_scores=speed_scores,
        direction_scores=direction_scores,
        text=actions.texts[index],
    )
