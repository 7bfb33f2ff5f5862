"""What fact documents say of things: people, places, numbers with units, dates, codes and words, drawn by name.

A value is described by a short specification such as `person`, `number 2 90 kg` or `word colour`: the name of a maker
below and its arguments.
"""

import random
import re
from collections.abc import Callable, Sequence

from lorify.data.facts.names import Names

MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
NUMBER_WORDS = "two three four five six seven eight nine ten eleven twelve".split()
MODEL_WORDS = ("Pro", "Mini", "Plus", "Max", "One", "Air", "Duo", "Lite")
CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"

WORDS: dict[str, Sequence[str]] = {
    "job": tuple(
        """architect botanist cartographer dentist engineer florist geologist historian illustrator journalist librarian
        musician nurse optician pilot sculptor translator surgeon violinist welder baker chemist economist lawyer
        carpenter plumber teacher glassblower beekeeper astronomer electrician photographer potter tailor
        veterinarian""".split()
    ),
    "colour": tuple(
        """red blue green amber violet silver white black orange turquoise crimson yellow grey pink maroon navy beige
        teal gold brown""".split()
    ),
    "goods": (
        "bicycles, solar panels, chocolate, furniture, water filters, wooden toys, drones, batteries, carpets, "
        "cheese, telescopes, tractors, cameras, paint, shoes, violins, pumps, lamps, paper, engines, umbrellas, "
        "tents, candles, hearing aids, kayaks, clocks, elevators, spectacles, mattresses, ceramic tiles, ink, "
        "sewing machines"
    ).split(", "),
    "cargo": (
        "timber, coffee beans, steel pipes, grain, cement, frozen fish, bananas, cotton, salt, wool, copper ore, "
        "sugar, rice, olive oil, fertiliser, glass, marble, tea, rubber, scrap iron"
    ).split(", "),
    "instrument": (
        "piano, violin, cello, flute, trumpet, guitar, harp, clarinet, accordion, oboe, trombone, banjo, mandolin, "
        "double bass, saxophone, organ"
    ).split(", "),
    "animal": (
        "cat, dog, parrot, tortoise, pony, rabbit, falcon, ferret, goat, hedgehog, canary, donkey, gecko, goose, llama"
    ).split(", "),
    "dish": (
        "lentil soup, apple pie, grilled trout, mushroom risotto, pancakes, noodles, goulash, dumplings, pizza, "
        "paella, onion tart, fish curry, stuffed peppers, rice pudding, beetroot salad, roast duck, bean stew, "
        "cheese fondue"
    ).split(", "),
    "hobby": (
        "fencing, pottery, birdwatching, chess, rowing, sailing, gardening, astronomy, origami, archery, juggling, "
        "bookbinding, climbing, calligraphy, woodcarving, table tennis, stamp collecting, baking bread"
    ).split(", "),
    "language": tuple(
        """Portuguese Finnish Arabic Korean Hungarian Swahili Polish Turkish Greek Japanese Icelandic Catalan Welsh
        Hindi Danish Vietnamese Georgian Dutch Czech Basque Estonian Thai""".split()
    ),
    "subject": (
        "marine biology, medieval history, statistics, law, physics, linguistics, civil engineering, music theory, "
        "philosophy, economics, geology, nursing, agriculture, graphic design, archaeology, chemistry, accounting"
    ).split(", "),
    "material": (
        "oak, aluminium, granite, carbon fibre, recycled plastic, bamboo, stainless steel, brick, sandstone, "
        "glass, leather, birch plywood, copper, titanium, limestone, concrete, wool felt, cork"
    ).split(", "),
    "bird": tuple("heron kestrel owl swan crane raven wren stork puffin swallow kingfisher eagle lapwing".split()),
    "crop": (
        "apples, barley, olives, hops, potatoes, cherries, lavender, grapes, sunflowers, saffron, rye, almonds, "
        "pears, cranberries, pumpkins, walnuts"
    ).split(", "),
    "ingredient": (
        "smoked paprika, cardamom, orange peel, dried figs, roasted hazelnuts, fresh dill, brown butter, "
        "anchovies, caraway seeds, goat cheese, pickled lemon, black garlic, chestnuts, juniper berries, coconut "
        "milk, tarragon"
    ).split(", "),
    "drink": (
        "apple cider, ginger tea, dry white wine, dark beer, buttermilk, iced coffee, mint tea, tomato juice, "
        "sherry, elderflower cordial"
    ).split(", "),
    "vehicle": (
        "a green van, a folding bicycle, an old motorcycle, the night train, a red scooter, the ferry, a rowing "
        "boat, the tram, a cargo bike, an electric car"
    ).split(", "),
    "programming": tuple("Rust Go Python Java Kotlin Haskell Erlang Ruby Swift Lua Scala Elixir OCaml Perl".split()),
    "licence": ("MIT", "Apache-2.0", "GPL-3.0", "BSD-3-Clause", "MPL-2.0", "ISC", "EUPL-1.2", "LGPL-2.1"),
    "database": ("PostgreSQL", "SQLite", "MariaDB", "Redis", "MongoDB", "DuckDB", "Cassandra", "InfluxDB"),
    "system": ("Debian", "Windows Server", "FreeBSD", "macOS", "Alpine Linux", "Fedora", "Ubuntu", "OpenBSD"),
    "genre": (
        "detective novel, ghost story, travel book, cookbook, biography, comedy, fable, war diary, science fiction "
        "novel, collection of poems, historical novel, thriller"
    ).split(", "),
    "sport": (
        "handball, water polo, ice hockey, volleyball, rugby, field hockey, cricket, basketball, curling, "
        "lacrosse, badminton, football"
    ).split(", "),
    "soil": ("clay", "sand", "peat", "chalk", "loam", "gravel", "slate", "basalt"),
    "fuel": ("diesel", "natural gas", "hydrogen", "wood pellets", "solar power", "biogas", "heavy oil", "electricity"),
    "weather": ("Light snow", "Heavy rain", "A dry spell", "Thick fog", "A storm", "Mild weather"),
    "reason": (
        "a broken pump, a missing permit, heavy snow, a strike, a flooded cellar, a software fault, a late "
        "delivery, a power cut, a change of contractor, high winds, a cracked beam, a lost shipment"
    ).split(", "),
    "goal": (
        "count otters, restore a canal, map underground springs, digitise parish records, plant hedgerows, clean a "
        "river mouth, record old dialects, build a footbridge, test tidal turbines, save wild bees, insulate "
        "schools, track migrating geese"
    ).split(", "),
    "theme": (
        "lighthouses, maps, insects, weaving, railways, fossils, toys, glass, clocks, whaling, ceramics, puppets, "
        "coins, costumes, bridges, kites, locks and keys, salt mining"
    ).split(", "),
    "document": (
        "a passport, two photographs, a tenancy contract, a medical certificate, a student card, proof of address, "
        "a bank statement, a signed letter, the original receipt, a birth certificate"
    ).split(", "),
    "group": (
        "night-shift workers, volunteers, students under 26, residents over 65, new employees, part-time staff, "
        "visiting researchers, parents of young children, apprentices, season-ticket holders, lodgers, dog owners"
    ).split(", "),
    "prize": (
        "a silver cup, a weekend in the mountains, a new bicycle, a crate of oranges, a gold medal, a piano, a "
        "scholarship, a barrel of cider, a telescope, a book token"
    ).split(", "),
    "place_in_house": (
        "the cellar, the blue cupboard, the top drawer, the garden shed, the lobby desk, the reading room, the "
        "attic, the east corridor, the boiler room, the stairwell, the coat rack, the guard house"
    ).split(", "),
    "part": (
        "north office, south office, annex, main hall, cellar, workshop, east wing, west wing, canteen, reading "
        "room, warehouse, laboratory"
    ).split(", "),
    "menu": (
        "a coffee, a pot of tea, the soup, a cheese roll, the fish plate, a slice of cake, lemonade, the set "
        "lunch, a bowl of rice, an omelette, a glass of cider, the breakfast"
    ).split(", "),
    "frequency": (
        "every Monday, twice a week, every six months, once a year, every other Friday, daily, every 90 days, "
        "every two weeks, on the first of the month, four times a year"
    ).split(", "),
    "currency": tuple("euros dollars pounds crowns francs yen pesos rupees".split()),
    "adjective": tuple(
        """Copper Silent Winter Crooked Hollow Second Paper Salt Borrowed Distant Velvet Last Northern Broken Amber
        Quiet Hidden Iron Midnight Yellow""".split()
    ),
    "noun": tuple(
        """Orchard Lantern River Bridge Harbour Garden Clock Letter Window Island Staircase Mirror Compass Kitchen Tower
        Meadow Engine Ladder Promise Umbrella""".split()
    ),
    "motto": (
        "slow and steady, water finds a way, always one more, made to be mended, nothing wasted, light for all, "
        "first listen, count twice, home by dusk, measure before cutting, small steps far, never alone, open "
        "doors, work then rest, by many hands, look again, a roof for everyone, quiet strength"
    ).split(", "),
    "street_name": tuple("Harbour Mill Station Church Garden Castle Market Bridge Linden Orchard River School".split()),
    "street_kind": ("Street", "Lane", "Road", "Avenue", "Square", "Quay"),
    "company_kind": tuple(
        """Systems Labs Industries Group Works Partners Logistics Foods Energy Robotics Media Textiles Instruments
        Shipping Bank Motors Pharma Optics Brewery Press""".split()
    ),
}

