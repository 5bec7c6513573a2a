"""The bar counts every iteration and shows a loss."""

from types import SimpleNamespace

from mmocc.engine.hooks.progress_bar_hook import ProgressBarHook


def test_the_bar_fills_up(capsys):
    runner = SimpleNamespace(max_iters=4, iter=1, test_dataloader=[0, 0])
    hook = ProgressBarHook('stage 1')
    hook.before_train(runner)
    for batch in range(3):  # resumed at 1 of 4
        hook.after_train_iter(runner, batch, outputs=dict(loss=2.5))
    hook.after_train(runner)
    hook.before_test(runner)
    hook.after_test_iter(runner, 0)
    hook.after_test_iter(runner, 1)
    hook.after_test(runner)
    shown = capsys.readouterr().err
    assert 'stage 1: train' in shown and '4/4' in shown
    assert 'loss 2.500' in shown
    assert 'stage 1: test' in shown and '2/2' in shown
