def test_bases_and_overrides_are_merged(
    load_tool, tmp_path, monkeypatch, capsys
):
    (tmp_path / 'base.py').write_text('a = dict(b=1, c=2)\n')
    child = tmp_path / 'child.py'
    child.write_text("_base_ = './base.py'\na = dict(b=3)\n")
    monkeypatch.setattr(
        'sys.argv', ['print_config.py', str(child), '--cfg-options', 'a.d=4']
    )
    load_tool('misc/print_config.py').main()
    printed: dict = {}
    exec(capsys.readouterr().out, printed)
    assert printed['a'] == dict(b=3, c=2, d=4)
