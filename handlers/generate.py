"""`generate`: put a product into a new environment."""

from handlers.deliver import Result
from handlers.requests import GenerateRequest, samplings, shape_warnings
from handlers.runtime.worker_state import WorkerState
from handlers.steps.messages import cutout_warnings
from handlers.steps.placement import GUESSED_RUG, asked_surface
from imaging.codec.color_profile import in_profile
from imaging.cutout import CutOut
from imaging.picture import Picture
from imaging.placement.surface_words import surface_by_shape
from models.engine import Control, GenerateTask, Sampling
from schemas.answers import GenerationInfo
from schemas.jobs import AskedSurface, GenerateJob


def generate(request: GenerateRequest, worker: WorkerState, control: Control) -> Result:
    started = control.clock()
    job = request.job
    product = worker.cut_outs.cut_out(in_profile(request.product, None), "product_image")
    control.progress("cut-out", 1, 10)

    surface, surface_warnings = _surface(job, product)
    tasks = [_task(job, product, surface, sampling) for sampling in samplings(job, request.seed)]
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
    shape = shape_warnings(job, (product.alpha.shape[1], product.alpha.shape[0]))
    warnings = [*request.warnings, *cutout_warnings(product), *shape, *surface_warnings, *outcome.warnings]
    return Result(pictures, seeds, info, warnings)


def _surface(job: GenerateJob, product: CutOut) -> tuple[AskedSurface, list[str]]:
    """Return the surface that the job asks for or the product's shape suggests, with warnings."""
    surface, warnings = asked_surface(job)
    if surface == "auto" and surface_by_shape(product) == "rug":
        return "rug", [GUESSED_RUG]
    return surface, warnings


def _task(job: GenerateJob, product: CutOut, surface: AskedSurface, sampling: Sampling) -> GenerateTask:
    return GenerateTask(
        cut_out=product,
        environment=job.environment_type,
        instructions=job.words,
        size=job.output_size,
        product_height_cm=_height_cm(job, product),
        harmonize=job.harmonize,
        sampling=sampling,
        name=job.product_name.strip(),
        surface=surface,
    )


def _height_cm(job: GenerateJob, product: CutOut) -> float | None:
    """Return the product's height, or the height implied by its width and the shape of its photo."""
    if job.product_height_cm or not job.product_width_cm:
        return job.product_height_cm
    return job.product_width_cm * product.alpha.shape[0] / product.alpha.shape[1]
