"""``StrategyRunner``: the runner of configs with a ``strategy``."""

import copy

from mmengine.config import Config
from mmengine.fileio import join_path
from mmengine.runner import FlexibleRunner

from mmocc.registry import RUNNERS


@RUNNERS.register_module()
class StrategyRunner(FlexibleRunner):
    """mmengine's ``FlexibleRunner`` with two bugs of 0.10.7 corrected.

    1. A checkpoint stores the epoch and iteration that the checkpoint hook
       passes. ``FlexibleRunner`` counts one too many for a best checkpoint
       saved after validation, and a resumed run would skip an epoch.
    2. ``env_cfg`` may be absent, as for ``Runner``.
    """

    @classmethod
    def from_cfg(cls, cfg: Config) -> 'StrategyRunner':
        """Build from a config with the keys of ``FlexibleRunner``."""
        cfg = copy.deepcopy(cfg)
        cfg.setdefault('env_cfg', dict(dist_cfg=dict(backend='nccl')))
        return super().from_cfg(cfg)

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict | None = None,
        by_epoch: bool = True,
        backend_args: dict | None = None,
    ) -> None:
        """Save the state of training; called on every process.

        Args:
            out_dir (str): Folder.
            filename (str): Name in it.
            file_client_args (dict, optional): Deprecated in mmengine; not
                used.
            save_optimizer (bool): Store the optimizer's state. Defaults to
                True.
            save_param_scheduler (bool): Store the schedulers' state. Defaults
                to True.
            meta (dict, optional): ``epoch``, ``iter`` and other values to
                store.
            by_epoch (bool): Whether an epoch, not an iteration, is complete
                where ``meta`` has neither. Defaults to True.
            backend_args (dict, optional): Of the file backend that joins
                ``out_dir`` and ``filename``.
        """
        meta = {
            'epoch': self.epoch + by_epoch,
            'iter': self.iter + (not by_epoch),
            'cfg': self.cfg.pretty_text,
            'experiment_name': self.experiment_name,
            **(meta or {}),
        }
        dataset = self.train_dataloader.dataset
        if hasattr(dataset, 'metainfo'):
            meta['dataset_meta'] = dataset.metainfo
        self.strategy.save_checkpoint(
            filename=join_path(out_dir, filename, backend_args=backend_args),
            save_optimizer=save_optimizer,
            save_param_scheduler=save_param_scheduler,
            extra_ckpt=dict(
                meta=meta, message_hub=self.message_hub.state_dict()
            ),
            callback=lambda checkpoint: self.call_hook(
                'before_save_checkpoint', checkpoint=checkpoint
            ),
        )
