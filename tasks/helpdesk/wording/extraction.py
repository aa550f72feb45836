# fmt: off
"""Wording of the extraction messages.

A message has a sentence about each of five things. How each is told is its *variant* (an order number alone, with an
older one beside it, with another shop's, ...); the combination of five variants is the message's template, and no
combination occurs in two splits. The phrases of a variant differ between splits as well.

Right values stand in ``{name} {order} {product} {serial}``; ``{other} {order2} {product2} {serial2} {phone}`` and the
like are there to be left out.
"""

from __future__ import annotations

# What a variant leaves unsaid is null; for `wants` the variant is the value.
NULLS = {"anonymous", "staff", "no_order", "rival_order", "phone_only", "no_model", "no_serial", "rival_serial", "advice"}

# The thing told and nothing beside it.
PLAIN = {"self", "one"}

# Of the others, those that take most care, and so come up twice as often.
FREQUENT = {"behalf", "older", "corrected", "two", "switched", "spare"}

PHRASES: dict[str, dict[str, dict[str, tuple[str, ...]]]] = {}

PHRASES["train"] = {
    "name": {
        "self": ("{name} here.", "My name is {name}, from {city}.", "This is {name}.", "I'm {name} and I need help.",
                 "You know me already: {name}, {city}."),
        "behalf": ("I'm {other} and I write for a cousin of mine, {name}, whose purchase this is.",
                   "{other} here, helping my neighbour {name}, who is the customer.",
                   "I look after the affairs of {name}. My own name is {other}.",
                   "On behalf of {name}, who has no email: I am {other}, [the one next door|a former colleague].",
                   "{name} bought this, not me. I'm {other} and only do the typing."),
        "staff": ("I already talked to your colleague {other} on {day}.", "Last week {other} from your hotline told me to write.",
                  "A {other} answered my first mail but could not help.", "Please pass this to {other}, who knows the case."),
        "anonymous": ("Good morning.", "Hello there.", "Dear support team,", "Hi!"),
    },
    "product": {
        "one": ("The {product} {fault}.", "Our {product} {fault}, since {date}.", "Since {day} the {product} {fault}.",
                "It is about the {product}: it {fault}.", "I have trouble with my {product}, which {fault}."),
        "two": ("We own the {product2} as well and that runs fine, but the {product} {fault}.",
                "The {product} {fault}. The {product2} from the same day is all right.",
                "Not the {product2} this time: now the {product} {fault}.",
                "I bought two things, the {product2} and the {product}; only the latter {fault}."),
        "switched": ("I had picked the {product2} at first, then took the {product}, and that {fault}.",
                     "Your shop was out of the {product2}, so I got the {product}. It {fault}.",
                     "My receipt says {product2}, but that's a mistake: I have the {product}, and it {fault}.",
                     "Going by the carton it's the {product2}; by the plate underneath, which is right, the {product}. It {fault}."),
        "rival": ("My {rival} {type} lasted ten years, while the {product} {fault}.",
                  "I gave up {rival} for you, and now the {product} {fault}.",
                  "Next to the old {rival} model the {product} looks good, only it {fault}.",
                  "Even {rival} does better: the {product} {fault}."),
        "no_model": ("My {type} {fault}; I don't know the model.", "One of your machines, the {type}, {fault}.",
                     "The {type} you make {fault}. The name on it has worn off.", "I bought some {type} of yours. It {fault}."),
    },
    "order": {
        "one": ("Order {order}, paid on {date}.", "The number on the bill is {order}.", "You'll find it under order {order}.",
                "Order no. {order}, sent to {zip} {city}.", "It belongs to order {order}."),
        "older": ("It is order {order}; {order2} was last year's and is settled.",
                  "Don't mix it up with {order2} from {month}, this is order {order}.",
                  "Of my two orders, {order2} and {order}, it is the second.",
                  "Order {order} I mean, and not {order2}, which went well.",
                  "Of my two orders, {order} and {order2}, it is the first."),
        "corrected": ("The order number is {order2}, no, sorry, {order}.", "Order {order2} (I misread that: it's {order}).",
                      "I gave you {order2} on the phone. Correctly it is {order}.",
                      "Your mail calls it {order2}, my bill has {order}, and the bill is right."),
        "rival_order": ("The only number I have, {order2}, is from {rival}, so no use to you.",
                        "I can't find the order number; {order2} is my {rival} one.",
                        "There's {order2} on a slip here, but that slip is from {rival}."),
        "phone_only": ("I've lost the bill, but you can ring me on {phone}.", "Look me up under {phone}, my telephone.",
                       "No idea about the order number. I live in {zip} {city}.",
                       "I paid on {date}; that is all I remember. Phone {phone}."),
    },
    "serial": {
        "one": ("Serial {serial}.", "The plate underneath reads {serial}.", "Its serial number is {serial}.",
                "On the back it says {serial}."),
        "spare": ("Its serial is {serial}; {serial2} belongs to the one in my office.",
                  "I see {serial2} on the carton of my sister's and {serial} on mine.",
                  "There are two stickers: {serial2} on the charger, which I guess doesn't count, and the serial {serial}.",
                  "Serial {serial} (your form still has {serial2}, my former one)."),
        "rival_serial": ("The serial I noted, {serial2}, turned out to be that of my {rival}.",
                         "I only have {serial2} here, from the {rival} next to it.",
                         "{serial2} is what my {rival} says; on yours I can't read any."),
        "no_serial": ("", "", "The sticker with the serial has come off.", "I could not find a serial number anywhere."),
    },
    "wants": {
        "refund": ("I'd like my money back.", "Please pay me back what it cost.", "I want to be reimbursed, no new one please.",
                   "I thought of having it mended, but now I just want the money."),
        "replacement": ("Please send me another one.", "I'd like a new one in its place.", "Could you swap it for one that works?",
                        "No money back, thanks: a working one is what I need."),
        "repair": ("Can your workshop mend it?", "I'd like to have it fixed.", "Please put it right, I want to keep this one.",
                   "First I wanted my money back, but fixing it will do."),
        "advice": ("What do you suggest?", "Is that normal?", "What happens now?", "I'd be glad to hear from you."),
    },
    "noise": {
        "any": ("My number is {phone}.", "I've been with you since {month}.", "I'm in {city} until {date}.", "It cost {e1} euros.",
                "The courier came on {date}.", "Please answer before {day}.", "We are {n1} people here."),
    },
}

