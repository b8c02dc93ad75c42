"""Online Retail, Open Bandit and Upworthy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from polyscene.core.errors import DataError
from polyscene.core.settings.project import Settings
from polyscene.data.public.registry import public_set

Prepare = Callable[[str, Path, Path], Settings]

RETAIL = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


@pytest.mark.parametrize(
    ("dates", "first"),
    [
        (("2010-12-01 08:26:00", "2010-12-13 09:00:00"), datetime(2010, 12, 1, 8, 26)),
        (("12/1/2010 8:26", "12/13/2010 9:00"), datetime(2010, 12, 1, 8, 26)),
        (("01/12/2010 08:26", "13/12/2010 09:00"), datetime(2010, 12, 1, 8, 26)),
    ],
)
def test_online_retail(prepared: Prepare, tmp_path: Path, dates: tuple[str, str], first: datetime) -> None:
    early, late = dates
    lines = [
        f"536365,85123a,LAMP £,6,{early},2.55,17850.0,France",
        f"536366,85123A,LAMP £,2,{late},3.55,17850.0,France",
        f"536367,85123A,lamp?,1,{late},2.55,12583,Spain",
        f"C536379,85123A,LAMP £,-1,{late},2.55,17850,France",
        f"536380,22633,MUG,5,{late},1.85,,France",
    ]
    (tmp_path / "Online Retail.csv").write_text(RETAIL + "\n".join(lines), encoding="latin-1")
    settings = prepared("online-retail", tmp_path, tmp_path / "out")
    events = pl.read_parquet(tmp_path / "out" / "events.parquet")
    assert events.select("user_id", "item_id", "quantity").rows() == [
        ("17850", "85123A", 6.0), ("17850", "85123A", 2.0), ("12583", "85123A", 1.0)
    ]  # fmt: skip
    assert events["time"][0] == first
    items = pl.read_parquet(tmp_path / "out" / "items.parquet")
    assert items.height == 1
    assert items["description"][0] == "LAMP £"
    assert items["price"][0] == 2.55
    assert settings.scenarios["shop"].users is not None
    assert pl.read_parquet(tmp_path / "out" / "users.parquet").rows() == [
        ("17850", "France"),
        ("12583", "Spain"),
    ]


def test_online_retail_with_dates_nobody_can_read(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(RETAIL + "1,2,x,1,yesterday,1,3,France\n", encoding="utf-8")
    with pytest.raises(DataError, match="yesterday"):
        public_set("online-retail").prepare(tmp_path, tmp_path / "out")


def bandit(folder: Path, clicks: str) -> None:
    folder.mkdir(parents=True)
    features = ",".join(f"user_feature_{number}" for number in range(4))
    head = f",timestamp,item_id,position,click,propensity_score,{features},user-item_affinity_0\n"
    rows = [
        f"{row},2019-11-24 00:00:1{row}.004101+00:00,{row},{row + 1},{click},0.03,a{row % 2},b,c,d,0.0"
        for row, click in enumerate(clicks)
    ]
    (folder / f"{folder.name}.csv").write_text(head + "\n".join(rows), encoding="utf-8")
    items = ",item_id,item_feature_0,item_feature_1,item_feature_2,item_feature_3\n" + "".join(
        f"{row},{row},-0.5,x,y,z{row}\n" for row in range(4)
    )
    (folder / "item_context.csv").write_text(items, encoding="utf-8")


def test_open_bandit(prepared: Prepare, tmp_path: Path) -> None:
    bandit(tmp_path / "in" / "random" / "men", "010")
    bandit(tmp_path / "in" / "bts" / "men", "1")
    bandit(tmp_path / "in" / "random" / "all", "01")
    settings = prepared("open-bandit", tmp_path / "in", tmp_path / "out")
    assert list(settings.scenarios) == ["all", "men"]
    events = pl.read_parquet(tmp_path / "out" / "men" / "events.parquet")
    columns = ("item_id", "action", "position", "propensity", "policy")
    assert sorted(events.select(columns).rows()) == [
        ("0", "click", 1, 0.03, "bts"),
        ("0", "view", 1, 0.03, "random"),
        ("1", "click", 2, 0.03, "random"),
        ("2", "view", 3, 0.03, "random"),
    ]
    users = pl.read_parquet(tmp_path / "out" / "men" / "users.parquet")
    assert users.height == 2
    assert set(events["user_id"].to_list()) == set(users["user_id"].to_list())
    elsewhere = pl.read_parquet(tmp_path / "out" / "all" / "users.parquet")
    assert set(elsewhere["user_id"].to_list()) == set(users["user_id"].to_list())
    assert events["time"].min() == datetime(2019, 11, 24, 0, 0, 10, 4101)


def test_upworthy(prepared: Prepare, tmp_path: Path) -> None:
    head = ",created_at,updated_at,clickability_test_id,excerpt,headline,lede,slug,eyecatcher_id,impressions,"
    rows = [
        "0,2014-11-20 06:43:16.005,x,t1,Ex,Calm headline,<p>Some  words</p>,s,e1,1000,10",
        "1,2014-11-20 06:43:16.005,x,t1,Ex,Loud headline,<p>Some  words</p>,s,e1,1000,30",
        "2,2014-11-21 06:43:16,x,t2,Ex,Calm headline,<p>Some  words</p>,s,e1,500,0",
        "3,2014-11-21 06:43:16,x,t2,Ex,Third,,s,e2,0,0",
    ]
    name = "upworthy-archive-exploratory-packages-03.12.2020.csv"
    (tmp_path / name).write_text(head + "clicks\n" + "\n".join(rows), encoding="utf-8")
    settings = prepared("upworthy", tmp_path, tmp_path / "out")
    assert settings.scenarios["headlines"].users_are_local
    items = pl.read_parquet(tmp_path / "out" / "items.parquet")
    assert items["headline"].to_list() == ["Calm headline", "Loud headline", "Third"]
    assert items["lede"].to_list() == ["Some words", "Some words", None]
    events = pl.read_parquet(tmp_path / "out" / "events.parquet").join(items, on="item_id")
    assert sorted(events.select("test_id", "headline", "action", "rate").rows()) == [
        ("t1", "Calm headline", "view", 0.01),
        ("t1", "Loud headline", "choice", 0.03),
        ("t2", "Calm headline", "view", 0.0),
    ]
