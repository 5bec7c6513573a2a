"""Several machines, here two launchers on one; and one process that dies."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import two_processes
from launching import TOY_CONFIG, free_port, read_curve, run_tool, train, why

# s, on a busy machine, until a job whose process died must have ended.
PATIENCE = 240
HALF = 'train_dataloader.batch_size=2'
# In the second epoch of four iterations.
KILL_RANK_1 = ('custom_hooks.0.rank=1', 'custom_hooks.0.iteration=5')


@pytest.fixture(autouse=True)
def two_processes_work():
    two_processes.require()


def run_two_nodes(work_dir, *options):
    """One process on each of two nodes, started as a user starts them.

    They share a file system, and with it the current folder.
    """
    port = str(free_port())
    work_dir.mkdir(exist_ok=True)

    def node(rank):
        return run_tool(
            *('dist_train.sh', TOY_CONFIG, 1, '--work-dir', work_dir),
            *('--cfg-options', HALF, *options),
            timeout=PATIENCE,
            folder=work_dir,
            environment=dict(
                NNODES='2',
                NODE_RANK=str(rank),
                MASTER_ADDR='127.0.0.1',
                PORT=port,
            ),
        )

    with ThreadPoolExecutor(2) as nodes:
        return list(nodes.map(node, range(2)))


def test_two_nodes_train_as_one_process(tmp_path):
    train(TOY_CONFIG, '--work-dir', tmp_path / 'one')
    nodes = run_two_nodes(tmp_path / 'two')
    assert [done.returncode for done in nodes] == [0, 0], [*map(why, nodes)]
    expected = read_curve(tmp_path / 'one')
    assert len(expected) == 12
    assert read_curve(tmp_path / 'two') == pytest.approx(expected, abs=1e-4)


def test_a_killed_process_ends_the_other_node_too(tmp_path):
    started = time.monotonic()
    first, second = run_two_nodes(tmp_path, *KILL_RANK_1)
    assert time.monotonic() - started < PATIENCE
    assert first.returncode != 0 and second.returncode != 0
    assert 'SIGKILL' in second.stderr, why(second)
    # The first node has lost the other one.
    assert 'Error' in first.stderr, why(first)


@pytest.mark.parametrize(
    'strategy',
    [(), ('strategy.type=FSDP2Strategy', 'strategy.shard_modules=[Linear]')],
    ids=['ddp', 'fsdp2'],
)
def test_a_killed_process_ends_the_job_with_a_message(tmp_path, strategy):
    done = run_tool(
        *('dist_train.sh', TOY_CONFIG, 2, '--work-dir', tmp_path),
        *('--cfg-options', HALF, *KILL_RANK_1, *strategy),
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert 'rank      : 1' in done.stderr, why(done)
    assert 'SIGKILL' in done.stderr, why(done)
    # Of the second epoch nothing is left behind, the first one is whole.
    assert (tmp_path / 'epoch_1.pth').exists()
    assert not (tmp_path / 'epoch_2.pth').exists()
    assert not list(tmp_path.glob('*.tmp'))