PHRASES["validation"] = {
    "name": {
        "self": ("The account is in the name of {name}.", "Here is {name} again.", "{name} speaking, customer in {city}."),
        "behalf": ("My neighbour {name} is your customer; I, {other}, write since those old eyes are bad.",
                   "As the carer of {name} I'm sending you this. Signed, {other}.",
                   "{other} at the keyboard, {name} at my side: I type, and the account is not mine."),
        "staff": ("Your technician {other} asked me for a description.", "In the chat {other} promised that someone would see to it."),
        "anonymous": ("To whom it may concern.", "Good evening to the desk.", "Hey!"),
    },
    "product": {
        "one": ("Something is wrong with the {product}, as it {fault}.", "I'm let down by the {product}: it {fault}.",
                "These days my {product} {fault}."),
        "two": ("While the {product2} does its job, the {product} beside it {fault}.",
                "It's the {product} that {fault}. I mention the {product2} only because it came along with it."),
        "switched": ("What I wanted was the {product2}; what I kept was the {product}, which {fault}.",
                     "Your website lists mine as the {product2}, wrongly, for it is the {product} and it {fault}."),
        "rival": ("A friend swears by {rival}, and seeing how the {product} {fault} I start to agree.",
                  "With {rival} I never had this: the {product} {fault}."),
        "no_model": ("There's a Norrvale {type} in our kitchen and it {fault}.", "Whatever the exact model, this {type} {fault}."),
    },
    "order": {
        "one": ("I bought it with order {order}.", "Reference: order {order} of {date}.", "Your confirmation names order {order}."),
        "older": ("Two orders are in my inbox; the one that counts is {order}, the one from {month}, {order2}, does not.",
                  "Please look at {order} rather than {order2}, an order I have long forgotten."),
        "corrected": ("Earlier I wrote order {order2}, a slip of the finger for {order}.",
                      "Order {order2}? I checked again, and it is another: {order}."),
        "rival_order": ("My papers show just {order2}, and those are papers from {rival}.",
                        "All I kept is {order2}, which {rival} gave me for another purchase."),
        "phone_only": ("The bill went out with the waste paper; call {phone} if need be.",
                       "Nothing but my postcode to offer, {zip}, and my phone, {phone}."),
    },
    "serial": {
        "one": ("Engraved on the bottom: {serial}.", "For the serial number I read {serial}."),
        "spare": ("Take {serial} as the serial, since {serial2} is on a second unit that is fine.",
                  "The warranty card bears {serial2} by mistake, the unit itself {serial}."),
        "rival_serial": ("A code {serial2} I do have, though it is on a thing made by {rival}.",
                         "Do not be misled by {serial2} in my photo, that's the {rival} on the shelf."),
        "no_serial": ("", "The engraved code is worn away."),
    },
    "wants": {
        "refund": ("I'd rather have the sum returned to my card.", "Kindly give me back what I spent."),
        "replacement": ("A fresh unit, please.", "Let me have the same model again, but a sound one."),
        "repair": ("Your technicians should get it going again.", "I'm attached to it, so please restore this very unit."),
        "advice": ("How should we go about it?", "Any thoughts?"),
    },
    "noise": {"any": ("Mornings I'm on {phone}.", "The price was {e1} euros.", "Today is {date}.", "I go away on {day}.")},
}

