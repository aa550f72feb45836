"""A run as a TensorBoard log: one event file, made with TensorBoard's own protocol buffers and without torch.

`torch.utils.tensorboard` would import torch, and a writer of events stamps each with the clock and its file's name with
the machine's. Here both come from the run, so that the same run gives the same bytes and replaces its file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.reporting.data import ReportData
from harness.reporting.escape import markdown
from harness.reporting.tracking import as_markdown, began, parameters, points, require, run_key, sheets
from harness.storage import write_bytes

FOLDER = "tensorboard"


class TensorboardReporter:
    """Writes ``tensorboard/events.out.tfevents.SECONDS.harness``: scalars, parameters, and tables as text."""

    name = "tensorboard"

    def check(self) -> None:
        """Raise InputError where the package ``tensorboard`` is missing."""
        require(self.name, "tensorboard", "tensorboard")

    def render(self, data: ReportData, out_dir: Path) -> Path:
        """Write the event file into ``out_dir/tensorboard`` (created), atomically, and return its path.

        The same data gives the same bytes.

        Raises:
            InputError: the package ``tensorboard`` is not installed.
            EnvironmentFault: the folder cannot be written.
        """
        self.check()
        path = out_dir / FOLDER / f"events.out.tfevents.{int(began(data)):010d}.harness"
        write_bytes(path, _records(data))
        return path


def _records(data: ReportData) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    stream = io.BytesIO()
    writer = RecordWriter(stream)
    for event in _events(data, Event):
        writer.write(event.SerializeToString(deterministic=True))
    return stream.getvalue()


def _events(data: ReportData, event: Any) -> Iterator[Any]:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    start = began(data)
    yield event(wall_time=start, file_version="brain.Event:2")
    made = hparams_pb(parameters(data), trial_id=run_key(data), start_time_secs=start)
    yield event(wall_time=start, step=0, summary=Summary.FromString(made.SerializeToString(deterministic=True)))
    for point in points(data):
        value = Summary.Value(tag=point.key, simple_value=point.value)
        yield event(wall_time=start + point.seconds, step=point.step, summary=Summary(value=[value]))
    for sheet in sheets(data):
        yield event(wall_time=start, step=0, summary=Summary(value=[_text(sheet.name, as_markdown(sheet, markdown))]))


def _text(name: str, shown: str) -> Any:
    """A text that TensorBoard renders as Markdown and cleans of all HTML but what Markdown makes."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text.metadata import create_summary_metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    metadata = create_summary_metadata(display_name=name, description="")
    return Summary.Value(tag=f"tables/{name}", tensor=make_tensor_proto(shown.encode()), metadata=metadata)