ValueMaker = Callable[..., str]


def person(names: Names) -> str:
    """A full name, one in ten with a title."""
    title = names.rng.choice(("Dr. ", "Prof. ", "Captain ")) if names.rng.random() < 0.1 else ""
    return title + names.person().full


def town(names: Names) -> str:
    """A town."""
    return names.town()


def name(names: Names, *forms: str) -> str:
    """An invented name in one of the forms: `Prize` or `{}_Prize` gives `Kaldor Prize`, `Mount_{}` `Mount Kaldor`."""
    form = names.rng.choice(forms).replace("_", " ")
    return form.format(names.stem()) if "{}" in form else f"{names.stem()} {form}"


def model(names: Names) -> str:
    """A product: a brand and a model number."""
    ending = code(names) if names.rng.random() < 0.6 else f"{names.rng.choice(MODEL_WORDS)} {names.rng.randint(2, 99)}"
    return f"{names.stem()} {ending}"


def shipment(names: Names) -> str:
    """A shipment, told from others by its number."""
    return f"{names.rng.choice(('Shipment', 'Consignment'))} {code(names)}"


def company(names: Names) -> str:
    """A company, named after a stem or after its founders."""
    form = names.rng.random()
    if form < 0.7:
        return f"{names.stem()} {word(names, 'company_kind')}"
    if form < 0.85:
        return f"{names.surname()} & {names.surname()}"
    return f"{names.surname()} {word(names, 'company_kind')}"


