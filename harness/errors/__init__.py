"""How a response fails: error classifiers, the record of one response, and the door for classifiers of one's own."""

from harness.errors.contract import Classifier, ErrorLabel, ErrorRecord, GroupClassifier
from harness.errors.lm_eval_metrics import classify_response_metrics
from harness.errors.registry import load_classifiers
from harness.errors.taxonomy import PRECEDENCE, classify, classify_all

__all__ = [
    "PRECEDENCE",
    "Classifier",
    "ErrorLabel",
    "ErrorRecord",
    "GroupClassifier",
    "classify",
    "classify_all",
    "classify_response_metrics",
    "load_classifiers",
]
