"""Updates of many jobs, in as many batches as the service takes them in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from flow_pipelines_client.calls import items
from flow_pipelines_client.models import UpdateJobPipelinesInput

MAX_UPDATES: Final = 500
"""Updates of one batch."""
MAX_IDS: Final = 5000
"""Pipelines that the updates of one batch name together."""


def batches(updates: Iterable[UpdateJobPipelinesInput]) -> Iterator[list[UpdateJobPipelinesInput]]:
    """Yield updates in batches, in their order."""
    batch: list[UpdateJobPipelinesInput] = []
    named = 0
    for update in updates:
        ids = items(update.pipeline_ids)
        if batch and (len(batch) == MAX_UPDATES or named + len(ids) > MAX_IDS):
            yield batch
            batch, named = [], 0
        batch.append(UpdateJobPipelinesInput(job_id=update.job_id, pipeline_ids=ids))
        named += len(ids)
    if batch:
        yield batch
