# Weights, gradients and optimizer states in shards over all processes; see
# docs/training.md. A config that trains a language model as a whole needs it,
# and names the layers of that model here.
strategy = dict(
    type='FSDP2Strategy',
    shard_modules=['Gemma2DecoderLayer', 'SiglipEncoderLayer'],
    param_dtype=None,  # gathered as stored: float32 where a weight trains
    reduce_dtype='float32',
    reshard_after_forward=True,
)
