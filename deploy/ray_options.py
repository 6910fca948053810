"""Options of the Ray Serve deployment. Ray is not imported here, so the options can be read without it."""

from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

HEALTH_SECONDS = 2.0
"""Seconds between health checks of a replica; Ray replaces it after three consecutive failures."""

RETRY_SECONDS = 5
"""`Retry-After` of a refused request."""


class Options(BaseModel):
    """Options of `serve run deploy.ray_serve:app NAME=VALUE ...`, or `args` in a Serve config."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_replicas: NonNegativeInt = Field(
        1, description="replicas kept without traffic; 0: the next caller waits for a start"
    )
    max_replicas: PositiveInt = Field(4, description="at most the number that the cluster has GPUs for")
    num_gpus: NonNegativeInt = Field(1, description="GPUs per replica; 0 for previews, more for DEVICE_MAP=balanced")
    max_ongoing_requests: PositiveInt = Field(
        2, description="requests at a replica: one being painted, the others prepared"
    )
    max_queued_requests: PositiveInt = Field(
        32, description="requests waiting at a proxy; further ones are answered 429"
    )
    target_ongoing_requests: PositiveFloat = Field(
        2, description="requests per replica, queued ones included, above which another starts"
    )
    upscale_seconds: NonNegativeFloat = Field(30, description="seconds above the target before another replica starts")
    downscale_seconds: NonNegativeFloat = Field(600, description="seconds below the target before a replica stops")

    @model_validator(mode="after")
    def _not_more_than_most(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError("min_replicas is more than max_replicas")
        return self

    def deployment(self, job_seconds: float) -> dict[str, Any]:
        """Return the options of `serve.deployment`.

        A replica that is told to stop gets `job_seconds`, the longest duration of a job, for each job it holds.
        """
        return {
            "autoscaling_config": {
                "min_replicas": self.min_replicas,
                "max_replicas": self.max_replicas,
                "target_ongoing_requests": self.target_ongoing_requests,
                "upscale_delay_s": self.upscale_seconds,
                "downscale_delay_s": self.downscale_seconds,
            },
            "max_ongoing_requests": self.max_ongoing_requests,
            "max_queued_requests": self.max_queued_requests,
            "backpressure_config": {
                "status_code": 429,
                "retry_after_s": RETRY_SECONDS,
            },  # as in the app's own log line
            "ray_actor_options": {"num_gpus": self.num_gpus},
            "graceful_shutdown_timeout_s": self.max_ongoing_requests * job_seconds,
            "health_check_period_s": HEALTH_SECONDS,
        }
