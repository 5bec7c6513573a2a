"""MkDocs calls these while it builds the site; see ``mkdocs.yml``."""

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))

import generated


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put pages that the navigation does not name at its end."""
    more = generated.unlisted(config.nav)
    if more:
        config.nav.append({'More': more})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie elsewhere, or nowhere."""
    for source, page in generated.ADOPTED.items():
        text = (generated.ROOT / source).read_text(encoding='utf-8')
        text = generated.adopt_links(text, source, page)
        files.append(File.generated(config, page, content=text))
    for page, text in generated.api_pages().items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Fill in tables, and drop links that leave the site."""
    path = page.file.src_uri
    if page.file.generated_by is None:
        markdown = generated.adopt_links(
            markdown, f'{generated.DOCS}/{path}', path
        )
    return generated.fill(markdown)
