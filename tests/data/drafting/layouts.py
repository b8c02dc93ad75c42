"""Public data sets in their published raw layout, built small: names, separators, encodings and time formats.

Every world has themes: a user mostly takes items of one. Each function fills a folder and returns nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

THEMES = ("garden", "kitchen", "travel", "music")
NOUNS = ("lamp", "story", "river", "tool", "night", "box", "map", "song", "field", "clock")
START = datetime(2015, 5, 4, 9, tzinfo=UTC)
USERS, ITEMS, EACH = 70, 60, 12


def taken(
    dice: random.Random, users: int = USERS, items: int = ITEMS, each: int = EACH
) -> Iterator[tuple[int, int, datetime]]:
    """Yield (user, item, when), in the order of time."""
    rows = []
    for user in range(users):
        theme = user % len(THEMES)
        mine = [item for item in range(items) if item % len(THEMES) == theme]
        chosen = dice.sample(mine, min(each - 2, len(mine))) + dice.sample(range(items), 2)
        for item in dict.fromkeys(chosen):
            when = START + timedelta(seconds=dice.randint(0, 90 * 86_400))
            rows += [(when, user, item)]
    for when, user, item in sorted(rows):
        yield user, item, when


def title(item: int) -> str:
    """Return the words of an item: its theme and two nouns."""
    return f"The {NOUNS[item % 10]} of the {THEMES[item % 4]} {NOUNS[(item // 4) % 10]}"


def rating(user: int, item: int, dice: random.Random, high: int) -> int:
    """Return a grade: high where the theme is the user's."""
    return high - dice.randint(0, 1) if user % 4 == item % 4 else dice.randint(1, high // 2)


def book_crossing(folder: Path, dice: random.Random) -> None:
    """Semicolons, every field in quotes, cp1252, no times, 0 for 'not rated'."""
    books = ['"ISBN";"Book-Title";"Book-Author";"Year-Of-Publication";"Publisher";"Image-URL-S"']
    isbns = [f"{random.Random(item).randint(0, 10**9):09d}X" for item in range(ITEMS)]
    for item, isbn in enumerate(isbns):
        author = ("Gabriel García Márquez", "Günter Grass", "Anne O\x92Neil", "Zoë Heller")[item % 4]
        url = f"http://images.amazon.com/images/P/{isbn}.01.THUMBZZZ.jpg"
        books.append(f'"{isbn}";"{title(item)} &amp; café";"{author}";"{1980 + item % 20}";"Knopf";"{url}"')
    _write(folder / "BX-Books.csv", books, "latin-1")
    people = ['"User-ID";"Location";"Age"']
    for user in range(USERS):
        age = "NULL" if user % 3 == 0 else f'"{20 + user % 40}"'
        people.append(f'"{276_000 + user}";"köln, nordrhein-westfalen, germany";{age}')
    _write(folder / "BX-Users.csv", people, "latin-1")
    grades = ['"User-ID";"ISBN";"Book-Rating"']
    for user, item, _ in sorted(taken(dice), key=lambda row: row[0]):
        grade = 0 if dice.random() < 0.6 else rating(user, item, dice, 10)
        grades.append(f'"{276_000 + user}";"{isbns[item]}";"{grade}"')
    _write(folder / "BX-Book-Ratings.csv", grades, "latin-1")


def retail_rocket(folder: Path, dice: random.Random) -> None:
    """Lower-case ids, milliseconds, a long table of item properties, a tree of categories."""
    events, properties = (
        ["timestamp,visitorid,event,itemid,transactionid"],
        ["timestamp,itemid,property,value"],
    )
    for user, item, when in taken(dice):
        stamp = int(when.timestamp() * 1000)
        events.append(f"{stamp},{257_000 + user},view,{355_000 + item},")
        if dice.random() < 0.4:
            events.append(f"{stamp + 60_000},{257_000 + user},addtocart,{355_000 + item},")
        if dice.random() < 0.2:
            events.append(
                f"{stamp + 90_000},{257_000 + user},transaction,{355_000 + item},{dice.randint(1, 17_000)}"
            )
    later = [properties[0]]
    for item in range(ITEMS):
        stamp = int(START.timestamp() * 1000)
        for name, value in (("categoryid", 1000 + item % 4), ("available", 1), ("790", "n52123.000")):
            properties.append(f"{stamp},{355_000 + item},{name},{value}")
            if name == "available" and item % 3 == 0:
                later.append(f"{stamp + 86_400_000},{355_000 + item},available,0")
    _write(folder / "events.csv", events)
    _write(folder / "item_properties_part1.csv", properties)
    _write(folder / "item_properties_part2.csv", later)
    _write(
        folder / "category_tree.csv",
        ["categoryid,parentid", *(f"{1000 + n},{900 + n % 2}" for n in range(4)), "900,"],
    )


def goodreads(folder: Path, dice: random.Random) -> None:
    """JSON lines in gz, times as C writes them, 0 for 'not rated', nested shelves and authors."""

    def said(when: datetime) -> str:
        return when.astimezone(timezone(timedelta(hours=-7))).strftime("%a %b %d %H:%M:%S %z %Y")

    shelf = []
    for number, (user, item, when) in enumerate(taken(dice)):
        read = dice.random() < 0.7
        shelf.append({
            "user_id": hashlib.md5(f"u{user}".encode()).hexdigest(),
            "book_id": str(24_375_000 + item),
            "review_id": hashlib.md5(f"r{number}".encode()).hexdigest(),
            "is_read": read,
            "rating": rating(user, item, dice, 5) if read else 0,
            "review_text_incomplete": title(item) + " was fun to read" if number % 9 == 0 else "",
            "date_added": said(when),
            "date_updated": said(when + timedelta(days=2)),
            "read_at": said(when + timedelta(days=1)) if read else "",
            "started_at": "",
        })  # fmt: skip
    books = [{
        "isbn": "", "text_reviews_count": str(item), "series": [], "country_code": "US",
        "language_code": "eng" if item % 3 else "", "popular_shelves": [{"count": "3", "name": "to-read"}],
        "asin": "", "is_ebook": "false", "average_rating": "3.8", "kindle_asin": "", "similar_books": [],
        "description": f"A book about the {THEMES[item % 4]} and what lies behind it.", "format": "Paperback",
        "link": f"https://www.goodreads.com/book/show/{24_375_000 + item}",
        "authors": [{"author_id": "1", "role": ""}],
        "publisher": f"House {item % 5}", "num_pages": str(100 + item), "publication_day": "", "isbn13": "",
        "publication_month": "", "edition_information": "", "publication_year": "1999", "url": "",
        "image_url": "", "book_id": str(24_375_000 + item), "ratings_count": "9", "work_id": str(800 + item),
        "title": title(item), "title_without_series": title(item),
    } for item in range(ITEMS)]  # fmt: skip
    _pack(folder / "goodreads_interactions_children.json.gz", shelf)
    _pack(folder / "goodreads_books_children.json.gz", books)


def instacart(folder: Path, dice: random.Random) -> None:
    """The user stands in the orders only; no times but the number of each order and the days between."""
    orders, lines = (
        ["order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order"],
        [],
    )
    number = 0
    per_user: dict[int, list[int]] = {}
    for user, item, _ in taken(dice):
        per_user.setdefault(user, []).append(item)
    for user, items in per_user.items():
        for turn, start in enumerate(range(0, len(items), 3), start=1):
            number += 1
            order = 2_000_000 + (number * 7919) % 100_000
            since = "" if turn == 1 else f"{dice.randint(1, 30)}.0"
            orders.append(
                f"{order},{user + 1},prior,{turn},{dice.randint(0, 6)},{dice.randint(6, 22):02d},{since}"
            )
            basket = items[start : start + 3]
            lines += [
                f"{order},{196 + item},{place},{int(turn > 2)}" for place, item in enumerate(basket, start=1)
            ]
    dice.shuffle(orders[1:])
    _write(folder / "orders.csv", orders)
    _write(
        folder / "order_products__prior.csv",
        ["order_id,product_id,add_to_cart_order,reordered", *sorted(lines)],
    )
    products = [f"{196 + item},{title(item)},{1 + item % 4},{1 + item % 2}" for item in range(ITEMS)]
    _write(folder / "products.csv", ["product_id,product_name,aisle_id,department_id", *products])
    _write(
        folder / "aisles.csv",
        ["aisle_id,aisle", *(f"{n + 1},{name} things" for n, name in enumerate(THEMES))],
    )
    _write(folder / "departments.csv", ["department_id,department", "1,home", "2,away"])


def lastfm_360k(folder: Path, dice: random.Random) -> None:
    """Tabs, no header, hashed users, an empty id here and there, plays."""
    plays, people = [], []
    for user, item, _ in sorted(taken(dice), key=lambda row: row[0]):
        mbid = "" if item % 20 == 7 else hashlib.md5(f"a{item}".encode()).hexdigest()
        plays.append(
            f"{_sha(user)}\t{_dashed(mbid)}\tThe {NOUNS[item % 10]}s {item}\t{dice.randint(1, 3000)}"
        )
    for user in range(USERS):
        age = 20 + user % 30 if user % 5 else ""
        people += [f"{_sha(user)}\t{'mf'[user % 2]}\t{age}\tGermany\tFeb {1 + user % 28}, 2007"]
    _write(folder / "usersha1-artmbid-artname-plays.tsv", plays)
    _write(folder / "usersha1-profile.tsv", people)


def steam(folder: Path, dice: random.Random) -> None:
    """No header; one row for the purchase, one for the hours; games are words; a last column of zeros."""
    rows = []
    for user, item, _ in sorted(taken(dice), key=lambda row: row[0]):
        game = f"{title(item)[4:].title()} {1 + item % 3}"
        rows.append(f"{151_603_712 + user},{game},purchase,1.0,0")
        if dice.random() < 0.6:
            rows.append(f"{151_603_712 + user},{game},play,{dice.uniform(0.1, 300):.1f},0")
    _write(folder / "steam-200k.csv", rows)


def _sha(user: int) -> str:
    return hashlib.sha1(f"u{user}".encode()).hexdigest()


def _dashed(text: str) -> str:
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])) if text else ""


def _write(path: Path, lines: list[str], encoding: str = "utf-8") -> None:
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))


def _pack(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