PHRASES["test"] = {
    "name": {
        "self": ("You are reading a message from {name}.", "I, {name}, am a customer in {city}.", "Greetings from {name}."),
        "behalf": ("The buyer is a friend, {name}; my part, as {other}, is to sort it out.",
                   "{other} wrote this down as dictated by {name}, the owner.",
                   "For {name}, the customer, by {other}, who minds the house."),
        "staff": ("Somebody called {other} at your counter sent me here.", "When I rang, {other} took notes."),
        "anonymous": ("Hello to everyone at the desk.", "Dear all.", "A good day to you."),
    },
    "product": {
        "one": ("I'm fed up, because the {product} {fault}.", "After a short while the {product} {fault}.",
                "You sold me the {product}, and it {fault}."),
        "two": ("Of the pair I own, the {product2} behaves and the {product} {fault}.",
                "My complaint concerns the {product} (it {fault}) and leaves aside the {product2}."),
        "switched": ("The {product2} was sold out that day, hence the {product}, and see, it {fault}.",
                     "Though the leaflet inside was for the {product2}, the thing itself is the {product}, and it {fault}."),
        "rival": ("I should have stayed with {rival}: the {product} {fault}.",
                  "Compared with what {rival} offers the {product} was dear, and it {fault}."),
        "no_model": ("Since the weekend our {type} from you {fault}.", "I can only say it's your {type}, and that it {fault}."),
    },
    "order": {
        "one": ("In your books it must be order {order}.", "Attached is the slip for order {order}.", "I quote order {order}."),
        "older": ("There is an old order {order2} that has nothing to do with this; the case is {order}.",
                  "Both {order2} and {order} are orders of mine, the matter at hand being {order}."),
        "corrected": ("Strike order {order2} from my last mail and put {order}.",
                      "I was told {order2} by phone, while the printed order says {order}, which I trust."),
        "rival_order": ("{order2} is no order of yours, I now see, but of {rival}; I have no other.",
                        "Sadly I saved only the number from {rival}, {order2}."),
        "phone_only": ("Without the bill I can give you just {phone}, where I pick up at all hours.",
                       "I threw the papers out. Try my postcode {zip} or telephone {phone}."),
    },
    "serial": {
        "one": ("Stamped into the metal is {serial}.", "The code by the cable says {serial}."),
        "spare": ("Two codes again: {serial} for this one, {serial2} for the one I gave away.",
                  "Not {serial2}, which you have on file from before, but {serial} is stamped on it."),
        "rival_serial": ("My note of {serial2} concerns the {rival} in the cellar.",
                         "Under the cloth I found {serial2}, alas on the {rival}."),
        "no_serial": ("", "Where the code should be there's only glue."),
    },
    "wants": {
        "refund": ("I insist on getting the price returned.", "Transfer the amount back to me, please."),
        "replacement": ("Give me one that works in return for it.", "I am owed a flawless one; ship it soon."),
        "repair": ("Let your people take it apart and cure it.", "Making it work again would be enough for me."),
        "advice": ("Tell me how to proceed.", "Have you heard of that before?"),
    },
    "noise": {"any": ("Evenings you reach me on {phone}.", "I spent {e1} euros on it.", "My lease ends on {date}.",
                      "Visitors come on {day}.")},
}

# Order of the sentences; W (wants) needs P before it, for its "it".
LAYOUTS = ("NPOSW", "NOPSW", "PONSW", "OPSWN", "NPWOS", "PSOWN", "NPSOW")
PARTS = {"N": "name", "P": "product", "O": "order", "S": "serial", "W": "wants"}
