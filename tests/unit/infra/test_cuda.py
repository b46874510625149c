"""Guide, build and check of accelerators speak of one build of torch, and of one way to build the images."""

from __future__ import annotations

import re

import yaml

from evergreen.tasks.accelerators import CUDA_INDEX
from tests.dockerfile import ROOT

GUIDE = (ROOT / "docs" / "production.md").read_text("utf-8")
BUILD = (ROOT / "infra" / "cloudbuild.yaml").read_text("utf-8")


def test_what_the_guide_says_of_a_gpu_is_the_cuda_that_images_are_built_with() -> None:
    assert yaml.safe_load(BUILD)["substitutions"]["_PIPELINE_TORCH_INDEX"] == CUDA_INDEX
    (major, minor), *_ = re.findall(r"/cu(\d+)(\d)$", CUDA_INDEX)
    (row,) = re.findall(r"^\| a T4 host .*$", GUIDE, re.MULTILINE)
    assert f"CUDA {major}.{minor}," in row
    assert "PyPI" not in row


def test_the_build_file_tells_no_line_that_lacks_what_the_guides_line_has() -> None:
    assert re.findall(r"^# ((?:python|gcloud) .*)$", BUILD, re.MULTILINE) == ["python run.py images --tag 1.0"]
