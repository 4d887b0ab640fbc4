"""`python -m components.release.dvc_repro ARGUMENTS`: `dvc repro ARGUMENTS`, which updates dvc.lock faster.

DVC reads and writes the whole dvc.lock for each stage, with a parser and a writer in pure Python that keep comments and
line breaks. dvc.lock has neither; libyaml takes a fifth of the time, and writes the same data.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Any, TextIO

from dvc.cli import main
from dvc.utils.serialize import _yaml
from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter


class Representer(SafeRepresenter):
    """Writes an ordered dict as any dict."""


Representer.add_representer(OrderedDict, SafeRepresenter.represent_dict)


def dump(data: Any, stream: TextIO) -> None:
    """Write dicts and lists in DVC's format."""
    yaml: Any = YAML(typ="safe")
    yaml.Representer = Representer
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    yaml.dump(data, stream)


def speed_up() -> None:
    """Replace DVC's parser and writer of files that it changes; `dvc repro` changes dvc.lock alone."""
    _yaml.parse_yaml_for_update = _yaml.parse_yaml
    _yaml._dump = dump


if __name__ == "__main__":
    speed_up()
    sys.exit(main(["repro", *sys.argv[1:]]))
