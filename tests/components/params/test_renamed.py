"""A name of version 0.1 is refused with the file that holds it and the present name."""

from pathlib import Path

import pytest
import yaml

from components import params
from components.errors import ParamsError


@pytest.mark.parametrize(("old", "new"), params.RENAMED.items())
def test_an_old_name_is_refused_with_the_file_and_the_new_name(old: str, new: str, file: Path, tmp_path: Path) -> None:
    tree: object = 1
    for part in reversed(old.split(".")):
        tree = {part: tree}
    overlay = tmp_path / "shop.yaml"
    overlay.write_text(yaml.safe_dump(tree))
    for source, refused in (
        (str(overlay), lambda: params.load(file, [overlay])),
        (f"--set {old}=1", lambda: params.load(file, overrides=[f"{old}=1"])),
        (str(overlay), lambda: params.load(overlay)),  # as run/params.yaml is read
    ):
        with pytest.raises(ParamsError) as error:
            refused()
        assert str(error.value) == f"{source}: {old} is now called {new}"


def test_each_new_name_exists_and_no_old_one_does(file: Path) -> None:
    loaded = params.load(file)
    for old, new in params.RENAMED.items():
        section, leaf = params.section_of(loaded, new)
        assert leaf in type(section).model_fields, new
        section, leaf = params.section_of(loaded, old)
        assert leaf not in type(section).model_fields, old
