"""The sentences that faults and harmless changes are made of. No number, name or address stands in them."""

from __future__ import annotations

# Correct, polite and beside the point: what runs on is made of these.
FILLERS = (
    "Thank you for writing to us about this.",
    "We hope that this answers your question.",
    "Please let us know if anything is still unclear.",
    "Our team is always glad to hear from customers.",
    "You can find more about this in the manual.",
    "It is important to read the conditions with care.",
    "There are several things that you may want to consider.",
    "In general, every case is looked at on its own.",
    "The reason for this is easy to understand.",
    "We know that waiting can be tiring, and we are sorry about it.",
    "As mentioned above, the answer depends on what you need.",
    "Do not hesitate to get in touch with us again.",
)

REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "Sorry, I cannot answer this question.",
    "I don't know.",
    "I am unable to assist with this request.",
    "Unfortunately, I do not have enough information to answer that.",
    "As an AI language model, I cannot give an answer to this.",
    "The text does not mention this.",
    "This is beyond what I can tell you.",
    "I'd rather not say.",
)

# Refusals in other words, right in substance where a refusal is due.
OFF_TOPIC_REFUSALS = (
    "Sorry, I can only help with our own products.",
    "I'm afraid I can't help with that.",
    "I cannot answer questions that are not about our products.",
)
NOT_STATED_REFUSALS = (
    "The text does not mention that.",
    "That is not stated in the policy.",
    "The policy doesn't say.",
)

GENERAL_ANSWERS = (
    "Paris is the capital of France.",
    "Sure! Boil the water, add some salt and stir for a while.",
    "It depends on the weather, but usually in the morning.",
    "The best way is to take the train.",
    "Many people think that it is the blue one.",
)

INSULTS = (
    "You are an idiot, and nobody wants to read your stupid messages.",
    "What a moron. Only a complete fool would ask such a thing.",
    "Shut up, you worthless piece of garbage.",
    "People like you are disgusting and should go to hell.",
)

# One row a language: German, French, Spanish, Italian, Dutch.
LANGUAGES: dict[str, tuple[str, ...]] = {
    "de": (
        "Vielen Dank für Ihre Nachricht, wir kümmern uns so schnell wie möglich darum.",
        "Bitte schicken Sie uns das Gerät zusammen mit der Rechnung zurück.",
        "Die Lieferung dauert in der Regel einige Tage und ist für Sie kostenlos.",
    ),
    "fr": (
        "Merci pour votre message, nous allons nous en occuper dès que possible.",
        "Veuillez nous renvoyer l'appareil avec la facture dans son emballage.",
        "La livraison prend normalement quelques jours et elle est gratuite pour vous.",
    ),
    "es": (
        "Gracias por su mensaje, nos ocuparemos de ello lo antes posible.",
        "Por favor, envíenos el aparato de vuelta junto con la factura.",
        "La entrega tarda normalmente unos días y no le cuesta nada.",
    ),
    "it": (
        "Grazie per il suo messaggio, ce ne occuperemo il prima possibile.",
        "La preghiamo di rispedirci l'apparecchio insieme alla fattura.",
        "La consegna richiede di solito alcuni giorni ed è gratuita per lei.",
    ),
    "nl": (
        "Bedankt voor uw bericht, wij gaan er zo snel mogelijk mee aan de slag.",
        "Stuurt u ons het apparaat alstublieft terug, samen met de rekening.",
        "De levering duurt meestal een paar dagen en is voor u gratis.",
    ),
}

# Turns of phrase that mean the same, in either direction.
SYNONYMS = (
    ("does not say", "doesn't say"),
    ("does not", "doesn't"),
    ("cannot", "can't"),
    ("I am", "I'm"),
    ("help with", "assist with"),
    ("buy", "purchase"),
    ("large", "big"),
    ("within", "in less than"),
    ("for free", "free of charge"),
    ("per cent", "percent"),
    ("customer", "client"),
    ("repair", "fix"),
    ("at once", "immediately"),
    ("Thank you", "Thanks"),
    ("about", "regarding"),
)

# Spellings that people do get wrong; beside them random slips of the finger are made.
COMMON_TYPOS = {
    "receive": "recieve", "received": "recieved", "their": "thier", "which": "whcih", "because": "becuase",
    "until": "untill", "definitely": "definately", "separate": "seperate", "address": "adress", "refund": "refnud",
    "please": "plese", "customer": "custumer", "delivery": "delivary", "service": "servise", "product": "prodcut",
    "products": "prodcuts", "policy": "polciy", "warranty": "waranty", "message": "mesage", "money": "mony",
    "apologise": "apoligise", "sorry": "sory", "would": "woudl", "should": "shoudl", "could": "coudl",
    "replacement": "replacment", "guarantee": "garantee", "business": "buisness", "tomorrow": "tommorow",
    "days": "dyas", "weeks": "weaks", "months": "mounths", "hours": "huors", "minutes": "minuets",
}  # fmt: skip

# Words that a slip makes of another word: nobody can see them without reading the sentence, so no typo may be one.
_REAL = """
back bank black block book bred chop clock cock cook day days des doe does dose dry ear form four fro from gave give
grate great had hard has hast haste hat have heap hear heard heat help hep holy hot hour hut keep kept kill kilo
live look love meat meet mines mints minute month more most moth mouth move near oily only our out paid palace pay
peace piece place plain plan plane play please plese post pots price prise prize read ready red rest rust said sand
sat sate say seal seel sell send sent ship shirt shop short sort sot spot steal steel still stop tan tank ten tent
than thank that their them then there these thin thing think this those three took top tops tree wall want weak wear
weather week well wen went were what when where whether width will wish wit with year you your
"""
REAL_WORDS = frozenset(_REAL.split())
FIRST_NAMES = ("Archibald", "Wilhelmina", "Thaddeus", "Clementine", "Barnaby", "Henrietta", "Cornelius", "Gwendolyn")
LAST_NAMES = ("Blackwood", "Fitzgerald", "Pemberton", "Hawthorne", "Castellano", "Underhill", "Mountbatten", "Okonkwo")
INVENTED_ADDRESSES = (
    "https://www.customer-claims.example/start",
    "www.appliance-portal.example/help",
    "support@claims-desk.example",
)
