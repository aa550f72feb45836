"""Misspellings by ear, and what a random one must not come out as."""

from __future__ import annotations

BY_EAR: dict[str, str] = dict(
    pair.split("/")
    for pair in (
        "accepted/acsepted address/adress already/allready although/allthough another/anuther answer/anser "
        "apartment/appartment appreciate/apreciate because/becouse before/befor bottle/bottel breakfast/brekfast "
        "building/bilding careful/carefull caught/cought children/childern cleaning/cleening collect/colect "
        "colleague/collegue complain/complane completely/completly confirm/confurm confirmation/confermation "
        "customer/custommer daughter/dauter delivery/delivary different/diffrent difficult/dificult empty/emty "
        "enough/enuf exactly/exacly expensive/expencive explain/explane fault/falt filter/filtar friendly/frendly "
        "guarantee/garantee heating/heeting heavy/hevvy husband/husbend impossible/imposible "
        "instructions/instrucktions invoice/invoise kitchen/kichen leaking/leeking letters/leters message/messige "
        "minutes/minuts missing/mising motor/moter neighbour/nieghbour nobody/nobuddy noise/noize package/packige "
        "password/pasword perfectly/perfectley phone/fone piece/peice plastic/plastick please/pleese "
        "previous/previus problem/problam programme/progamme properly/proparly purchase/purchace quality/qualety "
        "quick/kwick quickly/quickley quiet/kwiet reached/reeched reason/reeson received/recieved "
        "recommend/reccomend recycling/recicling replace/replase replacement/replasement respect/rispect "
        "scratch/skratch screws/scrues second/secund serial/seriel service/servise several/severel "
        "shipping/shiping should/shoud somebody/sombody strange/strainge success/sucess supposed/suposed "
        "switch/swich teachers/teechers technician/tecnician temperature/temprature twice/twise until/untill "
        "voucher/vowcher waited/wated whether/wheather without/withowt working/werking would/woud "
        "written/writen wrong/rong yesterday/yesturday"
    ).split()
)

# Words of English (symspellpy's dictionary) that a slip in one of the messages' words could make.
NOT_A_TYPO = frozenset(
    (
        "abut anther back bade bead being bender blase bother brach brad bred brig brooke burton bush cartoon choose "
        "collet color cones conform conformation cooler craton delver diver drier dripped drooped drover eros fere "
        "filer filers fins flor font form funds gasses glads hater hating hearer hearing hester incudes lager linger "
        "loner loos lose lynch mach males march meal minuets mither moor mosel moth muddle nerds noose nose oder "
        "paced pant pervious pice pint pone power prat precious pres preset quirt quit rater rest reused rigs roose "
        "rungs sakes says seam sees sell sensing shirt shoes shopping shot sicker sine sipping snell soled sort sows "
        "spate stared starred stars stated stats stem stick stirs stoop stooped suck tale tales taster teaches thee "
        "there three tied tier ties tines tired tomes tree trued waned warmed wees wether wheen while whole wile "
        "winder wite woden woks wold wong wring yeas yeats"
    ).split()
)