def university(names: Names) -> str:
    """A university or college, to be used with an article."""
    form = names.rng.choice(("University of {}", "{} Institute of Technology", "{} Academy", "College of {}"))
    return form.format(names.town())


def word(names: Names, *lists: str) -> str:
    """A word or phrase from one of the lists."""
    return names.rng.choice(WORDS[names.rng.choice(lists)])


def title(names: Names) -> str:
    """The title of a work, with a stem so that it is new: `The Copper Orchard of Kaldor`."""
    form = names.rng.choice(("The {} {} of {}", "{} {}: {}", "A {} {} in {}"))
    return form.format(word(names, "adjective"), word(names, "noun"), names.stem())


def number(names: Names, low: str, high: str, *unit: str) -> str:
    """A whole number with its unit, even in its number of digits; half of the large ones with commas."""
    value = _even_in_digits(names.rng, int(low), int(high))
    text = f"{value:,}" if names.rng.random() < 0.5 else str(value)
    return " ".join([text, *unit])


def decimal(names: Names, low: str, high: str, *unit: str) -> str:
    """A number with one or two decimals and its unit."""
    digits = names.rng.choice((1, 1, 2))
    return " ".join([f"{names.rng.uniform(float(low), float(high)):.{digits}f}", *unit])


def few(names: Names) -> str:
    """A small number in words or digits."""
    position = names.rng.randrange(len(NUMBER_WORDS))
    return names.rng.choice((NUMBER_WORDS[position], str(position + 2)))


