"""Questions of other subjects, each to be answered with the user's own sentence.

Written for this purpose: everyday knowledge of subjects far apart, three to a subject. A subject that the user's own
prompts speak of is left out, so nothing is off topic that might be on it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.evaluation.items import Item
from harness.evaluation.roles import SHARES, deal, roles_of_splits
from harness.exceptions import InputError
from harness.intake.documents import OFF_TOPIC
from harness.intake.example import Example, FileSplit, Row
from harness.storage import sha256_text

LEAST_SUBJECTS = 12
_SHARE = 0.001
"""Of the user's prompts that may hold a subject's words (two prompts at least) before it counts as theirs."""
_WORD = re.compile(r"[a-z]+")

# subject: (words that say that a text is about it, questions)
SUBJECTS: Mapping[str, tuple[str, tuple[str, str, str]]] = {
    "baking": ("yeast dough bread bake baking oven", (
        "How long should bread dough rise before it goes into the oven?", "Why did my sponge cake sink in the middle?",
        "Can I use baking soda in place of baking powder?")),
    "astronomy": ("planet planets moon star stars galaxy telescope", (
        "How many moons does Jupiter have?", "Why does the moon look larger near the horizon?",
        "Which planet has the longest day?")),
    "dogs": ("dog dogs puppy leash", (
        "How do I stop my puppy from chewing shoes?", "How often should a dog be walked?",
        "Which breeds of dog shed the least?")),
    "guitar": ("guitar chord chords strings", (
        "How do I play a barre chord on the guitar?", "How often should guitar strings be changed?",
        "What is a capo used for?")),
    "gardening": ("tomato tomatoes prune soil compost garden", (
        "When should tomatoes be planted out?", "How do I prune an old apple tree?", "What can go on a compost heap?")),
    "chess": ("chess rook bishop checkmate", (
        "What is the best answer to the Sicilian Defence?", "Can a king castle out of check?",
        "How does en passant work in chess?")),
    "rome": ("roman emperor rome caesar", (
        "Who was the first Roman emperor?", "When did the western Roman Empire fall?",
        "Why did Caesar cross the Rubicon?")),
    "volcanoes": ("volcano volcanoes lava magma eruption", (
        "How does a volcano form?", "Which volcano buried Pompeii?", "What is the difference between lava and magma?")),
    "knitting": ("knit knitting wool stitch crochet", (
        "How do I cast on for knitting?", "How much wool does a scarf take?", "What is a purl stitch?")),
    "football": ("football goalkeeper offside striker league", (
        "When is a player offside in football?", "How many players are in a football team?",
        "How long is extra time in a cup final?")),
    "genetics": ("gene genes chromosome dna inherited", (
        "How many chromosomes do humans have?", "Are blue eyes inherited from both parents?",
        "What does DNA stand for?")),
    "photography": ("camera aperture shutter lens photo photos", (
        "What does a wide aperture do to a photo?", "Which shutter speed freezes running water?",
        "How do I photograph fireworks?")),
    "weather": ("thunder lightning fog hail snow", (
        "How far away is lightning if I count five seconds?", "Why is there fog over lakes in the morning?",
        "How does hail form?")),
    "poetry": ("poem poems haiku sonnet rhyme", (
        "Can you write a haiku about autumn?", "How many lines does a sonnet have?",
        "What is a word that rhymes with silver?")),
    "bicycles": ("bicycle bike brake pedal tyre", (
        "How do I mend a flat bicycle tyre?", "How high should a bicycle saddle be?",
        "How do I adjust the brakes of my bike?")),
    "chemistry": ("acid molecule atom chemical sodium", (
        "What is the chemical symbol of sodium?", "Why does vinegar react with baking soda?",
        "How many atoms are in a molecule of water?")),
    "painting": ("watercolour canvas brush easel paint", (
        "Which paper is best for watercolour?", "Who painted the Girl with a Pearl Earring?",
        "How do I clean oil paint from a brush?")),
    "dinosaurs": ("dinosaur dinosaurs fossil jurassic", (
        "When did the dinosaurs die out?", "Was Tyrannosaurus covered in feathers?", "How are fossils dated?")),
    "sailing": ("sail sailing anchor harbour knot", (
        "How do I tie a bowline?", "Which side is starboard?", "How does a boat sail against the wind?")),
    "coffee": ("coffee espresso beans brew", (
        "How fine should coffee be ground for espresso?", "What is the difference between a latte and a flat white?",
        "How long should tea leaves brew?")),
    "geometry": ("triangle circle radius polygon", (
        "What is the sum of the angles of a triangle?", "How do I find the area of a circle?",
        "How many sides does a dodecagon have?")),
    "birds": ("bird birds nest feather owl", (
        "Why do geese fly in a V?", "Which bird lays the largest egg?", "How far can an owl turn its head?")),
    "yoga": ("yoga stretch posture meditation", (
        "Which yoga pose is good for a stiff back?", "How long should a beginner meditate each day?",
        "Should I stretch before or after a run?")),
    "mythology": ("zeus myth myths odin hercules", (
        "Who was the mother of Hercules?", "What are the names of Odin's ravens?",
        "Why was Prometheus punished by Zeus?")),
}  # fmt: skip


def off_topic(
    examples: Mapping[FileSplit | None, Sequence[Example]], sentence: str, own_instruction: bool
) -> dict[FileSplit | None, list[Example]]:
    """Redirection examples for each split, in the form of the user's own: a passage, where those have one.

    The questions of a subject are one cluster. Over several splits they are dealt as `harness.evaluation.roles` deals.
    Where the user's examples have passages (or tools), a subject takes those of one of their clusters in its split,
    and joins it, so that roles do not tear it.

    Args:
        examples: the user's, by the split that their file is named for.
        own_instruction: whether each of them brings an instruction of its own, which off-topic questions then lack.

    Raises:
        InputError: the user's prompts speak of too many of the subjects.
    """
    every = [example for group in examples.values() for example in group]
    subjects = foreign_subjects([example.prompt for example in every])
    if len(subjects) < LEAST_SUBJECTS:
        raise InputError(
            f"--off-topic: the prompts speak of {len(SUBJECTS) - len(subjects)} of {len(SUBJECTS)} everyday subjects, "
            "so hardly anything is off topic; leave the option out"
        )
    found: dict[FileSplit | None, list[Example]] = {split: [] for split in examples}
    for split, names in _dealt(subjects, list(examples)).items():
        clusters: dict[str, Example] = {}
        for example in examples[split]:
            if example.context or example.tools:
                clusters.setdefault(example.cluster or "", example)
        ordered = sorted(clusters, key=lambda name: sha256_text(f"off-topic\0{name}"))
        for place, name in enumerate(names):
            partner = _partner(name, [clusters[each] for each in _turned(ordered, place)])
            for question in SUBJECTS[name][1]:
                row = Row({}, f"off-topic question about {name}", split)
                found[split].append(_example(question, row, name, sentence, partner, own_instruction))
    return found


def _example(
    question: str, row: Row, subject: str, sentence: str, partner: Example | None, own_instruction: bool
) -> Example:
    own = Example(question, sentence, row, skill=OFF_TOPIC, cluster=f"off-topic {subject}")
    if partner is None:
        return own
    instruction = "" if own_instruction else partner.instruction
    return replace(own, context=partner.context, instruction=instruction, cluster=partner.cluster)


def _turned(names: Sequence[str], place: int) -> list[str]:
    start = place % len(names) if names else 0
    return [*names[start:], *names[:start]]


def _partner(subject: str, candidates: Sequence[Example]) -> Example | None:
    """The first example whose passage does not speak of ``subject``, so that it cannot answer its questions."""
    words = set(SUBJECTS[subject][0].split())
    return next((each for each in candidates if not words & set(_WORD.findall((each.context or "").lower()))), None)


def foreign_subjects(prompts: Sequence[str]) -> list[str]:
    """The subjects that ``prompts`` do not speak of, in order."""
    counts = Counter(word for prompt in prompts for word in set(_WORD.findall(prompt.lower())))
    most = max(1, int(_SHARE * len(prompts)))
    return [name for name, (words, _) in SUBJECTS.items() if all(counts[word] <= most for word in words.split())]


def _dealt(subjects: Sequence[str], splits: Sequence[FileSplit | None]) -> dict[FileSplit | None, list[str]]:
    """Which subjects go to which split: all to one that is alone, else as the roles that each split gives."""
    if len(splits) == 1:
        return {splits[0]: list(subjects)}
    present = {split for split in splits if split is not None}
    items = [Item(name, OFF_TOPIC, OFF_TOPIC, name, "test", {}, name, "") for name in subjects]
    roles = deal({"train": items}, given={"train": tuple(SHARES)}).items
    of_role = {role: split for split, given in roles_of_splits(present).items() for role in given}
    dealt: dict[FileSplit | None, list[str]] = {split: [] for split in splits}
    for role, given in roles.items():
        target = of_role[role]
        dealt[next(split for split in splits if split == target)] += [item.item_id for item in given]
    return dealt
