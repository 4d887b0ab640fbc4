"""Pages of reports: input is escaped, pictures are not, and a missing name is an error."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from components.evaluation.pages import render_page


def test_input_is_escaped_and_pictures_are_not(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(
        "{{ title | loud }} {{ pictures.a }} {{ double(2) }} {{ style | length > 0 }}"
    )
    page = render_page(tmp_path, {"a": "<svg/>"}, {"title": "<b>"}, {"loud": str.upper}, {"double": lambda n: 2 * n})
    assert page == "&lt;B&gt; <svg/> 4 True"


def test_a_name_that_nobody_gives_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("{{ title }}")
    with pytest.raises(UndefinedError, match="title"):
        render_page(tmp_path, {}, {})