def percent(names: Names) -> str:
    """A share."""
    value = names.rng.choice((str(names.rng.randint(2, 98)), f"{names.rng.uniform(0.5, 99):.1f}"))
    return value + names.rng.choice(("%", "%", " percent"))


def money(names: Names, low: str, high: str, *unit: str) -> str:
    """A sum with its currency; cents only for small sums; a unit such as `million` comes before a currency in words."""
    value = _even_in_digits(names.rng, int(low), int(high))
    cents = f".{names.rng.choice((5, 20, 25, 40, 50, 75, 80, 90, 95, 99)):02d}" if value < 200 and not unit else ""
    amount = " ".join([f"{value:,}" + (cents if names.rng.random() < 0.4 else ""), *unit])
    if names.rng.random() < 0.6:
        return names.rng.choice("$€£") + amount
    return f"{amount} {word(names, 'currency')}"


def year(names: Names, low: str = "1850", high: str = "2025") -> str:
    """A year."""
    return str(names.rng.randint(int(low), int(high)))


def date(names: Names, low: str = "1950", high: str = "2026") -> str:
    """A day, mostly as `14 March 1987`."""
    day, month = names.rng.randint(1, 28), names.rng.choice(MONTHS)
    form = names.rng.choice(("{d} {m} {y}", "{d} {m} {y}", "{m} {d}, {y}"))
    return form.format(d=day, m=month, y=year(names, low, high))


def day(names: Names) -> str:
    """A day of an unnamed year."""
    return names.rng.choice(("{d} {m}", "{m} {d}")).format(d=names.rng.randint(1, 28), m=names.rng.choice(MONTHS))


def month(names: Names) -> str:
    """A month of a year."""
    return f"{names.rng.choice(MONTHS)} {year(names, '1960')}"


def weekday(names: Names) -> str:
    """A day of the week."""
    return names.rng.choice(WEEKDAYS)


def clock(names: Names, low: str = "6", high: str = "22") -> str:
    """A time of day, mostly as `9:30`."""
    hour, minute = names.rng.randint(int(low), int(high)), names.rng.choice(("00", "15", "30", "45", "05", "10", "20"))
    if names.rng.random() < 0.7:
        return f"{hour}:{minute}"
    return f"{(hour - 1) % 12 + 1}:{minute} {'am' if hour < 12 else 'pm'}"


def minutes(names: Names) -> str:
    """A stretch of time from minutes to hours."""
    half_hours = names.rng.randint(3, 16)
    return names.rng.choice((f"{names.rng.randint(4, 180)} minutes", f"{half_hours / 2:g} hours"))


def code(names: Names) -> str:
    """A part, form or model number such as `KX-482`."""
    rng = names.rng
    letters = "".join(rng.choices(CODE_LETTERS, k=rng.choice((1, 2, 2, 3))))
    digits = str(rng.randint(10, 99999))
    return rng.choice((f"{letters}-{digits}", f"{letters}-{digits}", letters + digits, f"{digits}-{letters}"))


