"""``FSDP2Strategy``: shard weights, gradients and optimizer states.

Fully sharded data parallelism (ZeRO-3: Rajbhandari et al., SC 2020; PyTorch
FSDP: Zhao et al., VLDB 2023) through ``torch.distributed.fsdp.fully_shard``.
mmengine's own ``FSDPStrategy`` builds on its predecessor, which needs an
accelerator and flattens parameters.

Unusual here:

* A strategy of mmengine's ``FlexibleRunner``, not a model wrapper for its
  ``Runner``: the Runner saves on one process alone and initialises weights
  after wrapping, and sharded weights need the opposite of both.
* Checkpoints hold whole tensors under the names of the unsharded model, and
  the optimizer's state as the unsharded optimizer has it. So any run resumes
  any other: FSDP2 or DDP, with any number of processes.
* In evaluation mode weights stay whole. Processes decode answers of different
  lengths, and a process that is done would leave the others waiting for its
  shards.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import mmengine
import torch
from mmengine._strategy import DDPStrategy
from mmengine.device import get_device
from mmengine.dist import get_world_size, is_distributed, is_main_process
from mmengine.model import BaseDataPreprocessor
from mmengine.registry import STRATEGIES
from mmengine.runner.checkpoint import load_state_dict, save_checkpoint
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import (
    CPUOffloadPolicy,
    FSDPModule,
    MixedPrecisionPolicy,
    OffloadPolicy,
    fully_shard,
)

from mmocc.engine.sharding import gather, shard_like
from mmocc.utils.atomic import atomic_open
from mmocc.utils.checkpoint import (
    CheckpointError,
    require_safe,
    weights_of,
)
from mmocc.utils.config import ConfigError
from mmocc.utils.pretrained import arithmetic_type
from mmocc.utils.remote_checkpoint import fetch_checkpoint

# Of names in the checkpoints of DistributedDataParallel.
REVISE_KEYS = [(r'^module\.', '')]


@STRATEGIES.register_module()
class FSDP2Strategy(DDPStrategy):
    """Shard a model over all processes, one group of weights per layer.

    Weights outside of the named layers form the last group, which is whole
    from the start of the forward pass to the end of the backward pass.

    Every process must call the same layers equally often in training. Stages
    that decode text while they train (OccVLA's third) are for DDP; their few
    trainable weights gain nothing here.

    Args:
        shard_modules (Sequence[str]): Class names of the layers that form a
            group each, such as 'Gemma2DecoderLayer'.
        param_dtype (str, optional): Of the gathered weights of these layers
            and of their inputs, such as 'bfloat16'. Shards and optimizer
            states keep their own. Defaults to None, no conversion.
        reduce_dtype (str): In which gradients are summed over processes.
            Defaults to 'float32'.
        reshard_after_forward (bool): Free the weights of a layer between its
            forward and backward pass, and gather them twice. Defaults to
            True.
        cpu_offload (bool): Keep shards and optimizer states in host memory;
            needs an accelerator. Defaults to False.
        work_dir (str): Folder of the run. Defaults to 'work_dirs'.
        experiment_name (str, optional): Name of the run. Defaults to None.
        env_kwargs (dict, optional): See mmengine's ``BaseStrategy``.
        log_kwargs (dict, optional): See mmengine's ``BaseStrategy``.
        auto_scale_lr (dict, optional): See mmengine's ``BaseStrategy``.
    """

    def __init__(
        self,
        *,
        shard_modules: Sequence[str],
        param_dtype: str | None = None,
        reduce_dtype: str = 'float32',
        reshard_after_forward: bool = True,
        cpu_offload: bool = False,
        work_dir: str = 'work_dirs',
        experiment_name: str | None = None,
        env_kwargs: dict | None = None,
        log_kwargs: dict | None = None,
        auto_scale_lr: dict | None = None,
    ) -> None:
        super().__init__(
            work_dir=work_dir,
            experiment_name=experiment_name,
            env_kwargs=env_kwargs,
            log_kwargs=log_kwargs,
            auto_scale_lr=auto_scale_lr,
        )
        self.shard_modules = tuple(shard_modules)
        self.policy = MixedPrecisionPolicy(
            param_dtype=param_dtype
            and arithmetic_type(param_dtype, 'strategy.param_dtype'),
            reduce_dtype=arithmetic_type(
                reduce_dtype, 'strategy.reduce_dtype'
            ),
        )
        self.reshard_after_forward = reshard_after_forward
        self.offload = CPUOffloadPolicy() if cpu_offload else OffloadPolicy()

    def _wrap_model(self, model: nn.Module) -> FSDPModule:
        """Shard ``model`` in place."""
        if not is_distributed():
            raise ConfigError(
                "strategy.type='FSDP2Strategy' shards a model over processes "
                'and there is no process group; start with '
                'tools/dist_train.sh CONFIG GPUS'
            )
        layers = self._find_layers(model)
        device = get_device()
        for part in model.modules():
            if isinstance(part, BaseDataPreprocessor):
                part.to(device)
        options = dict(
            mesh=init_device_mesh(device, (get_world_size(),)),
            offload_policy=self.offload,
        )
        for layer in layers:
            fully_shard(
                layer,
                mp_policy=self.policy,
                reshard_after_forward=self.reshard_after_forward,
                **options,
            )
        fully_shard(model, **options)
        model.register_forward_pre_hook(self._choose_gathering, prepend=True)
        self.logger.info(
            f'FSDP2: {len(layers)} layers in groups of their own, '
            f'{get_world_size()} shards'
        )
        return model

    def _find_layers(self, model: nn.Module) -> list[nn.Module]:
        """The layers named in the config.

        Raises:
            ConfigError: If the model has none of a name.
        """
        by_class: dict[str, list[nn.Module]] = {}
        for part in model.modules():
            by_class.setdefault(type(part).__name__, []).append(part)
        missing = [name for name in self.shard_modules if name not in by_class]
        if missing or not self.shard_modules:
            layers = sorted(name for name in by_class if 'Layer' in name)
            raise ConfigError(
                f'strategy.shard_modules names {missing or "nothing"}, which '
                f'{type(model).__name__} does not have; its layers are '
                f'{layers}'
            )
        return [part for name in self.shard_modules for part in by_class[name]]

    def _choose_gathering(self, model: FSDPModule, inputs: tuple) -> None:
        """Forward pre-hook: gather by layer to train, once to evaluate."""
        for part in model.modules():
            if not isinstance(part, FSDPModule):
                continue
            if part is not model:
                part.set_reshard_after_forward(
                    model.training and self.reshard_after_forward,
                    recurse=False,
                )
            if model.training:
                part.reshard()
            else:
                part.unshard()

    def _reshard(self) -> None:
        for part in self.model.modules():
            if isinstance(part, FSDPModule):
                part.reshard()

    def model_state_dict(self) -> OrderedDict:
        """Gather the weights under the names of the unsharded model.

        Returns:
            OrderedDict: On the CPU of the main process; of the others, names
            without tensors.
        """
        self._reshard()
        return gather(OrderedDict(self.model.state_dict()), is_main_process())

    def optim_state_dict(self) -> dict:
        """Gather the optimizer's state as the unsharded optimizer has it."""
        return gather(self.optim_wrapper.state_dict(), is_main_process())

    def load_model_state_dict(
        self,
        state_dict: dict,
        *,
        strict: bool = False,
        revise_keys: Sequence[tuple[str, str]] = REVISE_KEYS,
    ) -> None:
        """Load whole weights; each process keeps its shards.

        Args:
            state_dict (dict): Weights of the unsharded model.
            strict (bool): Refuse missing and unknown names. Defaults to
                False.
            revise_keys (Sequence[tuple]): Patterns in names and what replaces
                them. Defaults to stripping ``module.``.
        """
        for pattern, replacement in revise_keys:
            state_dict = {
                re.sub(pattern, replacement, name): value
                for name, value in state_dict.items()
            }
        self._reshard()
        own = self.model.state_dict()
        shards = OrderedDict(
            (name, shard_like(value, own[name]) if name in own else value)
            for name, value in state_dict.items()
        )
        load_state_dict(self.model, shards, strict, self.logger)

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Load the state of an unsharded optimizer.

        Args:
            state_dict (dict): As ``optim_state_dict`` returns it.
        """
        weights = [
            weight
            for group in self.optim_wrapper.optimizer.param_groups
            for weight in group['params']
        ]
        state = {
            index: {
                name: shard_like(value, weights[index])
                if isinstance(value, torch.Tensor)
                else value
                for name, value in values.items()
            }
            for index, values in state_dict['state'].items()
        }
        self.optim_wrapper.load_state_dict(dict(state_dict, state=state))

    def load_checkpoint(
        self,
        filename: str,
        *,
        map_location: str | Callable = 'cpu',
        strict: bool = False,
        revise_keys: Sequence[tuple[str, str]] = REVISE_KEYS,
        callback: Callable[[dict], None] | None = None,
    ) -> dict:
        """Load weights from a checkpoint of this or any other run.

        Args:
            filename (str): A local file. Its pages are mapped, not read: a
                node holds them once, whatever the number of its processes.
            map_location (str or callable): Not used; devices get their shards
                alone.
            strict (bool): Refuse missing and unknown names. Defaults to
                False.
            revise_keys (Sequence[tuple]): As in ``load_model_state_dict``.
            callback (callable, optional): May change the checkpoint first.

        Returns:
            dict: What the checkpoint holds besides weights.

        Raises:
            CheckpointError: If it holds foreign objects or no weights.
        """
        self.logger.info(f'Load checkpoint from {filename}')
        if '://' in filename:
            filename = str(fetch_checkpoint(filename))
        require_safe(filename)
        checkpoint = torch.load(
            filename, map_location='cpu', mmap=True, weights_only=True
        )
        checkpoint['state_dict'] = weights_of(checkpoint)
        if not checkpoint['state_dict']:
            raise CheckpointError(
                f'{filename} holds {sorted(checkpoint)[:5]} and no weights, '
                'expected a state dict'
            )
        if callback is not None:
            callback(checkpoint)
        self.load_model_state_dict(
            checkpoint.pop('state_dict'),
            strict=strict,
            revise_keys=revise_keys,
        )
        return checkpoint

    def save_checkpoint(
        self,
        filename: str,
        *,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        extra_ckpt: dict | None = None,
        callback: Callable[[dict], None] | None = None,
    ) -> None:
        """Gather on all processes, write one file on the main one.

        Args:
            filename (str): Local path, written in full or not at all, or an
                address that a backend of mmengine knows.
            save_optimizer (bool): Store the optimizer's state. Defaults to
                True.
            save_param_scheduler (bool): Store the schedulers' state. Defaults
                to True.
            extra_ckpt (dict, optional): More to save; ``meta`` is completed.
            callback (callable, optional): May change the checkpoint first.
        """
        checkpoint = dict(extra_ckpt or {}, state_dict=self.model_state_dict())
        if save_optimizer and hasattr(self, 'optim_wrapper'):
            checkpoint['optimizer'] = self.optim_state_dict()
        if save_param_scheduler and hasattr(self, 'param_schedulers'):
            checkpoint['param_schedulers'] = self.scheduler_state_dict()
        checkpoint['meta'] = dict(
            checkpoint.get('meta', {}),
            seed=self.seed,
            time=time.strftime('%Y%m%d_%H%M%S'),
            mmengine_version=mmengine.__version__,
        )
        if callback is not None:
            callback(checkpoint)
        if not is_main_process():
            return
        if '://' in filename:
            save_checkpoint(checkpoint, filename)
        else:
            with atomic_open(filename) as file:
                torch.save(checkpoint, file)
