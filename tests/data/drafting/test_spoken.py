"""What texts are written in, told by what they show, and nothing where they show nothing."""

from __future__ import annotations

import pytest

from polyscene.data.drafting.spoken import FEW_TEXTS, Spoken, model_for, spoken_in

ENGLISH = ["Running shoes for women", "The art of cooking with fire", "A kettle that holds the water warm"]
TOLD = {
    "German": ["Laufschuhe für Damen und Herren", "Die Kunst des Kochens", "Kaffee und Kuchen in der Küche"],
    "French": ["Chaussures de course pour femme", "Une histoire de la cuisine avec du feu", "Les eaux vives"],
    "Spanish": [
        "Zapatos para correr y caminar",
        "La canción del año más bonita",
        "Una cocina con fuego y sal",
    ],
    "Portuguese": ["Tênis para corrida com amortecimento", "Uma canção do coração", "Não é mais uma questão"],
    "Italian": ["Scarpe per la corsa", "Una storia della cucina con gli amici", "Il gatto sul tetto"],
    "Dutch": ["Schoenen voor het hardlopen", "Een boek van de zee", "Thee en koffie zonder suiker"],
    "Polish": ["Buty do biegania dla kobiet", "Książka o świecie", "Nie tylko dla dzieci oraz dorosłych"],
    "Turkish": ["Kadın için koşu ayakkabısı", "Bir yaz gecesi ve yağmur", "Çok güzel bir ışık"],
    "Han": ["红茶礼盒装", "iPhone 13 手机壳", "绿色连衣裙 女"],
    "Cyrillic": ["Красные туфли", "Книга о море", "Чайник"],
    "Hangul": ["한국어 책", "빨간 신발", "커피 머신"],
    "Arabic": ["كتاب عن التاريخ", "حذاء أحمر", "قهوة"],
    "English": ENGLISH,
}


@pytest.mark.parametrize("language", TOLD)
def test_each_is_told(language: str) -> None:
    spoken = spoken_in(TOLD[language])
    assert (spoken.texts, spoken.decided) == (3, 3)
    assert spoken.shares == {language: 1.0}
    assert spoken.model.value == ("minilm" if language == "English" else "multilingual")
    assert spoken.model.sure == 0.9


def test_bare_names_and_codes_show_nothing() -> None:
    spoken = spoken_in([f"ACME XK-{number}" for number in range(100)])
    assert (spoken.texts, spoken.decided, spoken.foreign) == (100, 0, 0.0)
    assert spoken.model.value == "minilm"
    assert spoken.model.sure < 0.9
    assert spoken.model.instead == ("multilingual",)
    assert "100 texts only 0 show" in spoken.model.why


def test_shares_are_of_the_texts_that_show_a_language() -> None:
    spoken = spoken_in([*ENGLISH * 8, *TOLD["Han"] * 2, "XK-42", "", "123"])
    assert (spoken.texts, spoken.decided) == (31, 30)
    assert spoken.shares == {"English": 0.8, "Han": 0.2}
    assert spoken.foreign == pytest.approx(0.2)
    assert str(spoken) == "80% English, 20% Han"


@pytest.mark.parametrize(
    ("foreign", "model", "open_"),
    [(0.0, "minilm", False), (0.2, "minilm", True), (0.5, "multilingual", False)],
)
def test_what_the_evidence_does_not_decide_is_marked(foreign: float, model: str, open_: bool) -> None:
    guess = Spoken(100, 100, {"English": 1 - foreign, "German": foreign}).model
    assert (guess.value, guess.to_decide) == (model, open_)
    assert ("multilingual" in guess.instead) is open_


def test_scenarios_share_the_model_that_the_most_foreign_one_needs() -> None:
    shop, news = spoken_in(ENGLISH * FEW_TEXTS), spoken_in(TOLD["Han"])
    guess = model_for({"shop": shop, "news": news})
    assert guess.value == "multilingual"
    assert guess.why == "news: the texts are 100% Han"
    assert model_for({"shop": shop}).value == "minilm"


def test_one_foreign_title_among_codes_decides_nothing() -> None:
    codes = spoken_in(["红茶", *[f"XK-{number}" for number in range(60)]])
    assert not codes.enough
    assert model_for({"codes": codes, "shop": spoken_in(ENGLISH)}).value == "minilm"


def test_without_texts_there_is_nothing_to_decide() -> None:
    for guess in (spoken_in([]).model, model_for({})):
        assert (guess.value, guess.to_decide) == ("minilm", False)
