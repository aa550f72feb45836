"""lm-eval's command line with the harness's model and metrics known to it.

Released lm-eval (0.4.13) finds models in its own list alone, not in entry points, so that the bare ``lm_eval`` cannot
know ``--model harness``. This is the same command, one import earlier::

    python -m harness.lm_eval run --model harness --model_args pretrained=smollm2-135m-instruct --batch_size 64 \\
        --include_path "$(harness tasks path)" --tasks helpdesk --apply_chat_template
"""

from __future__ import annotations

import sys

from harness.exceptions import HarnessError

MODEL = "harness.evaluation.lm_eval_model:HarnessLM"


def register() -> None:
    """Make ``harness`` a model name of lm-eval in this process, and our metrics known by theirs.

    The model's code is imported when it is asked for.
    """
    import lm_eval.models  # noqa: F401  # lm-eval lists its own models only while its registry is empty
    from lm_eval.api.registry import model_registry

    from harness.metrics.lm_eval import register as register_metrics

    register_metrics()
    if "harness" not in model_registry:
        model_registry.register("harness", target=MODEL)


def main() -> int:
    """Run lm-eval's command line; returns the exit code of what the harness itself refuses."""
    from lm_eval.__main__ import cli_evaluate

    register()
    try:
        cli_evaluate()
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
