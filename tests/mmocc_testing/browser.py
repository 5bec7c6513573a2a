"""Open a page of ours in headless Chromium, and use it as a person would."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_PROGRAMS = ('chromium', 'chromium-browser', 'google-chrome')
_SCRIPT_TIME = 10_000  # ms of the page's own clock that scripts may take
_TIMEOUT = 120  # s of real time, the start of the browser included


def require_browser() -> str:
    """Path of a Chromium; without one the test that asks is skipped."""
    for program in _PROGRAMS:
        if path := shutil.which(program):
            return path
    pytest.skip(f'no browser: none of {", ".join(_PROGRAMS)} is installed')


def open_page(page: Path, script: str = '') -> str:
    """The document's HTML after all scripts have run.

    Args:
        page (Path): An HTML file.
        script (str): JavaScript that runs at the end of the page: clicks,
            and elements that it adds to tell what it saw. Defaults to ''.

    Raises:
        AssertionError: The browser reported an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, page.name)
        text = page.read_text(encoding='utf-8')
        head, end, tail = text.rpartition('</body>')
        assert end, f'{page} has no </body>'
        copy.write_text(
            f'{head}<script>{script}</script>{end}{tail}', encoding='utf-8'
        )
        return _run('--dump-dom', copy)


def screenshot(page: Path, out: Path, size: tuple[int, int]) -> None:
    """Write what a window of ``size`` (width, height) shows as a PNG."""
    width, height = size
    _run(f'--screenshot={out}', page, f'--window-size={width},{height}')
    assert out.exists(), f'the browser wrote no picture of {page}'


def _run(action: str, page: Path, *options: str) -> str:
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                require_browser(),
                '--headless=new',
                '--no-sandbox',  # containers run as root
                '--disable-gpu',
                '--disable-dev-shm-usage',
                '--hide-scrollbars',
                '--enable-logging=stderr',
                f'--virtual-time-budget={_SCRIPT_TIME}',
                f'--user-data-dir={profile}',
                *options,
                action,
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=True,
        )
    # What a page's own scripts say goes through the console.
    errors = [
        line
        for line in done.stderr.splitlines()
        if 'CONSOLE' in line and 'Uncaught' in line
    ]
    assert not errors, '\n'.join(errors)
    return done.stdout
