"""HTML pages of reports: one way to render a template with pictures and the styles of all reports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

STYLES = Path(__file__).parent / "templates"  # and head.html, the first lines of pages


def render_page(
    templates: Path,
    pictures: Mapping[str, str],
    context: Mapping[str, Any],
    filters: Mapping[str, Any] | None = None,
    functions: Mapping[str, Any] | None = None,
) -> str:
    """Return report.html of the folder `templates`, filled in. All input is escaped; only Carousel's own pictures (SVG)
    and styles are inserted unescaped. A name that the template uses and nobody gives is an error.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader([templates, STYLES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters or {}
    environment.globals |= functions or {}
    drawn = {name: Markup(svg) for name, svg in pictures.items()}  # noqa: S704 (our own SVG, escaped)
    style = Markup("".join((STYLES / name).read_text(encoding="utf-8") for name in ("report.css", "plots.css")))  # noqa: S704
    return environment.get_template("report.html").render(pictures=drawn, style=style, **context)
