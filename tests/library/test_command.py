"""The command line says which library it is."""

import pytest

import bnlib as bn
from bnlib.__main__ import main


def test_the_command_tells_its_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"bnlib {bn.__version__}\n"
