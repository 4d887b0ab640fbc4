"""`carousel --version` prints what is installed."""

import platform
from importlib.metadata import version

import pytest

from flows import cli, versions


def test_versions_are_printed_before_any_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    lines = dict(line.split(" ") for line in capsys.readouterr().out.splitlines())
    assert lines["python"] == platform.python_version()
    assert lines["prefect"] == version("prefect")
    assert set(lines) >= {
        "carousel",
        "torch",
        "mlflow",
        "dvc",
        "evidently",
        "lightning",
        "transformers",
        "scikit-learn",
    }


def test_a_missing_package_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "PACKAGES", ("no-such-package",))
    assert versions.installed_versions()["no-such-package"] == "none"
