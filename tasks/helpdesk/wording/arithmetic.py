# fmt: off
"""Wording of the arithmetic items: what is to be worked out, by the kind of sum; see `making.arithmetic` for the slots.

``minus``: {a} - {b}; ``plus``: {a} + {b}; ``times``: {k} x {b}; ``part``: {percent} per cent of {whole}; ``after``:
{start} and {k} days; ``between``: from {start} to {end}; ``left``: {a} days less {b}.
"""

from __future__ import annotations

TEMPLATES: dict[str, dict[str, tuple[str, ...]]] = {
    "train": {
        "minus": (
            "I paid {a} euros for the {type}. If you keep {b} euros for shipping, how much do I get back?",
            "The {p} cost me {a} euros and now it is {b} euros cheaper. What is the new price?",
            "You owe me {a} euros for order {order} and have sent {b} euros. How much is still missing?",
            "My gift card holds {a} euros and I spend {b} euros of it. What is left?",
            "The repair would be {a} euros, but the guarantee pays {b} euros. What do I pay myself?",
            "For the {type} I gave {a} euros; you refund all but {b} euros. How much comes back to me?",
            "Order {order} came to {a} euros. I return the lid for {b} euros. What remains to be paid?",
            "I have a voucher of {b} euros. What does the {p} for {a} euros cost me with it?"),
        "plus": (
            "The {p} is {a} euros and shipping {b} euros. What do I pay in all?",
            "I return a jug for {a} euros and a lid for {b} euros. How much will you refund?",
            "Parts are {a} euros, labour is {b} euros. How much is the repair of my {type}?",
            "You took {a} euros on {day1} and {b} euros on {day2}. What is the sum?",
            "My two gift cards hold {a} and {b} euros. How much can I spend?",
            "The {type} is {a} euros, gift paper {b} euros more. What does that make?",
            "Order {order} was {a} euros and I added filters for {b} euros. What is the total?"),
        "times": (
            "A pack of filters is {b} euros. What do {k} packs cost?",
            "I pay {b} euros a month for the {p}. How much is that in {k} months?",
            "We need {k} lids at {b} euros each. What is the price?",
            "Renting the {type} is {b} euros a day. What do I owe for {k} days?",
            "I sent back {k} brushes of {b} euros each. How much do you refund?",
            "Of my plan {k} months at {b} euros are unused. How much do I get back?",
            "Each of our {k} offices bought a cable for {b} euros. What did we spend?"),
        "part": (
            "The {p} costs {whole} euros. How much do I save with {percent} per cent off?",
            "You give {percent} per cent of {whole} euros back for the late delivery. How much is that?",
            "I paid {whole} euros and want {percent} per cent of it refunded for the scratch. How many euros?",
            "As a deposit on the {type} for {whole} euros I pay {percent} per cent. How much is the deposit?",
            "Members get {percent} per cent of what they spend as a bonus. I spent {whole} euros. What is my bonus?",
            "Returning order {order} costs {percent} per cent of {whole} euros. What is the fee?"),
        "after": (
            "My {type} came on {start} and I have {k} days to return it. What is the last date?",
            "Order {order} was sent on {start} and takes {k} days. On what date will it arrive?",
            "My {p} went in for repair on {start} and comes back {k} days later. On what date?",
            "You promised an answer {k} days after {start}. Which date is that?",
            "I paid on {start}, and the money needs {k} days. When is it with you?",
            "My trial of the {p} started on {start}. It ends {k} days later, on what date?",
            "The shop in {city1} closed on {start} for {k} days. When does it open again?"),
        "between": (
            "I ordered on {start} and the parcel came on {end}. How many days had gone by?",
            "You took my {type} in on {start} and gave it back on {end}, how many days later?",
            "The invoice is of {start} and I paid on {end}. After how many days was that?",
            "How many days after the delivery of {start} is my return of {end}?",
            "I rented the {p} on {start} and brought it back on {end}. How many days later was that?"),
        "left": (
            "I may return the {type} within {a} days and {b} days have passed. How many days are left?",
            "My voucher runs for {a} days, of which {b} are over. For how many days is it still good?",
            "The trial lasts {a} days and this is the end of day {b}. How many days remain?",
            "The repair of the {p} was to take {a} days. It has been there for {b}. How much longer?",
            "A reply was promised within {a} days, and {b} days are gone. How many more must I wait at most?"),
    },
    "validation": {
        "minus": (
            "We transferred {a} euros for {order}, although the bill says {b} euros. By how much did we overpay?",
            "Out of {a} euros of credit I have used {b}. How many euros of credit do I still have?",
            "The {type} fell from {a} euros to {b} euros after I bought it. What difference do you pay me?"),
        "plus": (
            "I'd take the {p} at {a} euros plus the long cable at {b} euros. How much money should I bring?",
            "For {order} two sums were refunded, {a} euros and then {b} euros. How much was refunded altogether?"),
        "times": (
            "Our canteen orders {k} jugs. One is {b} euros. What will the bill say?",
            "Storage is {b} euros a week, and you stored my {type} {k} weeks. How much do you charge?",
            "There were {k} wrong bookings of {b} euros on my card. How much must you return?"),
        "part": (
            "A {percent} per cent discount was promised on {whole} euros. How many euros do I save?",
            "Insurance is {percent} per cent of the price, which is {whole} euros. How much is the insurance?"),
        "after": (
            "Please pause my account from {start} on, for {k} days. On which date does it start again?",
            "The spare part was posted on {start}. If the post needs {k} days, what day do I have it?"),
        "between": (
            "My {p} broke on {start}. It ran again on {end}, how many days afterwards?",
            "Your answer of {end} came how many days after my complaint of {start}?"),
        "left": (
            "Of the {a} days that I can cancel in, {b} are gone already. How many do I still have?",
            "Your offer for the {p} holds {a} days. I got it {b} days ago. How many days can I still think about it?"),
    },
    "test": {
        "minus": (
            "My account showed {a} euros before you took {b} euros for a filter. How much does it show now?",
            "You asked {a} euros for the service, and {b} euros of that I had paid in advance. What do I still owe?",
            "Let me exchange the {p} of {a} euros for a model of {b} euros. What do you give me back?"),
        "plus": (
            "Cleaning would be {a} euros and a new ring {b} euros. Together, how much?",
            "Two of my parcels were lost, worth {a} euros and {b} euros. What sum do you pay me?"),
        "times": (
            "I take {k} bottles of descaler, {b} euros a bottle. How much do I pay?",
            "Every one of the {k} broken glasses cost {b} euros. What is the damage in euros?",
            "You bill {b} euros an hour and worked {k} hours on our {type}. What do we pay for that?"),
        "part": (
            "What are {percent} per cent of the {whole} euros that I paid, since you offered me that much back?",
            "Students pay {percent} per cent less. The {type} is {whole} euros. How many euros less is that?"),
        "after": (
            "I'm travelling from {start}. I return {k} days after that, so on what date can you deliver?",
            "Our {p} was collected on {start}. We were told to count {k} days. Until which date do we wait?"),
        "between": (
            "Your letter is dated {start} but reached me on {end}. How many days had passed?",
            "Bought on {start}, broken on {end}: how many days after the purchase did our {type} fail?"),
        "left": (
            "A return is possible for {a} days. We have already taken {b} of them. How many days have we got?",
            "They said {a} days of waiting for the {p}, and {b} are behind us. How many lie ahead?"),
    },
}
