"""`generate`: a new environment around the product."""

from handlers.deliver import Result
from handlers.messages import cutout_warnings
from handlers.requests import GenerateRequest, samplings
from handlers.runtime.worker_state import WorkerState
from imaging.codec.color_profile import in_profile
from imaging.picture import Picture
from models.engine import Control, GenerateTask
from schemas.answers import GenerationInfo


def generate(request: GenerateRequest, worker: WorkerState, control: Control) -> Result:
    started = control.clock()
    job = request.job
    product = worker.cut_outs.cut_out(in_profile(request.product, None), "product_image")
    control.progress("cut-out", 1, 10)

    tasks = [
        GenerateTask(
            cut_out=product,
            environment=job.environment_type,
            instructions=job.words,
            size=job.output_size,
            product_height_cm=job.product_height_cm,
            harmonize=job.harmonize,
            sampling=sampling,
        )
        for sampling in samplings(job, request.seed)
    ]
    outcome = worker.runner.paint(tasks, control.between(0.1, 1), fallback=job.fallback)
    info = GenerationInfo(
        instructions=job.instructions,
        environment_type=job.environment_type,
        output_size=job.output_size,
        seed=request.seed,
        cutout_confidence=round(product.confidence, 3),
        processing_time=round(control.clock() - started, 3),
        **outcome.shared_info,
    )
    pictures = [Picture(made.pixels) for made in outcome.variants]
    seeds = [task.sampling.seed for task in tasks]
    return Result(pictures, seeds, info, [*request.warnings, *cutout_warnings(product), *outcome.warnings])
