"""Grounded and scope: a question on a policy or note, answered in a few words or by the skill's fixed sentence."""

from __future__ import annotations

from making.common import NOT_STATED, REDIRECTION, Doc, after_opening, slots, spread, text_doc
from wording import grounded_heldout, grounded_train, scope_heldout, scope_train
from wording.draw import Draw, fill
from wording.shared import Ids

UNANSWERABLE = 35  # per cent of the grounded items
OFF_TOPIC = 45  # per cent of the scope items, half of them look-alikes of a question that is on topic

POLICIES = {"train": grounded_train.POLICIES, **grounded_heldout.POLICIES}
NOTES = {"train": scope_train.NOTES, **scope_heldout.NOTES}
OFF_TOPIC_QUESTIONS = {"train": scope_train.OFF_TOPIC, **scope_heldout.OFF_TOPIC}
LEADS = {"train": scope_train.LEADS, **scope_heldout.LEADS}


def grounded_doc(split: str, index: int, draw: Draw, ids: Ids) -> Doc:
    """A policy and a question that it answers, or a near miss."""
    number = draw.below(len(POLICIES[split]))
    policy, answerable, near_misses = POLICIES[split][number]
    values = slots(split, draw)
    unanswerable = spread(index, UNANSWERABLE)
    answers = None
    if unanswerable:
        place = draw.below(len(near_misses))
        question = near_misses[place]
    else:
        place = draw.below(len(answerable))
        question, *forms = answerable[place]
        answers = [fill(form, values, draw) for form in forms]
    kind = "unanswerable" if unanswerable else "answerable"
    text = f"Policy: {fill(policy, values, draw)}\nQuestion: {fill(question, values, draw)}"
    return text_doc(kind, f"grounded-{split}-{number:02d}-{kind[0]}{place}", text, answers, NOT_STATED)


def scope_doc(split: str, index: int, draw: Draw, ids: Ids) -> Doc:
    """A desk note and a question, on topic or not; half of the latter look like one that is."""
    number = draw.below(len(NOTES[split]))
    note, facts = NOTES[split][number]
    place = draw.below(len(facts))
    on_topic, forms, look_alike = facts[place]
    values = slots(split, draw)
    answers = None
    if not spread(index, OFF_TOPIC):
        question, kind, cluster = on_topic, "on", f"{number:02d}-on{place}"
        answers = [fill(form, values, draw) for form in forms.split("|")]
    elif draw.chance(50):
        question, kind, cluster = look_alike, "off", f"{number:02d}-off{place}"
    else:
        place = draw.below(len(OFF_TOPIC_QUESTIONS[split]))
        question, kind, cluster = OFF_TOPIC_QUESTIONS[split][place], "off", f"any-off{place:02d}"
    lead = fill(draw.pick(LEADS[split]), values, draw)
    asked = after_opening(lead, fill(question, values, draw))
    text = f"Note: {fill(note, values, draw)}\nQuestion: {asked}"
    return text_doc(kind, f"scope-{split}-{cluster}", text, answers, REDIRECTION)
