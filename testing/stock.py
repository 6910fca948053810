"""diffusers' own pipelines around this project's components, for comparison."""

import warnings
from typing import Any

from diffusers import FlowMatchEulerDiscreteScheduler, QwenImageEditPlusPipeline
from transformers import BatchFeature

from models.checkpoints.components import Components


class ImageOnlyProcessor:
    """The methods that the stock pipeline needs of its processor, without the one that needs torchvision."""

    def __init__(self, parts: Components) -> None:
        self.parts = parts

    def __call__(self, text: list[str], images: Any, **_: Any) -> Any:
        seen = dict(self.parts.image_processor(images, return_tensors="pt"))
        for grid in seen["image_grid_thw"]:
            count = int(grid.prod()) // 4
            text = [text[0].replace("<|image_pad|>", "<|pad|>" * count, 1)]
        tokens = self.parts.tokenizer([text[0].replace("<|pad|>", "<|image_pad|>")], return_tensors="pt")
        return BatchFeature({**tokens, **seen})


def stock_edit(parts: Components) -> QwenImageEditPlusPipeline:
    pipeline = QwenImageEditPlusPipeline.__new__(QwenImageEditPlusPipeline)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = FlowMatchEulerDiscreteScheduler.from_config(parts.edit.scheduler_config)
        pipeline.__init__(scheduler, parts.vae, parts.text_encoder, parts.tokenizer, None, parts.edit.transformer)
    pipeline.processor = ImageOnlyProcessor(parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