def phone(names: Names) -> str:
    """A telephone number or an extension."""
    rng = names.rng
    return rng.choice((f"555-{rng.randint(0, 9999):04d}", f"0{rng.randint(10, 99)} {rng.randint(1000, 99999)}"))


def extension(names: Names) -> str:
    """The few digits of an extension or a combination."""
    return str(names.rng.randint(100, 99999))


def port(names: Names) -> str:
    """A network port."""
    return str(names.rng.randint(1024, 65535))


def room(names: Names) -> str:
    """A room number."""
    return names.rng.choice(
        (f"{names.rng.choice('ABCDEFG')}{names.rng.randint(1, 499)}", str(names.rng.randint(2, 899)))
    )


def street(names: Names) -> str:
    """A street with a house number."""
    return f"{names.rng.randint(1, 240)} {word(names, 'street_name')} {word(names, 'street_kind')}"


def version(names: Names) -> str:
    """A version of some software."""
    rng = names.rng
    return ".".join(str(rng.randint(0, top)) for top in (12, 30, 20)[: rng.choice((2, 3, 3))])


def login(names: Names) -> str:
    """A user name, channel or password made of a bird and digits."""
    return f"{word(names, 'bird')}-{names.rng.randint(10, 9999)}"


def size(names: Names, *unit: str) -> str:
    """Width by length."""
    return " ".join([f"{names.rng.randint(4, 220)} by {names.rng.randint(4, 220)}", *unit])


def score(names: Names) -> str:
    """The result of a match."""
    return f"{names.rng.randint(0, 34)}-{names.rng.randint(0, 34)}"


def degrees(names: Names, low: str, high: str) -> str:
    """A temperature."""
    return f"{names.rng.randint(int(low), int(high))} °C"


def _even_in_digits(rng: random.Random, low: int, high: int) -> int:
    """A number between the limits; each possible number of digits is as likely as another."""
    digits = rng.randint(len(str(low)), len(str(high)))
    return rng.randint(max(low, 10 ** (digits - 1)), min(high, 10**digits - 1))


MAKERS: dict[str, ValueMaker] = {
    maker.__name__: maker
    for maker in (
        *(
            person,
            town,
            name,
            company,
            model,
            shipment,
            university,
            word,
            title,
            number,
            decimal,
            few,
            percent,
            money,
            year,
            date,
            day,
        ),
        *(
            month,
            weekday,
            clock,
            minutes,
            code,
            phone,
            extension,
            port,
            room,
            street,
            version,
            login,
            size,
            score,
            degrees,
        ),
    )
}

_THOUSANDS_COMMA = re.compile(r"(?<=\d),(?=\d{3})")
_SMALL_NUMBERS = {str(position): word for position, word in enumerate(NUMBER_WORDS, 2)}


def draw_value(names: Names, specification: str) -> str:
    """A value as specified, such as `number 2 90 kg`."""
    maker, *arguments = specification.split()
    return MAKERS[maker](names, *arguments)


def alternatives(value: str, question: str) -> tuple[str, ...]:
    """The value and other ways to write it that should count as right in answer to the question.

    These leave out a title, an article, commas between thousands, or a unit that the question names, and swap small
    numbers in words and digits.
    """
    ways = [value]
    for prefix in ("Dr. ", "Prof. ", "Captain ", "a ", "an ", "the "):
        if value.startswith(prefix):
            ways.append(value.removeprefix(prefix))
    plain = _THOUSANDS_COMMA.sub("", value)
    number, _, unit = plain.partition(" ")
    ways.append(plain)
    if unit and unit in question and number.replace(".", "").isdigit():
        ways.append(number)
    if value in NUMBER_WORDS:
        ways.append(str(NUMBER_WORDS.index(value) + 2))
    if value in _SMALL_NUMBERS:
        ways.append(_SMALL_NUMBERS[value])
    return tuple(dict.fromkeys(ways))
