"""The simulation of Colab: which jax it takes, and that Git finds this checkout at the published address."""

import os
import subprocess
import tomllib

import pytest

import colab_check
from notebook_checks import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_oldest_jax_is_the_bound_of_the_project():
    assert colab_check.oldest(["numpy>=2", "jax>=0.8"]) == "0.8.0"
    assert colab_check.oldest(["jax>=0.8.1,<1"]) == "0.8.1"
    assert colab_check.oldest(PROJECT["dependencies"]).count(".") == 2
    with pytest.raises(ValueError, match="not enough values"):
        colab_check.oldest(["jaxlib>=0.8"])


def test_git_finds_this_checkout_at_the_published_address(tmp_path):
    source = tmp_path / "source"
    for command in (["init"], ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "--allow-empty", "-m", "first"]):
        source.mkdir(exist_ok=True)
        subprocess.run(["git", *command], cwd=source, capture_output=True, check=True)
    environment = colab_check.publish(tmp_path / "published.git", PROJECT, source)
    found = subprocess.run(
        ["git", "ls-remote", "--tags", PROJECT["urls"]["Repository"]],
        env=os.environ | environment | {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "file"},
        capture_output=True,
        text=True,
        check=True,
    )
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=source, capture_output=True, text=True, check=True).stdout
    assert found.stdout.split() == [head.strip(), f"refs/tags/v{PROJECT['version']}"]
