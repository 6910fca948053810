"""`generate`: a new environment around the product."""

from handlers.requests import GenerateRequest, samplings
from handlers.runtime.engine_runner import EngineRunner, Made, doubts, paint_each
from imaging.codec.color_profile import in_profile
from imaging.picture import Picture
from models.engine import Control, GenerateTask
from schemas.answers import GenerationInfo


def generate(request: GenerateRequest, runner: EngineRunner, control: Control) -> Made:
    started = control.clock()
    job = request.job
    product = in_profile(request.product, None)
    cutting = runner.cut_outs.of(product, "product_image")
    control.progress("cut-out", 1, 10)

    tasks = [
        GenerateTask(
            cut_out=cutting,
            environment=job.environment_type,
            instructions=job.words,
            size=job.output_size,
            product_height_cm=job.product_height_cm,
            harmonize=job.harmonize,
            sampling=sampling,
        )
        for sampling in samplings(job, request.seed)
    ]
    within = control.between(0.1, 1)
    outcome = runner.paint(lambda model: paint_each(model.generate, tasks, within), control, fallback=job.fallback)
    info = GenerationInfo(
        instructions=job.instructions,
        environment_type=job.environment_type,
        output_size=job.output_size,
        seed=request.seed,
        cutout_confidence=round(cutting.confidence, 3),
        processing_time=round(control.clock() - started, 3),
        **outcome.shared_info,
    )
    pictures = [Picture(made.pixels) for made in outcome.variants]
    seeds = [task.sampling.seed for task in tasks]
    return Made(pictures, seeds, info, [*request.warnings, *doubts(cutting), *outcome.warnings])
